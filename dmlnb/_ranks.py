"""Several processes that train together: what one of them tells all, and how an error in one ends all.

A process is known by its rank, 0 .. W - 1. Alone, a process is rank 0 of 1, and everything here does nothing.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")
_runs = itertools.count()


def ranks() -> tuple[int, int]:
    """This process's rank, and the number W of processes: (0, 1) alone."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


@torch.no_grad()
def from_rank_0(*tensors: Tensor) -> None:
    """Give the tensors, in place, the values of rank 0, where several processes train together; all must call it."""
    kinds: dict[tuple, list[Tensor]] = {}
    for tensor in tensors if ranks()[1] > 1 else ():
        kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    for alike in kinds.values():  # one message for each dtype
        flat = torch.cat([tensor.reshape(-1) for tensor in alike])
        with answered():
            dist.broadcast(flat, src=0)
        for tensor, values in zip(alike, flat.split([t.numel() for t in alike]), strict=True):
            tensor.copy_(values.view(tensor.shape))


@torch.no_grad()
def from_all_ranks(rows: Tensor) -> Tensor:
    """The rows of all ranks, in the order of the ranks, on each of them, without gradient; all must call it.

    Args:
        rows: `(n_r, ...)`; ranks may have different numbers of rows, or none.

    Returns:
        `(n_0 + n_1 + ..., ...)`; alone, the rows themselves.
    """
    _, size = ranks()
    if size == 1:
        return rows
    count = torch.tensor(len(rows), device=rows.device)
    counts = [torch.empty_like(count) for _ in range(size)]
    with answered():
        dist.all_gather(counts, count)
        padded = rows.new_zeros(int(max(counts)), *rows.shape[1:])
        padded[: len(rows)] = rows.detach()
        parts = [torch.empty_like(padded) for _ in range(size)]
        dist.all_gather(parts, padded)
    return torch.cat([part[: int(n)] for part, n in zip(parts, counts, strict=True)])


def on_rank_0(function: Callable[[], T]) -> T:
    """What `function()` gives on rank 0, on all ranks; an error there ends all. Sent by pickle."""
    rank, size = ranks()
    if size == 1:
        return function()
    found: Any = None
    error = None
    if rank == 0:
        try:
            found = function()
        except Exception as problem:
            error = problem
    box = [(found, error is None)]
    with answered():
        dist.broadcast_object_list(box, src=0)
    if error is not None:
        raise error
    value, good = box[0]
    if not good:
        raise SystemExit(1)
    return value


def of_all_ranks(thing: T) -> list[T]:
    """The things of all ranks, in their order. Sent by pickle."""
    _, size = ranks()
    things = [thing] * size
    if size > 1:
        with answered():
            dist.all_gather_object(things, thing)
    return things


@contextmanager
def answered() -> Iterator[None]:
    """Around talk among processes: if one does not answer, a ConnectionError that says so in one line."""
    try:
        yield
    except RuntimeError as error:  # of gloo and NCCL: closed connections, time-outs
        reason = str(error).strip().splitlines()[0]
        raise ConnectionError(
            f"rank {ranks()[0]}: another process has ended, or has not answered in time, so all end; "
            f"what was saved in a checkpoint is not lost ({reason})"
        ) from None


@contextmanager
def one_message() -> Iterator[None]:
    """Around a run: the first process in which something goes wrong raises it, the others end without a word."""
    number = next(_runs)  # the same on all ranks
    try:
        yield
    except Exception as error:
        if ranks()[1] > 1 and not _first(f"dmlnb/failed/{number}"):
            raise SystemExit(1) from None
        if isinstance(error, ConnectionError):
            raise ConnectionError(*error.args) from None  # not from where it happened to be noticed
        raise


def _first(key: str) -> bool:
    """Whether this process is the first to ask so."""
    try:
        return dist.distributed_c10d._get_default_store().add(key, 1) == 1
    except RuntimeError:  # the process that keeps the list has ended
        return True
