"""Embedding transfer between heads on frozen vectors: one program for each world, photographs and letters.

Source and targets begin with the same independent pretraining, whose averaged features of each training image and of a
second view of it are kept. Both are heads with a hidden layer, so no target can copy its source by linear algebra.
Every network sees as many images: batches of classes x 2 images x 2 views. Names are "size: method":

128-d, 64-d, ..   the source's hidden layer, with that many dimensions; the first is the source's own size
small             a hidden layer an eighth as wide, with as many dimensions as the source

Every method makes nine tries on validation classes with one seed that is not among the ten: three rates, times three
values of a setting of its own (σ of the relaxed labels, weight decay elsewhere), at the source's size, at 16-d and in
"small"; sizes from 64-d on take what the source's size chose, lower ones what 16-d chose. "principal axes" trains
nothing: the source's unit vectors on the directions that keep most of their inner products. Spaces whose loss looks at
plain distances are searched by distance, all others by cosine. Attention transfer has no arm: it compares maps, and an
averaged feature has none.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from dmlnb.data import ClassBatches
from dmlnb.losses import (
    DarkRankLoss,
    FitNetLoss,
    ProbabilisticTransferLoss,
    ProxyAnchorLoss,
    RelationalAngleLoss,
    RelationalDistanceLoss,
    RelaxedContrastiveLoss,
    relaxed_contrastive_loss,
)
from dmlnb.models import EmbeddingNet, Reading, embed, read_all
from dmlnb.pooling import GlobalAveragePooling
from studies import searched
from studies.photographs import RATES, SEARCH_SEED, Split, fit, measure
from studies.stored import collect, save

SEEDS, HIDDEN = range(10), 256
DECAYS, SIGMAS = (1e-4, 1e-2, 1e-1), (0.3, 1.0, 3.0)
LEARNED = ("relaxed contrastive", "binary labels", "RKD", "PKT", "DarkRank", "FitNet", "from scratch")
BY_DISTANCE = ("relaxed contrastive", "binary labels", "RKD")
SOURCE = "source: source"


class World(NamedTuple):
    """Where a study's vectors come from, and how long a training is."""

    name: str  # of the stored study
    averaged: Callable[[], tuple[Split, Split]]  # features (N, C, 1, 1) and labels, by split
    second_view: Callable[[], Tensor]  # those of a second view of the training images, in their order
    dims: tuple[int, ...]  # the source's own first
    steps: int
    classes: int = 40  # in a batch
    rates: tuple[float, ...] = RATES

    def sizes(self) -> list[str]:
        return [*(f"{dim}-d" for dim in self.dims), "small"]

    def shape(self, size: str) -> tuple[int, int]:
        """Widths of the hidden layer and of the embedding."""
        return (HIDDEN // 8, self.dims[0]) if size == "small" else (HIDDEN, int(size.removesuffix("-d")))

    def tuned_at(self, size: str) -> str:
        """Where the settings of a size are chosen."""
        if size == "small":
            return size
        return f"{self.dims[0]}-d" if self.shape(size)[1] >= 64 else "16-d"

    def arms(self) -> list[str]:
        return [f"{size}: {method}" for size in self.sizes() for method in LEARNED]

    def searched(self) -> list[str]:
        """The arms that search; the others take their settings."""
        return [arm for arm in self.arms() if (size := arm.split(": ")[0]) == self.tuned_at(size)]

    def controls(self) -> list[str]:
        """What trains nothing, and what trains twice as long."""
        axes = [f"{dim}-d: principal axes" for dim in self.dims[1:]]
        twice = [
            f"{size}: {m}, doubled budget"
            for size in self.sizes()
            for m in ("from scratch", "relaxed contrastive")
        ]
        return axes + twice


class Hidden(nn.Sequential):
    """A hidden layer on cached features."""

    def __init__(self, channels: int, out_channels: int):
        super().__init__(nn.Conv2d(channels, out_channels, 1), nn.ReLU())
        self.out_channels = out_channels


class Transfer(nn.Module):
    """`loss(reading, rows)` of a method; what the source says, and the classes, are looked up by row."""

    def __init__(
        self, method: str, shape: tuple[int, int], own: float, source: Reading | None, classes: Tensor
    ):
        super().__init__()
        hidden, dim = shape
        self.method, self.source, self.classes = method, source, classes
        labelled = method in ("from scratch", "FitNet")
        self.proxies = ProxyAnchorLoss(int(classes.max()) + 1, dim) if labelled else None
        self.hint = FitNetLoss([hidden], [HIDDEN]) if method == "FitNet" else None
        self.sigma = own if method == "relaxed contrastive" else 1.0

    def forward(self, reading: Reading, rows: Tensor) -> Tensor:
        target, y = reading.embeddings, self.classes[rows]
        if self.method == "from scratch":
            return self.proxies(target, y)
        if self.method == "binary labels":
            return relaxed_contrastive_loss(target, y[:, None] == y)
        if self.method == "FitNet":
            maps = ([v[:, :, None, None]] for v in (reading.vector, self.source.vector[rows]))
            return self.hint(*maps) + self.proxies(target, y)
        source = self.source.embeddings[rows]
        if self.method == "relaxed contrastive":
            return RelaxedContrastiveLoss(self.sigma)(target, source)
        if self.method == "RKD":
            return RelationalDistanceLoss()(target, source) + 2 * RelationalAngleLoss()(target, source)
        if self.method == "PKT":
            return ProbabilisticTransferLoss()(target, source)
        return DarkRankLoss()(target, source, y)


@lru_cache
def training_rows(world: World) -> tuple[Tensor, Tensor]:
    """Vectors of all training images, then of their second views, `(2 N, C, 1, 1)`; classes `(2 N,)`."""
    maps, labels = world.averaged()
    return torch.cat([maps["train"], world.second_view()]), labels["train"].repeat(2)


def metric_of(method: str) -> str:
    return "l2" if method in BY_DISTANCE else "cosine"


def learn(
    world: World,
    method: str,
    size: str,
    rate: float,
    own: float,
    seed: int,
    source: nn.Module | None,
    *,
    doubled: bool = False,
) -> tuple[EmbeddingNet, dict]:
    """Train one network, its best step on validation classes kept; that step."""
    maps, labels = world.averaged()
    rows, classes = training_rows(world)
    hidden, dim = world.shape(size)
    torch.manual_seed(seed)
    net = EmbeddingNet(Hidden(rows.shape[1], hidden), GlobalAveragePooling(), dim)
    said = read_all(source, rows) if source is not None else None
    loss = Transfer(method, (hidden, dim), own, said, classes)
    batches = ClassBatches(labels["train"], world.classes, 2, world.steps * (1 + doubled), seed=seed)
    kept = fit(
        net,
        loss,
        maps | {"train": rows},
        labels | {"train": torch.arange(len(rows))},
        [torch.cat([batch, batch + len(rows) // 2]) for batch in batches],
        seed=seed,
        read=True,
        metric=metric_of(method),
        learning_rate=rate,
        weight_decay=DECAYS[0] if method == "relaxed contrastive" else own,
    )
    return net, kept


@lru_cache(maxsize=1)
def get_source(world: World, seed: int) -> tuple[EmbeddingNet, dict]:
    """The source of a seed: Proxy-Anchor, with the rate and decay that its own search chose."""
    settings = searched.chosen(f"{world.name}_source")[SOURCE]
    return learn(world, "from scratch", world.sizes()[0], *settings, seed, None)


def tries(world: World, arm: str) -> list[str]:
    return searched.tries(arm, world.rates, SIGMAS if "relaxed" in arm else DECAYS)


def search(world: World, method: str, seed: int) -> dict:
    arm, settings = searched.setting(method)
    size, name = (world.sizes()[0], "from scratch") if arm == SOURCE else arm.split(": ")
    source = None if name == "from scratch" else get_source(world, seed)[0]
    return learn(world, name, size, *settings, seed, source)[1]


class PrincipalAxes(nn.Module):
    """A network whose unit vectors are seen along their first d singular directions on the training rows."""

    def __init__(self, net: nn.Module, dim: int, rows: Tensor):
        super().__init__()
        self.net = net
        unit = normalize(embed(net, rows), dim=1)  # (2 N, d_s)
        self.register_buffer("axes", torch.linalg.eigh(unit.T @ unit)[1][:, -dim:])  # (d_s, d)

    def forward(self, images: Tensor) -> Tensor:
        return normalize(self.net(images), dim=1) @ self.axes


def run(world: World, method: str, seed: int) -> dict:
    maps, labels = world.averaged()
    size, name = method.removesuffix(", doubled budget").split(": ")
    scores = lambda net, metric="cosine": (
        measure(net, maps, labels, "test", metric) | measure(net, maps, labels, "validation", metric)
    )
    if name in ("source", "principal axes"):
        net, kept = get_source(world, seed)
        if name == "principal axes":
            net = PrincipalAxes(net, world.shape(size)[1], training_rows(world)[0])
        return scores(net) | {"step": kept["step"]}
    rate, own = searched.chosen(f"{world.name}_search")[f"{world.tuned_at(size)}: {name}"]
    source = None if name == "from scratch" else get_source(world, seed)[0]
    net, kept = learn(world, name, size, rate, own, seed, source, doubled="doubled" in method)
    return scores(net, metric_of(name)) | kept | {"rate": rate, "own": own}


def main(
    world: World,
    settings: dict,
    searching: bool,
    run: Callable[[str, int], dict],
    more: Sequence[str] = (),
) -> None:
    """Search the settings, or run all arms and save them; `more` are a world's own rows."""
    if searching:
        find = partial(search, world)
        collect(f"{world.name}_source", find, tries(world, SOURCE), [SEARCH_SEED])
        collect(
            f"{world.name}_search",
            find,
            [t for arm in world.searched() for t in tries(world, arm)],
            [SEARCH_SEED],
        )
        return
    runs = collect(world.name, run, [SOURCE, *world.arms(), *world.controls(), *more], SEEDS)
    shared = {
        "heads": f"averaged features, hidden layer of {HIDDEN} (small: {HIDDEN // 8}), embedding",
        "steps": f"{world.steps} of {world.classes} classes x 2 images x 2 views, source and targets alike",
        "source": f"Proxy-Anchor, {world.dims[0]}-d",
        "with Proxy-Anchor added": "FitNet",
        "with labels": "binary labels, from scratch, FitNet, DarkRank (triplet loss)",
        "chosen on validation": f"rate of three, times own setting of three, seed {SEARCH_SEED}",
    }
    save(world.name, f"python -m studies.{world.name}", settings | shared, runs)
