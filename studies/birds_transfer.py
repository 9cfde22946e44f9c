"""Embedding transfer on photographs of birds: relaxed labels, their rivals and their controls, on species never seen.

    export DMLNB_MAPS=data/birds_maps DMLNB_VIEWS=data/birds_maps_mirrored
    python -m studies.birds_transfer search   # about 10 minutes on one core
    python -m studies.birds_transfer          # about 25 minutes; writes dmlnb/course/results/birds_transfer.json

Source and targets begin with the same independent pretraining: the averaged ImageNet maps of `studies.photographs`, of
each photograph and of its mirror image (`FeatureMaps.compute(..., views=(mirrored,))`). Both are heads with a hidden
layer, so no target can copy its source by linear algebra. Every network sees as many images: batches of 40 species x 2
photographs x 2 views. Names are "size: method":

128-d .. 8-d   the source's hidden layer, with that many dimensions
small          a hidden layer an eighth as wide, 128-d

Every method makes nine tries on validation species with one seed that is not among the ten: three rates, times three
values of a setting of its own (σ of the relaxed labels, weight decay elsewhere), at 128-d, at 16-d and in "small"; 64-d
takes what 128-d chose, 32-d and 8-d what 16-d chose. "principal axes" trains nothing: the
source's unit vectors on the directions that keep most of their inner products. Spaces whose loss looks at plain
distances are searched by distance, all others by cosine.
"""

import sys
from functools import lru_cache

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
from studies.photographs import (
    RATES,
    SEARCH_SEED,
    SETTINGS,
    SPECIES,
    averaged,
    fit,
    measure,
    mirrored_train,
)
from studies.stored import collect, save

STEPS, SEEDS, HIDDEN, DIM = 200, range(10), 256, 128
DECAYS, SIGMAS = (1e-4, 1e-2, 1e-1), (0.3, 1.0, 3.0)
SIZES = {"128-d": (HIDDEN, 128), "64-d": (HIDDEN, 64), "32-d": (HIDDEN, 32), "16-d": (HIDDEN, 16),
         "8-d": (HIDDEN, 8), "small": (HIDDEN // 8, DIM)}  # fmt: skip
LEARNED = ("relaxed contrastive", "binary labels", "RKD", "PKT", "DarkRank", "FitNet", "from scratch")
BY_DISTANCE = ("relaxed contrastive", "binary labels", "RKD")
SOURCE = "source: source"
ARMS = [f"{size}: {method}" for size in SIZES for method in LEARNED]
# where the settings of a size are chosen
TUNED_AT = {
    "128-d": "128-d",
    "64-d": "128-d",
    "32-d": "16-d",
    "16-d": "16-d",
    "8-d": "16-d",
    "small": "small",
}
SEARCHED = [f"{size}: {method}" for size in dict.fromkeys(TUNED_AT.values()) for method in LEARNED]
AXES = [f"{size}: principal axes" for size in SIZES if size not in ("128-d", "small")]
DOUBLED = [f"{size}: {m}, doubled budget" for size in SIZES for m in ("from scratch", "relaxed contrastive")]


class Hidden(nn.Sequential):
    """A hidden layer on cached maps."""

    def __init__(self, channels: int, out_channels: int):
        super().__init__(nn.Conv2d(channels, out_channels, 1), nn.ReLU())
        self.out_channels = out_channels


class Transfer(nn.Module):
    """`loss(reading, rows)` of a method; what the source says, and the species, are looked up by row."""

    def __init__(
        self, method: str, sizes: tuple[int, int], own: float, source: Reading | None, species: Tensor
    ):
        super().__init__()
        hidden, dim = sizes
        self.method, self.source, self.species = method, source, species
        labelled = method in ("from scratch", "FitNet")
        self.proxies = ProxyAnchorLoss(SPECIES["train"][1], dim) if labelled else None
        self.hint = FitNetLoss([hidden], [HIDDEN]) if method == "FitNet" else None
        self.sigma = own if method == "relaxed contrastive" else 1.0

    def forward(self, reading: Reading, rows: Tensor) -> Tensor:
        target, y = reading.embeddings, self.species[rows]
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
def training_rows() -> tuple[Tensor, Tensor]:
    """Averaged maps of all training photographs, then of their mirror images, `(2 N, C, 1, 1)`; species `(2 N,)`."""
    maps, labels = averaged()
    return torch.cat([maps["train"], mirrored_train()]), labels["train"].repeat(2)


def learn(
    method: str, size: str, rate: float, own: float, seed: int, source: nn.Module | None, *, doubled=False
):
    """Train one network, its best step on validation species kept; that step."""
    maps, labels = averaged()
    rows, species = training_rows()
    hidden, dim = SIZES[size]
    torch.manual_seed(seed)
    net = EmbeddingNet(Hidden(rows.shape[1], hidden), GlobalAveragePooling(), dim)
    loss = Transfer(
        method, (hidden, dim), own, read_all(source, rows) if source is not None else None, species
    )
    batches = ClassBatches(labels["train"], SPECIES["train"][1], 2, STEPS * (1 + doubled), seed=seed)
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


def metric_of(method: str) -> str:
    return "l2" if method in BY_DISTANCE else "cosine"


@lru_cache(maxsize=1)
def get_source(seed: int) -> tuple[nn.Module, dict]:
    """The source of a seed: 128-d, Proxy-Anchor, with the rate and decay that its own search chose."""
    return learn("from scratch", "128-d", *searched.chosen("birds_transfer_source")[SOURCE], seed, None)


def tries(arm: str) -> list[str]:
    return searched.tries(arm, RATES, SIGMAS if "relaxed" in arm else DECAYS)


def search(method: str, seed: int) -> dict:
    arm, settings = searched.setting(method)
    size, name = ("128-d", "from scratch") if arm == SOURCE else arm.split(": ")
    source = None if name == "from scratch" else get_source(seed)[0]
    return learn(name, size, *settings, seed, source)[1]


class PrincipalAxes(nn.Module):
    """A network whose unit vectors are seen along their first d singular directions on the training rows."""

    def __init__(self, net: nn.Module, dim: int):
        super().__init__()
        self.net = net
        unit = normalize(embed(net, training_rows()[0]), dim=1)  # (2 N, d_s)
        self.register_buffer("axes", torch.linalg.eigh(unit.T @ unit)[1][:, -dim:])  # (d_s, d)

    def forward(self, images: Tensor) -> Tensor:
        return normalize(self.net(images), dim=1) @ self.axes


def run(method: str, seed: int) -> dict:
    maps, labels = averaged()
    size, name = method.removesuffix(", doubled budget").split(": ")
    if name in ("source", "principal axes"):
        net, kept = get_source(seed)
        net = net if name == "source" else PrincipalAxes(net, SIZES[size][1])
        return (
            measure(net, maps, labels, "test")
            | measure(net, maps, labels, "validation")
            | {"step": kept["step"]}
        )
    rate, own = searched.chosen("birds_transfer_search")[f"{TUNED_AT[size]}: {name}"]
    source = None if name == "from scratch" else get_source(seed)[0]
    net, kept = learn(name, size, rate, own, seed, source, doubled="doubled" in method)
    validation = measure(net, maps, labels, "validation", metric_of(name))
    return (
        measure(net, maps, labels, "test", metric_of(name)) | validation | kept | {"rate": rate, "own": own}
    )


def main(searching: bool) -> None:
    if searching:
        collect("birds_transfer_source", search, searched.tries(SOURCE, RATES, DECAYS), [SEARCH_SEED])
        collect("birds_transfer_search", search, [t for arm in SEARCHED for t in tries(arm)], [SEARCH_SEED])
        return
    runs = collect("birds_transfer", run, [SOURCE, *ARMS, *AXES, *DOUBLED], SEEDS)
    settings = SETTINGS | {
        "heads": f"averaged maps, hidden layer of {HIDDEN} (small: {HIDDEN // 8}), embedding",
        "steps": f"{STEPS} of 40 species x 2 photographs x 2 views, source and targets alike",
        "source": f"Proxy-Anchor, {DIM}-d",
        "with Proxy-Anchor added": "FitNet",
        "with labels": "binary labels, from scratch, FitNet, DarkRank (triplet loss)",
        "chosen on validation": f"rate of three, times own setting of three, seed {SEARCH_SEED}",
    }
    save("birds_transfer", "python -m studies.birds_transfer", settings, runs)


if __name__ == "__main__":
    main(sys.argv[1:] == ["search"])
