"""Poolings on photographs of birds: linear heads on frozen ImageNet maps, ten paired seeds, on species never seen.

    DMLNB_MAPS=data/birds_maps python -m studies.birds search    # chooses settings on validation species
    DMLNB_MAPS=data/birds_maps python -m studies.birds           # ten seeds; writes dmlnb/course/results/birds.json

`studies.photographs` says which maps and species these are. Every arm makes nine tries, with one seed that is not among
the ten: three learning rates, times three values of a setting of its own.
"""

import sys
from collections.abc import Callable

import torch
from torch import nn

from dmlnb.data import ClassBatches
from dmlnb.losses import ProxyAnchorLoss
from dmlnb.models import CachedBackbone, EmbeddingNet
from dmlnb.pooling import (
    AttentionPooling,
    GeneralizedMeanPooling,
    GeneralizedSumPooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
)
from studies import searched
from studies.photographs import RATES, SEARCH_SEED, SETTINGS, STEPS, birds, fit, measure
from studies.stored import collect, save

SEEDS = range(10)
DECAYS = (1e-4, 1e-2, 1e-1)
# what is pooled, and the three values of its own setting
POOLINGS = {
    "GAP": (lambda dim, own: GlobalAveragePooling(), DECAYS),
    "GMP": (lambda dim, own: GlobalMaxPooling(), DECAYS),
    "GeM": (lambda dim, own: GeneralizedMeanPooling(own), (1.5, 3.0, 6.0)),
    "attention": (lambda dim, own: AttentionPooling(dim, 64, own), (5.0, 10.0, 20.0)),
    "GSP": (lambda dim, own: gsp(dim, *own), ((0.3, 5.0), (0.3, 20.0), (0.15, 20.0))),
}
ARMS = [
    "GAP, 64-d, after",
    "GMP, 64-d, after",
    "GeM, 64-d, after",
    "attention, 64-d, before",
    "attention, 64-d, after",
    "GSP, 64-d, before",
    "GSP, 64-d, after",
]
DOUBLED = [f"{arm}, doubled budget" for arm in ARMS if arm.startswith(("GAP", "GSP"))]
CONTROLS = ["untrained, GAP", "untrained, GMP"]


def gsp(dim: int, mass: float, sharpness: float, prototypes: int = 64) -> GeneralizedSumPooling:
    return GeneralizedSumPooling(dim, prototypes, mass, sharpness)


def head(
    arm: str,
    rate: float,
    own,
    seed: int,
    doubled: bool = False,
    *,
    world: Callable | None = None,
    steps: int | None = None,
    batch: tuple[int, int] = (16, 4),
    loss: Callable[[int, int], nn.Module] = ProxyAnchorLoss,
    **options,
) -> tuple[EmbeddingNet, dict]:
    """Train one head; the weights of its best step on validation species are kept.

    Args:
        arm: "pooling, dimensions, place of the linear map".
        rate, own: learning rate, and the value of the pooling's own setting.
        world: gives maps and labels by split; by default `birds`.
        steps, batch: STEPS, each of 16 classes x 4, by default; `doubled` doubles the steps.
        loss: `loss(number of classes, dimensions)`.
        options: further ones of `fit`.
    """
    maps, labels = (world or birds)()
    steps = (steps or STEPS) * (1 + doubled)
    name, dim, place = arm.split(", ")[:3]
    dim, channels = int(dim.removesuffix("-d")), maps["train"].shape[1]
    classes = 1 + int(labels["train"].max())
    make, choices = POOLINGS[name]
    torch.manual_seed(seed)
    net = EmbeddingNet(
        CachedBackbone(channels), make(dim if place == "before" else channels, own), dim, project=place
    )
    options = {"weight_decay": own if choices is DECAYS else DECAYS[0]} | options
    batches = ClassBatches(labels["train"], *batch, steps, seed=seed)
    kept = fit(net, loss(classes, dim), maps, labels, batches, seed=seed, learning_rate=rate, **options)
    return net, kept


def tries(arm: str) -> list[str]:
    return searched.tries(arm, RATES, POOLINGS[arm.split(",")[0]][1])


def search(method: str, seed: int) -> dict:
    arm, settings = searched.setting(method)
    return head(arm, *settings, seed)[1]


def run(method: str, seed: int) -> dict:
    maps, labels = birds()
    if method in CONTROLS:
        pooling = GlobalAveragePooling() if method.endswith("GAP") else GlobalMaxPooling()
        return {k: v for s in ("validation", "test") for k, v in measure(pooling, maps, labels, s).items()}
    arm = method.removesuffix(", doubled budget")
    rate, own = searched.chosen("birds_search")[arm]
    net, kept = head(arm, rate, own, seed, doubled=arm != method)
    return measure(net, maps, labels, "test") | kept | {"rate": rate, "own": own}


def main(searching: bool) -> None:
    if searching:
        collect("birds_search", search, [t for arm in ARMS for t in tries(arm)], [SEARCH_SEED])
        return
    runs = collect("birds", run, [*CONTROLS, *ARMS, *DOUBLED], SEEDS)
    settings = SETTINGS | {
        "head": "linear map before or after pooling; Proxy-Anchor, 16 classes x 4",
        "steps": STEPS,
        "chosen on validation": "rate of three, times own setting of three (weight decay; power; sharpness; mass and "
        f"sharpness), seed {SEARCH_SEED}, by `python -m studies.birds search`",
    }
    save("birds", "python -m studies.birds", settings, runs)


if __name__ == "__main__":
    main(sys.argv[1:] == ["search"])
