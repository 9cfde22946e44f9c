"""Whether the state in a checkpoint fits what it shall be put into: if not, one error that says in what they differ."""

from pathlib import Path

import torch
from torch import Tensor

State = dict[str, Tensor]
WRAPPERS = ("_orig_mod", "module")  # names that torch.compile, and DataParallel or DDP, put before a key


def require_state(path: Path, name: str, wanted: State, found: State) -> None:
    """Raise ValueError unless the two states have the same names and shapes."""
    missing, foreign = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    bare = lambda key: ".".join(part for part in key.split(".") if part not in WRAPPERS)
    if missing and {bare(key) for key in wanted} == {bare(key) for key in found}:
        raise ValueError(
            f"path: {path} holds this {name}, but one of the two is wrapped by torch.compile, DataParallel or DDP: "
            f"{foreign[0]} there, {missing[0]} here; give what is inside, its ._orig_mod or .module, on that side"
        )
    if missing or foreign:
        lists = [(missing, "it lacks"), (foreign, "it has besides")]
        text = "; ".join(f"{words} {keys[0]} (of {len(keys)})" for keys, words in lists if keys)
        raise ValueError(f"path: {path} holds another {name} than the one given: {text}")
    for key, value in wanted.items():
        if value.shape != found[key].shape:
            shapes = f"{key} has shape {tuple(found[key].shape)} there, {tuple(value.shape)} here"
            raise ValueError(f"path: {path} holds another {name} than the one given: {shapes}")


def require_optimizer(
    path: Path, optimizer: torch.optim.Optimizer, states: dict[int, State], saved_by: str | None
) -> None:
    """Raise ValueError unless the state is of such an optimiser, of as many parameters of the same shapes."""
    own = type(optimizer).__name__
    names = {name for state in states.values() for name in state}
    if saved_by is None and not states:
        raise ValueError(f"path: {path} holds no state of an optimiser; leave optimizer out")
    adam = isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW)
    if (saved_by or own) != own or (states and adam != ("exp_avg" in names)):
        other = saved_by if saved_by not in (None, own) else f"an optimiser with {', '.join(sorted(names))}"
        raise ValueError(f"path: {path} holds the state of {other}, the one given is {own}")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if states and max(states) >= len(parameters):
        raise ValueError(
            f"path: {path} holds the state of an optimiser of more parameters than the {len(parameters)} given"
        )
    for number, state in states.items():
        shape = parameters[number].shape
        for name, value in state.items():
            if value.ndim and value.shape != shape:
                raise ValueError(
                    f"path: {path} holds the state of another optimiser: {name} of parameter {number} has shape "
                    f"{tuple(value.shape)} there, {tuple(shape)} here"
                )
