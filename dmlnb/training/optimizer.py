"""The optimiser of the training loop and its schedule."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from dmlnb._inputs import as_int, require_not_negative
from dmlnb.training.held import learned_parameters, loss_module


def hold_then_linear(step: int, steps: int, decay: float = 0.35, *, warmup: int = 0) -> float:
    """Learning-rate factor: 1, then linear to 0 over the last `decay` share of the steps; before, a linear warm-up.

    $$ r(t) = \\min\\{1, (T - t) / (\\text{decay} \\cdot T)\\} \\cdot \\min\\{1, (t + 1) / W\\} $$

    Args:
        step: t, from 0.
        steps: T.
        decay: share of the steps.
        warmup: W steps; 0 for none.

    Returns:
        r(t) in 0 .. 1; 0 from step T on.

    Raises:
        ValueError: for numbers out of range.
    """
    step, steps = as_int(step, "step", least=0), as_int(steps, "steps")
    warmup = as_int(warmup, "warmup", least=0)
    require_not_negative(decay=decay)
    return min(1.0, max(0, steps - step) / max(decay * steps, 1e-12)) * min(1.0, (step + 1) / max(warmup, 1))


def cosine(step: int, steps: int) -> float:
    """Learning-rate factor: half a cosine from 1 to 0.

    $$ r(t) = \\tfrac12 \\bigl(1 + \\cos(\\pi t / T)\\bigr) $$

    Args:
        step: t, from 0.
        steps: T.

    Returns:
        r(t) in 0 .. 1.

    Raises:
        ValueError: for numbers out of range.

    Source: [loshchilov2017sgdr], without restarts.
    """
    step, steps = as_int(step, "step", least=0), as_int(steps, "steps")
    return 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))


def constant(step: int, steps: int) -> float:
    """Learning-rate factor 1 at every step."""
    return 1.0


def make_optimizer(
    net: nn.Module,
    loss: Callable | None,
    *,
    learning_rate: float,
    proxy_factor: float,
    weight_decay: float,
    rates: Mapping[str, float] | None = None,
) -> torch.optim.AdamW:
    """AdamW in three groups: weight matrices, everything without decay (norms, biases), and the loss's proxies.

    Proxies meet a gradient only when their class is in the batch, so they learn `proxy_factor` times faster.

    Args:
        net: the network; frozen parameters stay out.
        loss: its parameters are found in a lambda or a partial too (`modules_of`); those that belong to the
            network count there only.
        learning_rate, proxy_factor, weight_decay: as in `dmlnb.training.train`.
        rates: factors of the learning rate by the beginning of a parameter's name, `{"backbone": 0.1}`; the longest
            that fits counts, the others have 1. The first two groups are made for each factor.

    Returns:
        The optimiser; each group's `base_lr` is its rate before the schedule.

    Raises:
        ValueError: for a name in `rates` that no parameter has, a negative factor, float16, or nothing to train.
    """
    require_not_negative(learning_rate=learning_rate, proxy_factor=proxy_factor, weight_decay=weight_decay)
    rates = dict(rates or {})
    learned = {name: p for name, p in net.named_parameters() if p.requires_grad}
    fits = lambda name, prefix: name == prefix or name.startswith(f"{prefix}.")
    for prefix, factor in rates.items():
        if not any(fits(name, prefix) for name, _ in net.named_parameters()):
            parts = ", ".join(name for name, _ in net.named_children())
            raise ValueError(f"rates: no parameter's name begins with {prefix!r}; the network has {parts}")
        if not 0 <= factor < float("inf"):
            raise ValueError(f"rates: expected factors >= 0, got {factor} for {prefix!r}")
    factor_of = {}
    for name in learned:
        fitting = [prefix for prefix in rates if fits(name, prefix)]
        factor_of[name] = rates[max(fitting, key=len)] if fitting else 1.0
    groups: list[dict[str, Any]] = []
    for factor in dict.fromkeys(factor_of.values()):
        own = [p for name, p in learned.items() if factor_of[name] == factor]
        base = {"base_lr": learning_rate * factor}
        groups.append({"params": [p for p in own if p.ndim > 1], "weight_decay": weight_decay, **base})
        groups.append({"params": [p for p in own if p.ndim <= 1], "weight_decay": 0.0, **base})
    proxies = learned_parameters(loss_module(loss, net), net)
    groups.append({"params": proxies, "weight_decay": 0.0, "base_lr": learning_rate * proxy_factor})
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise ValueError("net, loss: expected a parameter that requires a gradient, all are frozen")
    if any(
        p.dtype == torch.float16 for group in groups for p in group["params"]
    ):  # eps and small squares are 0 there
        raise ValueError("net, loss: AdamW cannot learn float16; take float32 with amp=True, or bfloat16")
    return torch.optim.AdamW(groups, lr=learning_rate)
