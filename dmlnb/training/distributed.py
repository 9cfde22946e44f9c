"""Training in several processes that see one batch: on all GPUs of a machine, or on several machines, by torchrun.

    torchrun --nproc-per-node=8 program.py        # the program calls `train`, as it does alone

Rank r reads part r of each batch. What the network gives is gathered in the order of the ranks, with its gradient, so
that every rank computes the loss of the whole batch. With W ranks and the same loss L on each, the gradient that a rank
has for the network comes from its own part and is W times too large there; for what the loss owns, such as proxies, it
is that of L already. The mean over ranks is right for both:

$$ \\frac1W \\sum_r W\\, (\\partial_\\theta x_r)^\\top\\, \\partial_{x_r} L = \\partial_\\theta L, \\qquad
   \\frac1W \\sum_r \\partial_\\rho L = \\partial_\\rho L . $$

So training ends in the weights of one process, up to rounding. `docs/scale.md` says how it is used.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import batch_norm
from torch.overrides import TorchFunctionMode

from dmlnb._inputs import require_positive, wide
from dmlnb._ranks import answered, from_all_ranks, from_rank_0, of_all_ranks, ranks
from dmlnb.data.loading import Images, index_of
from dmlnb.models import embed
from dmlnb.training.held import loss_module
from dmlnb.training.stamps import difference

T = TypeVar("T")
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # set by torchrun


def start(minutes: float = 30.0) -> tuple[int, int]:
    """Meet the other processes, if torchrun started this one; call it first. `train` does so too.

    Args:
        minutes: after which a process that does not answer ends all.

    Returns:
        This process's rank and the number of processes; (0, 1) alone. Each has the GPU of its number on its machine.

    Raises:
        ValueError: if torchrun's variables are set only in part, or there are more processes than GPUs.
        ConnectionError: if the others do not come.
    """
    require_positive(minutes=minutes)
    if dist.is_available() and not dist.is_initialized() and {"RANK", "WORLD_SIZE"} & os.environ.keys():
        if missing := [name for name in VARIABLES if not os.environ.get(name, "").strip()]:
            raise ValueError(
                f"environment: expected {', '.join(VARIABLES)}, got none for {', '.join(missing)}; "
                "start the program with torchrun, or unset the others"
            )
        number, size = (_whole(name) for name in ("LOCAL_RANK", "WORLD_SIZE"))
        if size > 1:
            gpus = torch.cuda.device_count()
            if gpus and number >= gpus:
                raise ValueError(
                    f"LOCAL_RANK: expected at most {gpus} processes, one per GPU, got number {number}"
                )
            if gpus:
                torch.cuda.set_device(number)
            with answered():
                backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
                dist.init_process_group(backend, timeout=timedelta(minutes=minutes))
    return ranks()


def _whole(name: str) -> int:
    text = os.environ[name].strip()
    if not text.isdecimal():
        raise ValueError(f"{name}: expected a whole number, got {text!r}")
    return int(text)


def part_of(number: int) -> Tensor:
    """The rows of `number` that this rank takes: `(n_r,)` indices, in the order of the ranks, as evenly as it goes."""
    rank, size = ranks()
    return torch.arange(number).tensor_split(size)[rank]


def embed_together(net: nn.Module, images: Images, rows: Tensor | None = None, **options: Any) -> Tensor:
    """`dmlnb.models.embed`, each rank its part: all embeddings on all ranks, `(M, d)`.

    Args:
        net, images, rows: as in `embed`, the same on all ranks.
        options: of `embed`.

    Raises:
        ValueError: as `embed`, and if there are fewer images than ranks.
    """
    rank, size = ranks()
    rows = torch.arange(len(images)) if rows is None else rows
    if len(rows) < size:
        raise ValueError(f"images: expected at least {size}, one for each rank, got {len(rows)}")
    return from_all_ranks(embed(net, images, rows=rows[part_of(len(rows))], **options))


def gather(seen: T) -> T:
    """What all ranks saw, in the order of the ranks, on each of them; the gradient finds its way back.

    Args:
        seen: a tensor `(b, ...)`, or a `Reading`, tuple, list or dict of such, of the same shapes on all ranks.

    Returns:
        The same with `(W b, ...)` tensors; alone, what was given. A rank's gradient is the sum of what all ranks want.
    """
    if ranks()[1] == 1:
        return seen
    tensors = iter(_Gather.apply(*_tensors(seen)))
    whole: T = _filled(seen, tensors)
    return whole


class _Gather(torch.autograd.Function):
    """All tensors of a reading in one function, so that all ranks talk in one order."""

    @staticmethod
    def forward(ctx, *tensors: Tensor) -> tuple[Tensor, ...]:
        _, size = ranks()
        ctx.set_materialize_grads(False)
        wholes = []
        with answered():
            for tensor in tensors:
                parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(size)]
                dist.all_gather(parts, tensor.contiguous())
                wholes.append(torch.cat(parts))
        ctx.mark_non_differentiable(
            *(w for w, needed in zip(wholes, ctx.needs_input_grad, strict=True) if not needed)
        )
        return tuple(wholes)

    @staticmethod
    def backward(ctx, *slopes: Tensor | None) -> tuple[Tensor | None, ...]:
        rank, size = ranks()
        found: list[Tensor | None] = []
        for slope, needed in zip(slopes, ctx.needs_input_grad, strict=True):
            if slope is None or not needed:
                found.append(None)
                continue
            total = slope.clone(memory_format=torch.contiguous_format)
            with answered():
                dist.all_reduce(total)
            found.append(total.chunk(size)[rank])
        return tuple(found)


def _tensors(seen: object) -> list[Tensor]:
    """The tensors in a reading, in a fixed order."""
    if isinstance(seen, Tensor):
        return [seen]
    parts = seen.values() if isinstance(seen, dict) else seen if isinstance(seen, tuple | list) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def _filled(seen: Any, tensors: Iterator[Tensor]) -> Any:
    """The same reading with other tensors."""
    if isinstance(seen, Tensor):
        return next(tensors)
    if isinstance(seen, dict):
        return {name: _filled(part, tensors) for name, part in seen.items()}
    if isinstance(seen, tuple | list):
        parts = [_filled(part, tensors) for part in seen]
        return type(seen)(*parts) if hasattr(seen, "_fields") else type(seen)(parts)
    return seen


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Give each parameter the mean over ranks of its gradients; one without a gradient on any rank stays without."""
    _, size = ranks()
    kinds: dict[tuple, list[nn.Parameter]] = {}
    for p in parameters if size > 1 else ():
        kinds.setdefault((p.dtype, p.device), []).append(p)
    for (dtype, device), own in kinds.items():
        has = torch.tensor([p.grad is not None for p in own], dtype=dtype, device=device)
        slopes = [torch.zeros_like(p) if p.grad is None else p.grad for p in own]
        flat = torch.cat([*(slope.reshape(-1) for slope in slopes), has])
        with answered():
            dist.all_reduce(flat)
        flat /= size
        *means, has = flat.split([*(p.numel() for p in own), len(own)])
        for p, slope, mean, somewhere in zip(own, slopes, means, has.tolist(), strict=True):
            p.grad = slope.copy_(mean.view(slope.shape)) if somewhere else None


class _SyncedBatchNorm(TorchFunctionMode):
    """Inside, BatchNorm that takes its statistics from the batch takes them from the parts of all ranks."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is batch_norm and (kwargs or {}).get("training"):
            return _normalize(*args, **kwargs)
        return function(*args, **(kwargs or {}))


def _normalize(x, running_mean, running_var, weight, bias, training, momentum, eps) -> Tensor:
    """BatchNorm of `(b, C, ...)` with mean and variance over the ranks' parts, which are of one size."""
    _, size = ranks()
    if x.is_cuda:
        from torch.nn.modules._functions import SyncBatchNorm  # what torch.nn.SyncBatchNorm calls

        group = dist.group.WORLD
        return SyncBatchNorm.apply(x, weight, bias, running_mean, running_var, eps, momentum, group, size)
    values = x.to(wide(x)).transpose(0, 1).flatten(1)  # (C, n)
    part = torch.stack([values.mean(dim=1), values.var(dim=1, correction=0)])  # (2, C)
    means, variances = gather(part[None]).unbind(dim=1)  # (W, C) each
    mean = means.mean(dim=0)
    variance = (variances + (means - mean).square()).mean(dim=0)
    number = size * values.shape[1]
    for running, value in ((running_mean, mean), (running_var, variance * number / (number - 1))):
        if running is not None:
            running.lerp_(value.detach().to(running), momentum)
    broad = (1, -1, *[1] * (x.ndim - 2))
    scale = (variance + eps).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    return (x * scale.view(broad) + shift.view(broad)).to(x.dtype)


def synced_batchnorm() -> AbstractContextManager:
    """A context in which BatchNorm layers that learn their statistics see the batches of all ranks as one."""
    return nullcontext() if ranks()[1] == 1 else _SyncedBatchNorm()


@contextmanager
def own_draws() -> Iterator[None]:
    """A context in which ranks draw different random numbers, as for dropout; behind it, all go on alike."""
    rank, size = ranks()
    if size == 1:
        yield
        return
    with torch.random.fork_rng([torch.cuda.current_device()] if torch.cuda.is_available() else []):
        torch.manual_seed((torch.initial_seed() + 2_654_435_769 * rank) % 2**63)  # rank 0 as alone
        yield


def require_alike(run: dict, batches: Sequence[Tensor], count: int) -> None:
    """Raise ValueError unless all ranks were called alike, and share each batch evenly.

    Args:
        run: what `describe_run` says of this rank's call.
        batches: as in `train`.
        count: of images.
    """
    _, size = ranks()
    first, *others = of_all_ranks(run)
    for rank, other in enumerate(others, 1):
        if found := difference(first, other):
            raise ValueError(
                f"ranks: expected the same call on all, got another on rank {rank} than on 0 ({found})"
            )
    for step in range(len(batches)):
        if (length := len(index_of(batches, step, count))) % size:
            raise ValueError(
                f"batches: expected as many images for each of the {size} ranks, step {step} has {length}"
            )


def share_state(net: nn.Module, loss: Callable | None) -> None:
    """Give parameters and buffers of network and loss the values of rank 0."""
    if ranks()[1] > 1:
        module = loss_module(loss, net)
        states = [part.state_dict(keep_vars=True) for part in (net, module) if part is not None]
        from_rank_0(*(value for state in states for value in state.values()))
