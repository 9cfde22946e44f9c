"""Poolings on photographs of birds: linear heads on frozen ImageNet maps, ten paired seeds, on species never seen.

    DMLNB_MAPS=data/birds_maps python -m studies.birds search    # chooses settings on validation species
    DMLNB_MAPS=data/birds_maps python -m studies.birds           # ten seeds; writes dmlnb/course/results/birds.json

DMLNB_MAPS holds `FeatureMaps` of CUB-200-2011, or of its first 100 species: the last maps of EfficientNet-Lite0.
Species 1 to 40 are learned, 41 to 50 choose settings and the step that is kept, 51 to 100 are read once. Every arm
makes nine tries, with one seed that is not among the ten: three learning rates, times three values of a setting of its
own.
"""

import json
import os
import sys
from functools import lru_cache

import torch

from dmlnb.data import ClassBatches, FeatureMaps
from dmlnb.losses import ProxyAnchorLoss
from dmlnb.models import CachedBackbone, EmbeddingNet, embed
from dmlnb.pooling import (
    AttentionPooling,
    GeneralizedMeanPooling,
    GeneralizedSumPooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
)
from dmlnb.retrieval import evaluate
from dmlnb.training import train
from studies.stored import FINISHED, collect, save

MAPS = os.environ.get("DMLNB_MAPS", "data/birds_maps")
STEPS, EVERY, SEEDS, SEARCH_SEEDS = 400, 20, range(10), (100,)
RATES = (3e-4, 1e-3, 3e-3)
DECAYS = (1e-4, 1e-2, 1e-1)
SPECIES = {"train": (0, 40), "validation": (40, 50), "test": (50, 100)}
# what is pooled, and the three values of its own setting
POOLINGS = {
    "GAP": (lambda dim, own: GlobalAveragePooling(), DECAYS),
    "GMP": (lambda dim, own: GlobalMaxPooling(), DECAYS),
    "GeM": (lambda dim, own: GeneralizedMeanPooling(own), (1.5, 3.0, 6.0)),
    "attention": (lambda dim, own: AttentionPooling(dim, 64, own), (5.0, 10.0, 20.0)),
    "GSP": (lambda dim, own: GeneralizedSumPooling(dim, 64, *own), ((0.3, 5.0), (0.3, 20.0), (0.15, 20.0))),
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


@lru_cache
def birds(path: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Maps, in units of their standard deviation over the training species, and labels, by split."""
    stored, maps, labels = FeatureMaps.load(path), {}, {}
    for split, (low, high) in SPECIES.items():
        rows = ((stored.labels >= low) & (stored.labels < high)).nonzero()[:, 0]
        maps[split], labels[split] = stored[rows], stored.labels[rows] - low
    scale = maps["train"].std()
    return {split: values / scale for split, values in maps.items()}, labels


def measure(net, maps, labels, split: str) -> dict[str, float]:
    report = evaluate(embed(net, maps[split]), labels[split])
    return {f"{split}_recall_at_1": report.recall_at[1], f"{split}_map_at_r": report.map_at_r}


def head(arm: str, rate: float, own, seed: int, doubled: bool = False) -> tuple[EmbeddingNet, list[dict]]:
    """Train one head; the weights of its best step on validation species are kept."""
    maps, labels = birds(MAPS)
    steps = STEPS * (1 + doubled)
    name, dim, place = arm.split(", ")[:3]
    dim, channels = int(dim.removesuffix("-d")), maps["train"].shape[1]
    make, choices = POOLINGS[name]
    torch.manual_seed(seed)
    net = EmbeddingNet(
        CachedBackbone(channels), make(dim if place == "before" else channels, own), dim, project=place
    )
    history = train(
        net,
        ProxyAnchorLoss(SPECIES["train"][1], dim),
        maps["train"],
        labels["train"],
        ClassBatches(labels["train"], 16, 4, steps, seed=seed),
        learning_rate=rate,
        weight_decay=own if choices is DECAYS else DECAYS[0],
        augment=None,
        validate=lambda net: measure(net, maps, labels, "validation"),
        validate_every=EVERY,
        keep_best="validation_map_at_r",
        seed=seed,
        device="cpu",
        progress=False,
    )
    return net, history


def kept(history: list[dict]) -> dict:
    """The step that was kept, and its MAP@R on validation species."""
    step = history[-1]["best_step"]
    return {"validation_map_at_r": history[step]["validation_map_at_r"], "step": step}


def tries(arm: str) -> list[str]:
    own = POOLINGS[arm.split(",")[0]][1]
    return [f"{arm} | {json.dumps([rate, value])}" for rate in RATES for value in own]


def search(method: str, seed: int) -> dict:
    arm, settings = method.split(" | ")
    _, history = head(arm, *json.loads(settings), seed)
    return kept(history)


@lru_cache
def chosen() -> dict[str, list]:
    """For each arm, the rate and the own setting with the best mean MAP@R on validation species."""
    found: dict[str, dict[str, list[float]]] = {}
    for line in (FINISHED / "birds_search.jsonl").read_text().splitlines():
        row = json.loads(line)
        arm, settings = row["method"].split(" | ")
        found.setdefault(arm, {}).setdefault(settings, []).append(row["validation_map_at_r"])
    return {arm: json.loads(max(s, key=lambda k: sum(s[k]) / len(s[k]))) for arm, s in found.items()}


def run(method: str, seed: int) -> dict:
    maps, labels = birds(MAPS)
    if method in CONTROLS:
        pooling = GlobalAveragePooling() if method.endswith("GAP") else GlobalMaxPooling()
        return {k: v for s in ("validation", "test") for k, v in measure(pooling, maps, labels, s).items()}
    arm = method.removesuffix(", doubled budget")
    rate, own = chosen()[arm]
    net, history = head(arm, rate, own, seed, doubled=arm != method)
    return measure(net, maps, labels, "test") | kept(history) | {"rate": rate, "own": own}


def main(searching: bool) -> None:
    if searching:
        collect("birds_search", search, [t for arm in ARMS for t in tries(arm)], SEARCH_SEEDS)
        return
    runs = collect("birds", run, [*CONTROLS, *ARMS, *DOUBLED], SEEDS)
    settings = {
        "photographs": "CUB-200-2011, species 1-40 train, 41-50 validation, 51-100 test (a public subset of 5,902)",
        "maps": "EfficientNet-Lite0, ImageNet weights, frozen; last block, 320 x 7 x 7",
        "head": "linear map before or after pooling; Proxy-Anchor, 16 classes x 4",
        "steps": STEPS,
        "kept": f"the best of every {EVERY} steps by MAP@R on validation species, in every arm",
        "chosen on validation": "rate of three, times own setting of three (weight decay; power; sharpness; mass and "
        "sharpness), seed 100, by `python -m studies.birds search`",
    }
    save("birds", "python -m studies.birds", settings, runs)


if __name__ == "__main__":
    main(sys.argv[1:] == ["search"])
