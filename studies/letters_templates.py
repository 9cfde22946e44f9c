"""Templates taught by labels, on letters: classifying new images of trained letters, at several weights of the loss.

    python -m studies.letters_templates search    # about 8 minutes on one core
    python -m studies.letters_templates           # about 45 minutes; writes dmlnb/course/results/letters_templates.json

A small residual classifier of Cyrillic letters in clutter learns alone, or with a template block of one template per
letter: behind its last stage or inside, before the last stage. The weight λ of the templates' loss goes from 0 to 1,
over averaged scores or over the best regions. Letters are split by rendering: seed 0 trains, seed 1 chooses rates and
steps in every arm, seed 2 is read once. Retrieval is of letters of unseen scripts, by the averaged last map.
"""

import sys

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from dmlnb.data import ClassBatches, Glyphs, cyrillic_letters
from dmlnb.losses import TemplateSupervision
from dmlnb.models import StagedClassifier, Stages, TemplateBlock, read_all, small_resnet
from dmlnb.retrieval import evaluate
from dmlnb.training import train
from studies import searched
from studies.photographs import SEARCH_SEED
from studies.stored import DEVICE, collect, save

WIDTHS, STEPS, EVERY, SEEDS = (8, 12, 16, 24), 400, 40, range(10)
RATES, DECAYS = (3e-3, 1e-2), (1e-4,)
# how many of the network's stages stand before the block, the variant of the loss, its weight; None for no block
ARMS: dict[str, tuple[int, str, float] | None] = {"no block": None}
ARMS |= {f"behind, pooled, λ {w}": (6, "pooled", w) for w in (0.0, 0.1, 1.0)}
ARMS |= {"behind, best, λ 0.1": (6, "best", 0.1), "inside, pooled, λ 0.1": (5, "pooled", 0.1)}
DOUBLED = ["no block, doubled budget"]


def make_net(arm: str, seed: int, classes: int) -> StagedClassifier:
    torch.manual_seed(seed)
    stages, linear = (
        list(small_resnet(1, WIDTHS)),
        nn.Linear(WIDTHS[-1], classes),
    )  # first: alike in every arm
    if ARMS[arm] is not None:
        before = ARMS[arm][0]
        channels = stages[before - 1].out_channels
        stages.insert(before, TemplateBlock(channels, classes, cosine=True, value_ratio=0.02))
    net = StagedClassifier(Stages(*stages), classes)
    net.linear = linear
    return net


def learn(arm: str, rate: float, decay: float, seed: int, *, doubled: bool = False):
    """Train one classifier; the weights of its best step on the validation renderings are kept."""
    letters, chosen_on = cyrillic_letters(100, seed=0), cyrillic_letters(40, seed=1)
    net = make_net(arm, seed, len(letters.class_names))
    loss = lambda reading, y: cross_entropy(reading.logits, y)
    if ARMS[arm] is not None:
        _, variant, weight = ARMS[arm]
        loss = TemplateSupervision(cross_entropy, weight=weight, variant=variant)
    history = train(
        net.read,
        loss,
        letters.images,
        letters.labels,
        ClassBatches(letters.labels, 32, 2, STEPS * (1 + doubled), seed=seed),
        learning_rate=rate,
        weight_decay=decay,
        validate=lambda net: {"accuracy": accuracy(net, chosen_on)},
        validate_every=EVERY,
        keep_best="accuracy",
        seed=seed,
        progress=False,
    )
    step = history[-1]["best_step"]
    return net.eval(), {"validation_accuracy": history[step]["accuracy"], "step": step}


def accuracy(net: nn.Module, letters) -> float:
    return (read_all(net, letters.images).logits.argmax(dim=1) == letters.labels).double().mean().item()


def search(method: str, seed: int) -> dict:
    arm, settings = searched.setting(method)
    kept = learn(arm, *settings, seed)[1]
    return kept | {"validation_map_at_r": kept["validation_accuracy"]}  # what the search compares


def run(method: str, seed: int) -> dict:
    arm = method.removesuffix(", doubled budget")
    rate, decay = searched.chosen("letters_templates_search")[arm]
    net, kept = learn(arm, rate, decay, seed, doubled=arm != method)
    unseen = Glyphs("test")
    report = evaluate(read_all(net.to(DEVICE), unseen.images).vector, unseen.labels)
    row = {"test_accuracy": accuracy(net, cyrillic_letters(60, seed=2))}
    row |= {"unseen_recall_at_1": report.recall_at[1], "unseen_map_at_r": report.map_at_r}
    return row | kept | {"rate": rate, "parameters": sum(p.numel() for p in net.parameters())}


def main(searching: bool) -> None:
    if searching:
        tries = [t for arm in ARMS for t in searched.tries(arm, RATES, DECAYS)]
        collect("letters_templates_search", search, tries, [SEARCH_SEED])
        return
    runs = collect("letters_templates", run, [*ARMS, *DOUBLED], SEEDS)
    settings = {
        "task": "47 Cyrillic letters, 32 px, clutter 0 to 4; train, validation and test are other renderings",
        "widths": WIDTHS,
        "steps": f"{STEPS} of 32 letters x 2",
        "kept": f"the best of every {EVERY} steps by accuracy on validation renderings, in every arm",
        "chosen there too": f"rate of {len(RATES)}, seed {SEARCH_SEED}",
    }
    save("letters_templates", "python -m studies.letters_templates", settings, runs)


if __name__ == "__main__":
    main(sys.argv[1:] == ["search"])
