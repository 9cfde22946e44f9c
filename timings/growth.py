"""How costs grow: the slope of time against size on logarithmic axes, beside the slope that the formula has.

    OMP_NUM_THREADS=1 python -m timings.growth               # a minute
    OMP_NUM_THREADS=1 python -m timings.growth growth.png    # and a picture

prints a table. See timings/README.md for how to read it.
"""

import math
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from dmlnb.losses import ProxyAnchorLoss, RelaxedContrastiveLoss, multi_similarity_loss, triplet_loss
from dmlnb.pooling import AttentionPooling, GeneralizedSumPooling
from dmlnb.retrieval import evaluate
from timings._clock import milliseconds


class Growth(NamedTuple):
    """`step(size)` gives what is timed at a size; `slope` is what its formula says at most, for large sizes."""

    name: str
    sizes: Sequence[int]
    slope: float
    step: Callable[[int], Callable[[], object]]


def loss_step(loss: Callable, n: int, d: int, classes: int) -> Callable[[], object]:
    rows, labels = torch.randn(n, d, requires_grad=True), torch.arange(n) % classes
    return lambda: loss(rows, labels).backward()


def transfer_step(n: int, d: int) -> Callable[[], object]:
    loss, target, source = RelaxedContrastiveLoss(), torch.randn(n, d, requires_grad=True), torch.randn(n, d)
    return lambda: loss(target, source).backward()


def pooling_step(layer: type, regions: int, prototypes: int) -> Callable[[], object]:
    side = math.isqrt(regions)
    features, pooling = torch.randn(64, 64, side, side, requires_grad=True), layer(64, prototypes)
    return lambda: pooling(features).sum().backward()


def report_step(n: int, d: int, each: int) -> Callable[[], object]:
    rows, labels = torch.randn(n, d), torch.arange(n) // each
    return lambda: evaluate(rows, labels)


BATCHES, CLASSES, DIMS = (256, 512, 1024, 2048), (1000, 2000, 4000, 8000, 16000), (128, 256, 512, 1024, 2048)
REGIONS, PROTOTYPES, ROWS = (49, 100, 196, 400, 784), (64, 128, 256, 512, 1024), (4000, 8000, 16000)
GROWTHS = (
    Growth("Proxy-Anchor: batch", BATCHES, 1, lambda n: loss_step(ProxyAnchorLoss(1000, 128), n, 128, 1000)),
    Growth("Proxy-Anchor: classes", CLASSES, 1, lambda c: loss_step(ProxyAnchorLoss(c, 128), 64, 128, c)),
    Growth("Proxy-Anchor: dimensions", DIMS, 1, lambda d: loss_step(ProxyAnchorLoss(1000, d), 64, d, 1000)),
    Growth("multi-similarity: batch", BATCHES, 2, lambda n: loss_step(multi_similarity_loss, n, 128, n // 4)),
    Growth("triplet: batch, 4 a class", BATCHES, 2, lambda n: loss_step(triplet_loss, n, 128, n // 4)),
    Growth("relaxed contrastive: batch", BATCHES, 2, lambda n: transfer_step(n, 128)),
    Growth("GSP: regions", REGIONS, 1, lambda n: pooling_step(GeneralizedSumPooling, n, 64)),
    Growth("GSP: prototypes", PROTOTYPES, 1, lambda m: pooling_step(GeneralizedSumPooling, 49, m)),
    Growth("softmax pooling: prototypes", PROTOTYPES, 1, lambda m: pooling_step(AttentionPooling, 49, m)),
    Growth("report: rows, 10 a class", ROWS, 2, lambda n: report_step(n, 64, 10)),
    Growth("report: rows of a class", (500, 1000, 2000), 1, lambda r: report_step(4000, 64, r)),
)


def measure(growth: Growth, rounds: int) -> tuple[list[float], float]:
    """Milliseconds at each size, and the slope over the upper half of the sizes."""
    steps = {str(size): growth.step(size) for size in growth.sizes}
    took = list(milliseconds(steps, rounds).values())
    upper = slice((len(took) - 1) // 2, len(took))
    return took, float(np.polyfit(np.log(growth.sizes[upper]), np.log(took[upper]), 1)[0])


def draw(found: dict[str, tuple[list[float], float]], growths: Sequence[Growth], path: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), layout="constrained")
    axes = figure.subplots(3, 4)
    for ax in axes.flat[len(growths) :]:
        ax.set_axis_off()
    for ax, growth in zip(axes.flat, growths, strict=False):
        took, slope = found[growth.name]
        theory = took[-1] * (np.array(growth.sizes) / growth.sizes[-1]) ** growth.slope
        ax.loglog(growth.sizes, theory, color="0.7", linestyle="--")
        ax.loglog(growth.sizes, took, marker="o", color="tab:blue")
        ax.set_title(f"{growth.name}\nslope {slope:.2f}, at most {growth.slope:g}", fontsize=9)
        ax.set_xticks(growth.sizes, [str(size) for size in growth.sizes], fontsize=7)
        ax.minorticks_off()
        ax.set_ylabel("ms", fontsize=8)
    figure.savefig(path, dpi=80)


def main(path: str | None = None, growths: Sequence[Growth] = GROWTHS, rounds: int = 5) -> None:
    torch.set_num_threads(1)
    found = {growth.name: measure(growth, rounds) for growth in growths}
    print(f"{'':30s} slope  at most   milliseconds at each size")
    for growth in growths:
        took, slope = found[growth.name]
        at = "  ".join(f"{size}: {t:.1f}" for size, t in zip(growth.sizes, took, strict=True))
        print(f"{growth.name:30s} {slope:5.2f}  {growth.slope:7g}   {at}")
    if path is not None:
        draw(found, growths, path)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else None)
