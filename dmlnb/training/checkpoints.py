"""Checkpoints: bare tensors in one safetensors file, with a digest, written whole or not at all.

Nothing in the file is code, so opening a stranger's checkpoint cannot run anything.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dmlnb import __version__


def save_checkpoint(
    path: str | os.PathLike,
    net: nn.Module,
    loss: nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    history: list[dict[str, float]] = (),
) -> None:
    """Write network, loss, optimiser state and history to `path`, replacing it in one step.

    Args:
        path: a `.safetensors` file; its folder is made.
        net: the network.
        loss: the loss, when it has parameters or buffers.
        optimizer: its per-parameter state is kept; learning rates are not (the schedule sets them).
        history: as `dmlnb.training.train` returns it.

    Raises:
        OSError: if the folder cannot be written; no partial file is left.

    Taught in notebook 00.
    """
    tensors = _flatten(net, loss, optimizer)
    metadata = {"dmlnb": __version__, "sha256": _digest(tensors), "history": json.dumps(list(history))}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata=metadata)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_checkpoint(
    path: str | os.PathLike,
    net: nn.Module,
    loss: nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
) -> list[dict[str, float]]:
    """Read a checkpoint into the given objects, in place.

    Args:
        path: a file made by `save_checkpoint`.
        net, loss, optimizer: as they were saved; leave out the loss and the optimiser to use the network only.

    Returns:
        The history.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or holds another network than `net`.

    Taught in notebook 00.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"path: no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        raise ValueError(
            f"path: {path} is damaged or no safetensors file ({error}); delete it to start anew"
        ) from error
    if metadata.get("sha256") != _digest(tensors):
        raise ValueError(
            f"path: {path} is damaged: its digest is not the recorded one; delete it to start anew"
        )
    for prefix, module in (("net.", net), ("loss.", loss)):
        if isinstance(module, nn.Module):
            state = {
                key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
            }
            try:
                module.load_state_dict(state)
            except RuntimeError as error:
                raise ValueError(
                    f"path: {path} holds another {prefix[:-1]} than the one given: {error}"
                ) from error
    if optimizer is not None:
        _restore(optimizer, tensors)
    return json.loads(metadata["history"])


def _flatten(net, loss, optimizer) -> dict[str, Tensor]:
    tensors = {f"net.{key}": value for key, value in net.state_dict().items()}
    if isinstance(loss, nn.Module):
        tensors |= {f"loss.{key}": value for key, value in loss.state_dict().items()}
    if optimizer is not None:
        for number, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{key}": torch.as_tensor(value) for key, value in state.items()}
    return {
        key: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for key, value in tensors.items()
    }


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".")
            state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
