"""One training loop for the whole course, with its schedule and its checkpoints.

All randomness of step t is a function of (seed, t): the batch is looked up by t and the generator is seeded by both.
So an interrupted run, resumed from its checkpoint, ends in the very same weights.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from dmlnb.data import augment as default_augment
from dmlnb.data import to_float
from dmlnb.training.checkpoints import load_checkpoint, save_checkpoint


def hold_then_linear(step: int, steps: int, decay: float = 0.35) -> float:
    """Learning-rate factor: 1, then linear to 0 over the last `decay` share of the steps.

    $$ r(t) = \\min\\{1, (T - t) / (\\text{decay} \\cdot T)\\} $$
    """
    return min(1.0, (steps - step) / max(decay * steps, 1e-12))


def make_optimizer(
    net: nn.Module, loss: nn.Module | None, *, learning_rate: float, proxy_factor: float, weight_decay: float
) -> torch.optim.AdamW:
    """AdamW in three groups: weight matrices, everything without decay (norms, biases), and the loss's proxies.

    Proxies meet a gradient only when their class is in the batch, so they learn `proxy_factor` times faster.
    """
    decayed = [p for p in net.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in net.parameters() if p.requires_grad and p.ndim <= 1]
    proxies = [p for p in loss.parameters() if p.requires_grad] if isinstance(loss, nn.Module) else []
    groups = [
        {"params": decayed, "weight_decay": weight_decay, "base_lr": learning_rate},
        {"params": plain, "weight_decay": 0.0, "base_lr": learning_rate},
        {"params": proxies, "weight_decay": 0.0, "base_lr": learning_rate * proxy_factor},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=learning_rate)


def train(
    net: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    batches: Sequence[Tensor],
    *,
    learning_rate: float = 3e-3,
    proxy_factor: float = 10.0,
    weight_decay: float = 1e-4,
    augment: Callable[[Tensor], Tensor] | None = default_augment,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    validate_every: int = 200,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: int = 200,
    stop_at: int | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Train an embedding network; every method of the course goes through this loop.

    Args:
        net: `(B, c, S, S) -> (B, d)`; changed in place and left on `device`. Give `net.read` instead of `net` for a
            loss that takes a `Reading`.
        loss: `loss(embeddings (B, d), labels (B,)) -> scalar`; when it is a module, its parameters are trained too.
        images: `(N, c, S, S)` uint8, held in memory.
        labels: `(N,)` int64.
        batches: index tensors, one a step (`dmlnb.data.ClassBatches`); their number is the number of steps.
        learning_rate: of AdamW; held, then linear to 0 over the last 35 % of the steps.
        proxy_factor: the loss's parameters learn this much faster.
        weight_decay: decoupled, on weight matrices of the network only.
        augment: a whole-batch transform on float images, drawing from torch's global generator; None for none.
        validate: called every `validate_every` steps and at the end; its numbers join the history.
        checkpoint: a `.safetensors` path. If it exists, training resumes from it; it is rewritten every
            `checkpoint_every` steps and at the end.
        stop_at: leave after this step (to interrupt a run on purpose); the schedule still counts all batches.
        seed: with the step it determines all randomness of that step.
        device: None for CUDA when there is one, else CPU.
        progress: show a bar with loss and speed.

    Returns:
        The history: a list of `{"step", "loss", "lr", "images_per_second", ...}`, one entry a step.

    Raises:
        ValueError: for images that do not match labels, an empty list of batches, or a damaged checkpoint.
        FloatingPointError: if the loss stops being finite; says at which step.

    Taught in notebook 00.
    """
    if images.ndim != 4 or len(images) != len(labels):
        raise ValueError(
            f"images, labels: expected (N, c, S, S) and (N,), got {tuple(images.shape)}, {tuple(labels.shape)}"
        )
    if len(batches) == 0:
        raise ValueError("batches: expected at least one index tensor, got none")
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    forward, net = net, getattr(net, "__self__", net)  # net.read is a bound method of its network
    net.to(device, memory_format=torch.channels_last).train()
    if isinstance(loss, nn.Module):
        loss.to(device).train()
    optimizer = make_optimizer(
        net, loss, learning_rate=learning_rate, proxy_factor=proxy_factor, weight_decay=weight_decay
    )
    history: list[dict[str, float]] = []
    if checkpoint is not None and Path(checkpoint).exists():
        history = load_checkpoint(checkpoint, net, loss, optimizer)
    steps, last = len(batches), min(len(batches), stop_at or len(batches))
    bar = tqdm(
        range(len(history), last), initial=len(history), total=steps, disable=not progress, desc="training"
    )
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for step in bar:
            began = time.perf_counter()
            torch.manual_seed(seed * 1_000_003 + step)
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * hold_then_linear(step, steps)
            index = batches[step]  # (B,)
            batch = to_float(images[index].to(device)).contiguous(memory_format=torch.channels_last)
            if augment is not None:
                batch = augment(batch)
            value = loss(forward(batch), labels[index].to(device))
            if not torch.isfinite(value):
                raise FloatingPointError(
                    f"the loss became {value.item()} at step {step}; try a smaller learning_rate"
                )
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            speed = len(index) / (time.perf_counter() - began)
            entry = {
                "step": step,
                "loss": value.item(),
                "lr": optimizer.param_groups[0]["lr"],
                "images_per_second": speed,
            }
            done = step + 1
            if validate is not None and (done % validate_every == 0 or done == steps):
                entry |= validate(net)
                net.train()
            history.append(entry)
            if checkpoint is not None and (done % checkpoint_every == 0 or done == last):
                save_checkpoint(checkpoint, net, loss, optimizer, history)
            if step % 10 == 0 or done == last:
                bar.set_postfix(loss=f"{entry['loss']:.3f}", images_per_s=f"{speed:.0f}", refresh=False)
    return history
