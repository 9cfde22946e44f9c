"""Templates taught by labels, on letters: classifying new renderings of known letters, at several weights of the loss.

    python -m studies.letters_templates search    # about 25 minutes on one core
    python -m studies.letters_templates           # about 3 hours; writes dmlnb/course/results/letters_templates.json

A small residual classifier of Cyrillic letters in clutter learns alone, or with a template block of one template per
letter: behind its last stage, as on photographs, or inside, before the last stage, where the paper has it. The weight λ
of the templates' loss goes from 0 to 1; scores are cosines or inner products; an image's regions are averaged, or the
best of them counts. Letters are split by rendering: seed 0 trains, seed 1 chooses settings and steps in every arm, seed
2 is read once. Retrieval is of letters of unseen scripts, by the averaged last map.
"""

import sys
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb.data import ClassBatches, Glyphs, cyrillic_letters
from dmlnb.losses import TemplateSupervision
from dmlnb.models import StagedClassifier, Stages, TemplateBlock, read_all, small_resnet
from dmlnb.retrieval import evaluate
from studies import classified, searched
from studies.photographs import SEARCH_SEED
from studies.stored import collect, save

WIDTHS, STEPS, EVERY, SEEDS = (8, 12, 16, 24), 1200, 100, range(10)
RATES = (3e-3, 1e-2)
DECAYS, RATIOS = (1e-4, 1e-3), (0.02, 0.1)  # tried without a block, and for what a block adds
BEHIND, INSIDE = 6, 5  # how many of the network's stages stand before the block
# place of the block, variant of the templates' loss, its weight, whether scores are cosines; None for no block
ARMS: dict[str, tuple[int, str, float, bool] | None] = {"no block": None}
ARMS |= {f"cosine, pooled, λ {w}": (BEHIND, "pooled", w, True) for w in (0.0, 0.1, 0.3, 1.0)}
ARMS |= {f"cosine, best, λ {w}": (BEHIND, "best", w, True) for w in (0.1, 1.0)}
ARMS |= {"inner product, best, λ 0.1": (BEHIND, "best", 0.1, False)}
ARMS |= {f"inside, cosine, pooled, λ {w}": (INSIDE, "pooled", w, True) for w in (0.0, 0.1, 1.0)}
DOUBLED = [f"{arm}, doubled budget" for arm in ARMS]


@lru_cache
def letters() -> dict[str, tuple[Tensor, Tensor]]:
    made = {
        split: cyrillic_letters(n, seed=s)
        for split, n, s in (("train", 100, 0), ("validation", 40, 1), ("test", 60, 2))
    }
    return {split: (data.images, data.labels) for split, data in made.items()} | {"unseen": unseen()}


def unseen() -> tuple[Tensor, Tensor]:
    data = Glyphs("test")
    return data.images, data.labels


def own(arm: str) -> tuple[float, ...]:
    """What is tried beside the rate: the decay of a plain classifier, the size of what a block adds."""
    return DECAYS if ARMS[arm] is None else RATIOS


def make_net(arm: str, value: float, seed: int, classes: int) -> StagedClassifier:
    torch.manual_seed(seed)
    stages = list(small_resnet(1, WIDTHS))  # these two first: alike in every arm
    linear = nn.Linear(WIDTHS[-1], classes)
    if ARMS[arm] is not None:
        before, _, _, cosine = ARMS[arm]
        channels = stages[before - 1].out_channels
        stages.insert(before, TemplateBlock(channels, classes, cosine=cosine, value_ratio=value))
    net = StagedClassifier(Stages(*stages), classes)
    net.linear = linear
    return net


def learn(arm: str, rate: float, value: float, seed: int, *, doubled: bool = False):
    """Train one classifier; the weights of its best step on the validation renderings are kept."""
    given, labels = letters()["train"]
    loss = lambda reading, y: cross_entropy(reading.logits, y)
    if ARMS[arm] is not None:
        _, variant, weight, _ = ARMS[arm]
        loss = TemplateSupervision(cross_entropy, weight=weight, variant=variant)
    return classified.learn(
        make_net(arm, value, seed, int(labels.max()) + 1),
        loss,
        given,
        labels,
        ClassBatches(labels, 32, 2, STEPS * (1 + doubled), seed=seed),
        choosing=letters()["validation"],
        every=EVERY,
        rate=rate,
        decay=value if ARMS[arm] is None else 1e-4,
        seed=seed,
        augment="letters",
    )


def search(method: str, seed: int) -> dict:
    arm, settings = searched.setting(method)
    return classified.judged(learn(arm, *settings, seed)[1])


def run(method: str, seed: int) -> dict:
    arm = method.removesuffix(", doubled budget")
    rate, value = searched.chosen("letters_templates_search")[arm]
    net, kept = learn(arm, rate, value, seed, doubled=arm != method)
    given, labels = letters()["unseen"]
    report = evaluate(read_all(net, given).vector, labels)
    row = {"test_accuracy": classified.accuracy(net, *letters()["test"])}
    row |= {"unseen_recall_at_1": report.recall_at[1], "unseen_map_at_r": report.map_at_r}
    return row | kept | {"rate": rate, "own": value, "parameters": sum(p.numel() for p in net.parameters())}


def main(searching: bool) -> None:
    if searching:
        tries = [t for arm in ARMS for t in searched.tries(arm, RATES, own(arm))]
        collect("letters_templates_search", search, tries, [SEARCH_SEED])
        return
    runs = collect("letters_templates", run, [*ARMS, *DOUBLED], SEEDS)
    settings = {
        "task": "47 Cyrillic letters, 32 px, clutter 0 to 4; train, validation and test are other renderings",
        "widths": WIDTHS,
        "steps": f"{STEPS} of 32 letters x 2",
        "kept": f"the best of every {EVERY} steps by accuracy on validation renderings, in every arm",
        "chosen there too": f"rate of two; decay without a block, size of what is added with one; seed {SEARCH_SEED}",
    }
    save("letters_templates", "python -m studies.letters_templates", settings, runs)


if __name__ == "__main__":
    main(sys.argv[1:] == ["search"])
