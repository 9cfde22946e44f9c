"""Templates taught by labels, on photographs: classification of the same 100 species, as the method was proposed for.

    export DMLNB_MAPS=data/birds_maps DMLNB_CUB=data/CUB_200_2011
    python -m studies.birds_templates search     # about 8 minutes on one core
    python -m studies.birds_templates            # about 50 minutes; writes dmlnb/course/results/birds_templates.json

CUB's own split by image: all species are learned, other photographs of them are classified. A classifier stands on
frozen maps, averaged; between, a template block with one template per species (the paper's place for it is inside a
residual network: this is our reconstruction). The weight λ of the templates' loss goes from 0 to 1; scores are cosines
or inner products; an image's regions are averaged, or the best of them counts. A fifth of the training photographs of
each species chooses rates and steps; the published test photographs are read once. Retrieval is among the test
photographs, by the averaged map behind the block.
"""

import sys
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb.data import ClassBatches, FeatureMaps
from dmlnb.losses import TemplateSupervision
from dmlnb.models import CachedBackbone, StagedClassifier, Stages, TemplateBlock
from dmlnb.retrieval import evaluate
from studies import classified, searched
from studies.photographs import MAPS, SEARCH_SEED, fifths, learned_by_image
from studies.stored import collect, save

STEPS, EVERY, SEEDS, SPECIES = 200, 20, range(10), 100
RATES = (3e-3, 1e-2)
DECAYS, RATIOS = (1e-4, 1e-3, 1e-2), (0.02, 0.1, 0.5)  # tried without a block, and for what a block adds
# variant of the templates' loss, its weight, whether scores are cosines; None for no block
ARMS: dict[str, tuple[str, float, bool] | None] = {"no block": None}
ARMS |= {f"cosine, pooled, λ {w}": ("pooled", w, True) for w in (0.0, 0.1, 0.3, 1.0)}
ARMS |= {f"cosine, best, λ {w}": ("best", w, True) for w in (0.1, 0.3, 1.0)}
ARMS |= {
    f"inner product, {v}, λ {w}": (v, w, False) for v, w in (("pooled", 0.0), ("pooled", 0.1), ("best", 0.1))
}
DOUBLED = [f"{arm}, doubled budget" for arm in ARMS]


@lru_cache
def photographs() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Maps in units of their standard deviation, and species, by split; a fifth of CUB's train part chooses."""
    stored, learned = FeatureMaps.load(MAPS).view(0), learned_by_image()
    rows = learned.nonzero()[:, 0]
    chooses = fifths(stored.labels[rows])
    parts = {"train": rows[~chooses], "validation": rows[chooses], "test": (~learned).nonzero()[:, 0]}
    maps = {name: stored[index] for name, index in parts.items()}
    scale = maps["train"].std()
    return {k: v / scale for k, v in maps.items()}, {k: stored.labels[i] for k, i in parts.items()}


def own(arm: str) -> tuple[float, ...]:
    """What is tried beside the rate: the decay of a plain classifier, the size of what a block adds."""
    return DECAYS if ARMS[arm] is None else RATIOS


def learn(arm: str, rate: float, value: float, seed: int, *, doubled: bool = False) -> tuple[nn.Module, dict]:
    """Train one classifier; the weights of its best step on the validation photographs are kept."""
    maps, labels = photographs()
    channels = maps["train"].shape[1]
    torch.manual_seed(seed)
    linear = nn.Linear(channels, SPECIES)  # first, so that it starts alike in every arm
    stages, loss = [], lambda reading, y: cross_entropy(reading.logits, y)
    if ARMS[arm] is not None:
        variant, weight, cosine = ARMS[arm]
        stages = [TemplateBlock(channels, SPECIES, cosine=cosine, value_ratio=value)]
        loss = TemplateSupervision(cross_entropy, weight=weight, variant=variant)
    net = StagedClassifier(Stages(CachedBackbone(channels), *stages), SPECIES)
    net.linear = linear
    return classified.learn(
        net,
        loss,
        maps["train"],
        labels["train"],
        ClassBatches(labels["train"], 32, 2, STEPS * (1 + doubled), seed=seed),
        choosing=(maps["validation"], labels["validation"]),
        every=EVERY,
        rate=rate,
        decay=value if ARMS[arm] is None else 1e-4,
        seed=seed,
    )


def search(method: str, seed: int) -> dict:
    arm, settings = searched.setting(method)
    return classified.judged(learn(arm, *settings, seed)[1])


def run(method: str, seed: int) -> dict:
    arm = method.removesuffix(", doubled budget")
    rate, value = searched.chosen("birds_templates_search")[arm]
    net, kept = learn(arm, rate, value, seed, doubled=arm != method)
    maps, labels = photographs()
    with torch.no_grad():
        vectors = torch.cat([net.stages(part).mean(dim=(2, 3)) for part in maps["test"].split(256)])
    report = evaluate(vectors, labels["test"])
    found = {
        "test_accuracy": classified.accuracy(net, maps["test"], labels["test"]),
        "test_recall_at_1": report.recall_at[1],
        "test_map_at_r": report.map_at_r,
    }
    return found | kept | {"rate": rate, "own": value}


def main(searching: bool) -> None:
    if searching:
        tries = [t for arm in ARMS for t in searched.tries(arm, RATES, own(arm))]
        collect("birds_templates_search", search, tries, [SEARCH_SEED])
        return
    runs = collect("birds_templates", run, [*ARMS, *DOUBLED], SEEDS)
    settings = {
        "photographs": "the first 100 species of CUB-200-2011, its own split by image",
        "maps": "EfficientNet-Lite0, ImageNet weights, frozen; last block, 320 x 7 x 7",
        "steps": f"{STEPS} of 32 species x 2",
        "kept": f"the best of every {EVERY} steps by accuracy on a fifth of the training photographs, in every arm",
        "chosen there too": f"rate of two; decay without a block, size of what is added with one; seed {SEARCH_SEED}",
    }
    save("birds_templates", "python -m studies.birds_templates", settings, runs)


if __name__ == "__main__":
    main(sys.argv[1:] == ["search"])
