"""One training loop for the whole course, with its schedule and its checkpoints.

All randomness of step t is a function of (seed, t): the batch is looked up by t and the generator is seeded by both.
So an interrupted run, resumed from its checkpoint, ends in the very same weights.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from dmlnb._inputs import a_weight
from dmlnb._ranks import on_rank_0, one_message
from dmlnb.data import augment as default_augment
from dmlnb.data import to_float
from dmlnb.data.loading import Images, load_batches
from dmlnb.training import distributed
from dmlnb.training.checkpoints import put_back, read_checkpoint, restore, save_checkpoint, snapshot
from dmlnb.training.held import loss_module, only_used, require_all_trained
from dmlnb.training.optimizer import hold_then_linear, make_optimizer
from dmlnb.training.requirements import require_data, require_numbers, require_settings
from dmlnb.training.stamps import describe_run


@one_message()
def train(
    net: nn.Module | Callable[[Tensor], Any],
    loss: Callable[[Any, Tensor], Tensor],
    images: Images,
    labels: Tensor | None,
    batches: Sequence[Tensor],
    *,
    learning_rate: float = 3e-3,
    proxy_factor: float = 10.0,
    rates: Mapping[str, float] | None = None,
    weight_decay: float = 1e-4,
    schedule: Callable[[int, int], float] = hold_then_linear,
    warmup: int = 0,
    clip: float | None = None,
    freeze_batchnorm: bool = False,
    amp: bool = False,
    augment: Callable[[Tensor], Tensor] | str | None = "letters",
    workers: int = 0,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    validate_every: int = 200,
    keep_best: str | None = None,
    renew: str | None = None,
    log: Callable[[int, dict[str, float]], None] | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: int = 200,
    stop_at: int | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Train an embedding network; every method of the course goes through this loop.

    Started by torchrun, all processes call it alike: each reads its part of every batch, and all end in the weights
    that one process would find (`dmlnb.training.distributed`). Bar, `log` and checkpoint are those of rank 0.

    Args:
        net: `(B, c, S, S) -> (B, d)`; changed in place and left on `device`. Give `net.read` instead of `net` for a
            loss that takes a `Reading`. Batches come in the dtype of its parameters.
        loss: `loss(embeddings (B, d), labels (B,)) -> scalar`. Its parameters are trained too: those of a module, and
            those that a lambda, a partial or a method holds (`dmlnb.training.held.modules_of`). What it holds in
            evaluation mode or frozen, such as a source network, is only used.
        images: `(N, c, S, S)`, uint8 grey levels or floating point; feature maps; or a map-style Dataset of
            `(image (c, S, S), label)`, whose random transforms draw from torch's, NumPy's or Python's global generator.
        labels: `(N,)` integers; None for those that the images bring (`.labels`, or the items of a Dataset).
        batches: index tensors, one per step (`dmlnb.data.ClassBatches`); their number is the number of steps.
        learning_rate: of AdamW, times the schedule.
        proxy_factor: the loss's parameters learn this much faster.
        rates: factors of the learning rate by the beginning of a parameter's name, `{"backbone": 0.1}`.
        weight_decay: decoupled, on weight matrices of the network only.
        schedule: `schedule(step, steps)`, the factor of the learning rate at a step: by default held, then linear to 0
            over the last 35 % of the steps; `dmlnb.training` has `cosine` and `constant` too.
        warmup: steps in which the learning rate rises linearly.
        clip: largest norm of the gradient, of network and loss together; None for no limit.
        freeze_batchnorm: BatchNorm layers keep their running statistics and use them; scale and shift still learn.
        amp: run network and loss under bfloat16 autocast.
        augment: a whole-batch transform on float images, drawing from torch's global generator; None for none.
            `"letters"` is `dmlnb.data.augment` for grey images in a tensor, `(N, 1, S, S)`, and none for all others.
        workers: processes that open the images of a Dataset; any number gives the same weights.
        validate: called every `validate_every` steps and at the end, on all ranks; its numbers, and what it changed of
            network and loss, are taken from rank 0. The numbers join the history.
        keep_best: one of these numbers, larger is better. At the end network and loss go back to the step where it was
            largest, the first of several; the history says which in `best_step`.
        renew: one of these numbers; where it is not 0, the optimiser forgets its running averages, as after new proxies
            (`dmlnb.losses.AlternatingProjection`).
        log: `log(step, entry)`, called with each new entry of the history.
        checkpoint: a `.safetensors` path. If it exists, training resumes from it; it is rewritten every
            `checkpoint_every` steps and at the end. A checkpoint of another run (seed, settings, data, batches, network
            or loss) is refused.
        stop_at: leave after this step (to interrupt a run on purpose); the schedule still counts all batches.
        seed: with the step it determines all randomness of that step.
        device: None for CUDA when there is one, else CPU.
        progress: show a bar with loss and speed.

    Returns:
        The history: a list of `{"step", "loss", "lr", "images_per_second", ...}`, one entry a step.

    Raises:
        ValueError: for images that do not match labels, an empty list of batches, a number out of its range, a
            parameter that gets a gradient but would not be trained, or a checkpoint that is damaged or belongs to
            another run; for ranks that were called differently, or batches that they cannot share evenly.
        ConnectionError: if another process has ended or does not answer.
        FloatingPointError: if the loss stops being finite; says at which step.

    Taught in notebook 00.
    """
    rank, size = distributed.start()
    forward, net = net, getattr(net, "__self__", net)  # net.read is a bound method of its network
    if not isinstance(net, nn.Module):
        raise ValueError(f"net: expected a module or a method of one, got {type(net).__name__}")
    images, labels = require_data(images, labels)
    if not hasattr(batches, "__getitem__") or len(batches) == 0:
        raise ValueError("batches: expected a sequence of at least one index tensor, got none")
    steps, last, seed = require_settings(
        len(batches), stop_at, seed, validate=validate, keep_best=keep_best, renew=renew,
        learning_rate=learning_rate, proxy_factor=proxy_factor, weight_decay=weight_decay, warmup=warmup, clip=clip,
        workers=workers, validate_every=validate_every, checkpoint_every=checkpoint_every,
    )  # fmt: skip
    if isinstance(augment, str):
        if augment != "letters":
            raise ValueError(f"augment: expected 'letters', a function or None, got {augment!r}")
        is_grey = isinstance(images, Tensor) and images.ndim == 4 and images.shape[1] == 1
        augment = default_augment if is_grey else None
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    learned = loss_module(loss, net)  # what of the loss is trained and saved
    used = only_used(learned, net)
    optimizer = make_optimizer(
        net,
        learned,
        learning_rate=learning_rate,
        proxy_factor=proxy_factor,
        weight_decay=weight_decay,
        rates=rates,
    )
    history: list[dict[str, float]] = []
    run, saved, best = None, None, None
    if checkpoint is not None or size > 1:
        run = describe_run(net, loss, images, labels, batches, {
            "seed": seed, "learning_rate": learning_rate, "proxy_factor": proxy_factor, "rates": rates,
            "weight_decay": weight_decay, "warmup": warmup, "clip": clip, "freeze_batchnorm": freeze_batchnorm,
            "amp": amp, "augment": augment, "validate_every": validate_every if validate else None,
            "keep_best": keep_best, "renew": renew,
            "schedule": None if schedule is hold_then_linear else schedule,
            "torchrun": f"{size} processes" if size > 1 else None,
        })  # fmt: skip
    if size > 1:
        distributed.require_alike(run or {}, batches, len(images))
    if checkpoint is not None:
        checkpoint = Path(checkpoint).expanduser()

        def find():
            checkpoint.parent.mkdir(parents=True, exist_ok=True)  # known before step 0 if it cannot be
            return (
                read_checkpoint(checkpoint, net, learned, optimizer, run=run) if checkpoint.exists() else None
            )

        saved = on_rank_0(find)

    # From here on things change: network and loss move, and take up the state of the checkpoint.
    net.to(device).to(memory_format=torch.channels_last)
    if learned is not None:
        learned.to(device)
    if saved is not None:
        restore(saved, net, learned, optimizer)
        history, best = saved.history, saved.best or None
    distributed.share_state(net, learned)
    _training_mode(net, loss, used, freeze_batchnorm)
    dtype = a_weight(net).dtype
    todo = range(len(history), last)
    part = (0, 1) if augment else (rank, size)  # what transforms a whole batch needs all of it
    loaded = load_batches(images, labels, batches, todo, seed=seed, workers=workers, part=part)
    bar = tqdm(todo, initial=len(history), total=steps, disable=not progress or rank > 0, desc="training")
    own_random = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    with own_random, distributed.synced_batchnorm(), closing(loaded):
        for step in bar:
            began = time.perf_counter()
            torch.manual_seed(seed * 1_000_003 + step)
            factor = schedule(step, steps) * min(1.0, (step + 1) / max(warmup, 1))
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * factor
            batch, target = next(loaded)  # (B, c, S, S), (B,)
            if target is None:
                raise ValueError("labels: expected them, or a Dataset whose items are (image, label)")
            batch = to_float(batch.detach().to(device)).contiguous(memory_format=torch.channels_last)
            if augment is not None:
                batch, target = augment(batch).chunk(size)[rank], target.chunk(size)[rank]
            with torch.autocast(device.type, torch.bfloat16) if amp else nullcontext():
                with distributed.own_draws():
                    seen = forward(batch.to(dtype))
                value = loss(*distributed.gather((seen, target.long().to(device))))  # of the whole batch
            if step == todo.start:
                require_all_trained(value, optimizer)
            if not torch.isfinite(value):
                raise FloatingPointError(
                    f"the loss became {value.item()} at step {step}; try a smaller learning_rate"
                )
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            learning = [p for group in optimizer.param_groups for p in group["params"]]
            distributed.average_gradients(learning)
            if clip is not None:
                nn.utils.clip_grad_norm_(learning, clip)
            optimizer.step()
            speed = size * len(batch) / (time.perf_counter() - began)
            entry = {
                "step": step,
                "loss": value.item(),
                "lr": learning_rate * factor,
                "images_per_second": speed,
            }
            done = step + 1
            if validate is not None and (done % validate_every == 0 or done == steps):
                found = require_numbers(validate(net), keep_best, renew)
                entry |= on_rank_0(partial(dict, found))
                distributed.share_state(net, learned)
                _training_mode(net, loss, used, freeze_batchnorm)
                if renew is not None and entry[renew]:
                    optimizer.state.clear()
                if keep_best is not None:
                    validated = [h for h in history if "best_step" in h] + [entry]
                    first_best = max(validated, key=lambda h: h[keep_best])  # the first of several
                    entry["best_step"] = first_best["step"]
                    best = snapshot(net, learned) if entry["best_step"] == step else best
            history.append(entry)
            if done == steps and best is not None:
                put_back(best, net, learned)
                best = None
            if checkpoint is not None and rank == 0 and (done % checkpoint_every == 0 or done == last):
                save_checkpoint(checkpoint, net, learned, optimizer, history, run=run, best=best)
            if log is not None and rank == 0:
                log(step, dict(entry))
            if step % 10 == 0 or done == last:
                bar.set_postfix(loss=f"{entry['loss']:.3f}", images_per_s=f"{speed:.0f}", refresh=False)
    return history


def _training_mode(net: nn.Module, loss: object, used: list[nn.Module], freeze_batchnorm: bool) -> None:
    net.train()
    if isinstance(loss, nn.Module):
        loss.train()
    for part in used:
        part.training = False  # each of them alone: `eval` would reach what it holds of the network
    if freeze_batchnorm:
        for layer in net.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()
