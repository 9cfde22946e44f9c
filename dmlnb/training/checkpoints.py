"""Checkpoints: bare tensors in one safetensors file, with a digest, written whole or not at all.

Nothing in the file is code, so opening a stranger's checkpoint cannot run anything. Everything is checked before
anything is changed.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from dmlnb._files import read_tensors, write_tensors
from dmlnb.training.fits import State, require_optimizer, require_state
from dmlnb.training.held import loss_module
from dmlnb.training.stamps import difference


class Saved(NamedTuple):
    """What a checkpoint holds, checked against the objects that it shall be put into."""

    net: State
    loss: State
    optimizer: dict[int, State]
    best: State
    history: list[dict[str, float]]


def save_checkpoint(
    path: str | os.PathLike,
    net: nn.Module,
    loss: Callable | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    history: Sequence[dict[str, float]] = (),
    *,
    run: dict | None = None,
    best: State | None = None,
) -> None:
    """Write network, loss, optimiser state and history to `path`, replacing it in one step.

    Args:
        path: a `.safetensors` file; its folder is made. Of a link, the file that it points to is written.
        net: the network.
        loss: the loss; what it has of parameters and buffers is kept, also inside a lambda or a partial.
        optimizer: its per-parameter state is kept; learning rates are not (the schedule sets them).
        history: as `dmlnb.training.train` returns it.
        run: what the run is (`dmlnb.training.stamps.describe_run`); `load_checkpoint` can ask for the same.
        best: a second state of network and loss, from `snapshot`.

    Raises:
        OSError: if the file cannot be written, as on a full disk; no partial file is left, and a file that was there
            before stays as it was.
        ValueError: if a state holds something that is no tensor.
    """
    tensors = snapshot(net, loss) | {f"best.{key}": value for key, value in (best or {}).items()}
    metadata = {"history": json.dumps(list(history), default=_python_number)}
    if optimizer is not None:
        metadata["optimizer"] = type(optimizer).__name__
        tensors |= {
            f"optimizer.{number}.{key}": _copy(torch.as_tensor(value))
            for number, state in optimizer.state_dict()["state"].items()
            for key, value in state.items()
            if value is not None  # SGD without momentum
        }
    if run is not None:
        metadata["run"] = json.dumps(run)
    metadata["sha256"] = _digest(tensors)
    write_tensors(path, tensors, metadata)


def load_checkpoint(
    path: str | os.PathLike,
    net: nn.Module,
    loss: Callable | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    run: dict | None = None,
) -> list[dict[str, float]]:
    """Read a checkpoint into the given objects, in place; if it does not fit, nothing is changed.

    Args:
        path: a file made by `save_checkpoint`.
        net, loss, optimizer: as they were saved; leave out the loss and the optimiser to use the network only.
        run: refuse the file unless it was saved with this `run`; None takes any.

    Returns:
        The history.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no checkpoint or damaged, belongs to another run, or holds another network, loss or
            optimiser than the one given; says which.
    """
    saved = read_checkpoint(path, net, loss, optimizer, run=run)
    restore(saved, net, loss, optimizer)
    return saved.history


def read_checkpoint(
    path: str | os.PathLike,
    net: nn.Module,
    loss: Callable | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    run: dict | None = None,
) -> Saved:
    """All of a checkpoint, checked as in `load_checkpoint`; changes nothing."""
    path = Path(path).expanduser()
    metadata, tensors = _read(path)
    if run is not None and "run" not in metadata:
        raise ValueError(
            f"checkpoint: {path} does not say which run it belongs to, so none goes on from it; "
            "read it with load_checkpoint, or give another path"
        )
    if run is not None and (found := difference(json.loads(metadata["run"]), run)):
        raise ValueError(f"checkpoint: {path} belongs to another run ({found}); give another path")
    states = {part: _below(tensors, f"{part}.") for part in ("net", "loss", "best", "optimizer")}
    for name, module in (("net", net), ("loss", loss_module(loss, net))):
        if module is not None:
            require_state(path, name, module.state_dict(), states[name])
    numbered: dict[int, State] = {}
    for key, value in states["optimizer"].items():
        number, _, name = key.partition(".")
        numbered.setdefault(int(number), {})[name] = value
    if optimizer is not None:
        require_optimizer(path, optimizer, numbered, metadata.get("optimizer"))
    history = json.loads(metadata["history"])
    return Saved(states["net"], states["loss"], numbered, states["best"], history)


def restore(
    saved: Saved,
    net: nn.Module,
    loss: Callable | None = None,
    optimizer: torch.optim.Optimizer | None = None,
) -> None:
    """Put what `read_checkpoint` returned for these objects into them."""
    net.load_state_dict(saved.net)
    if (module := loss_module(loss, net)) is not None:
        module.load_state_dict(saved.loss)
    if optimizer is not None:
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": saved.optimizer, "param_groups": groups})


def snapshot(net: nn.Module, loss: Callable | None = None) -> State:
    """A copy of the states of network and loss, on the CPU."""
    states = {f"net.{key}": value for key, value in net.state_dict().items()}
    if (module := loss_module(loss, net)) is not None:
        states |= {f"loss.{key}": value for key, value in module.state_dict().items()}
    for key, value in states.items():
        if not isinstance(value, Tensor):
            raise ValueError(
                f"{key}: expected tensors in the state, got {type(value).__name__}; use a buffer"
            )
    return {key: _copy(value) for key, value in states.items()}


def put_back(best: State, net: nn.Module, loss: Callable | None = None) -> None:
    """Put a `snapshot` back."""
    restore(Saved(_below(best, "net."), _below(best, "loss."), {}, {}, []), net, loss)


def _read(path: Path) -> tuple[dict[str, str], State]:
    """Metadata and tensors, copied out of the file; each kind of a wrong file has its own message."""
    if not path.exists():
        raise FileNotFoundError(f"path: no checkpoint at {path}")
    if path.is_dir():
        raise ValueError(f"path: {path} is a folder; give the .safetensors file in it")
    with path.open("rb") as file:
        start = file.read(9)
    # a safetensors file begins with 8 bytes that are a length, of any value, and then {
    if start.startswith((b"PK", b"\x80")) and start[8:] != b"{":
        raise ValueError(
            f"path: {path} was written by torch.save; read it with torch.load, then load_state_dict"
        )
    try:
        tensors, metadata = read_tensors(path)
    except SafetensorError as error:
        raise ValueError(
            f"path: {path} is damaged or no safetensors file ({error}); delete it to start anew"
        ) from error
    if not {"sha256", "history"} <= metadata.keys():
        raise ValueError(
            f"path: {path} is a safetensors file of another program; read it with safetensors.torch.load_file"
        )
    if metadata["sha256"] != _digest(tensors):
        raise ValueError(
            f"path: {path} is damaged: its digest is not the recorded one; delete it to start anew"
        )
    return metadata, tensors


def _below(tensors: State, prefix: str) -> State:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _copy(value: Tensor) -> Tensor:
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)


def _python_number(value):
    """For json: the Python number in a NumPy number or a tensor of one element."""
    if hasattr(value, "item"):
        return value.item()
    raise ValueError(f"history: expected numbers, got {type(value).__name__}")


def _digest(tensors: State) -> str:
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
