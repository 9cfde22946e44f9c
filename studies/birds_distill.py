"""letKD on photographs of birds: a small convolutional student of an ImageNet network, and its controls.

    export DMLNB_MAPS=data/birds_maps DMLNB_EARLY_MAPS=data/birds_maps_112 DMLNB_CUB=data/CUB_200_2011
    python -m studies.birds_distill information   # seconds: how much the decision targets say, before any training
    python -m studies.birds_distill teachers      # about 10 minutes on one core
    python -m studies.birds_distill search        # about 30 minutes
    python -m studies.birds_distill               # about 100 minutes; writes dmlnb/course/results/birds_distill.json

The teacher is EfficientNet-Lite0: frozen, with a linear classifier of 50 species on its last averaged map, 320 x 7 x 7;
or with its last five blocks fine-tuned to classify them. The student sees what the teacher has after eleven blocks,
112 x 14 x 14, and replaces these five by three residual blocks. CUB's own split by image: the train part learns, but
for a fifth of it that chooses rates and steps; the test part of the 50 species is classified once, and the 50 other
species, never seen, are retrieved. What is compared, and how, stands in `studies.distilled`.
"""

import os
import sys
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy

from dmlnb.data import ClassBatches, FeatureMaps
from dmlnb.models import StagedClassifier, Stages, lite0_backbone, read_all
from dmlnb.models.backbones import ResidualBlock
from dmlnb.training import train
from studies import classified, distilled, searched, stored
from studies.classified import Labelled
from studies.distilled import BOTH, LAST, MIDDLE, TEACHERS, TWICE, Arm, Taught, World
from studies.photographs import MAPS, SEARCH_SEED, fifths, learned_by_image
from studies.stored import collect, save

EARLY = os.environ.get("DMLNB_EARLY_MAPS", "data/birds_maps_112")
SPECIES, WIDTH, SEEDS = 50, 24, range(8)
RATES, HIGHER = (3e-3, 1e-2, 3e-2), (1e-2, 3e-2, 1e-1)
FINE_TUNED, TUNED_BLOCKS, TUNING_STEPS, TUNING_RATES = "fine-tuned", 11, 100, (3e-4, 1e-3)
FROZEN_ARMS = {
    "student alone": Arm(),
    "KD": Arm(logits=1.0),
    "one layer, no supervision": Arm(256, 1.0, (LAST,)),
    "QuEST (α = 0)": Arm(256, 0.0, (LAST,), (LAST,)),
    "letKD-1, 64 codes": Arm(64, 1.0, (LAST,), (LAST,)),
    "letKD-1": Arm(256, 1.0, (LAST,), (LAST,)),
    "letKD-1, 1024 codes": Arm(1024, 1.0, (LAST,), (LAST,)),
    "letKD-1 + KD": Arm(256, 1.0, (LAST,), (LAST,), 1.0),
    "two layers, last supervised": Arm(256, 1.0, BOTH, (LAST,)),
    "letKD-2": Arm(256, 1.0, BOTH, BOTH),
}
SETTINGS = {"letKD-1, α = 0.5": FROZEN_ARMS["letKD-1"]._replace(ratio=0.5, like="letKD-1")} | {
    f"letKD-2, {k} sub-class{'es' * (k > 1)}": FROZEN_ARMS["letKD-2"]._replace(subclasses=k, like="letKD-2")
    for k in (1, 2, 4)
}
TUNED_ARMS = {
    f"{name}, {FINE_TUNED} teacher": FROZEN_ARMS[name]._replace(teacher=FINE_TUNED)
    for name in ("KD", "QuEST (α = 0)", "letKD-1", "letKD-1 + KD", "letKD-2")
}
DOUBLED = [arm + TWICE for arm in ("student alone", "letKD-1")]


@lru_cache
def photographs() -> tuple[dict[str, tuple[Tensor, Tensor, Tensor]], list[Tensor]]:
    """Early maps, late maps and species by split, in units of their standard deviations over "train"; these."""
    late, early = FeatureMaps.load(MAPS).view(0), FeatureMaps.load(EARLY).view(0)
    if not torch.equal(late.labels, early.labels):
        raise ValueError(f"DMLNB_EARLY_MAPS: expected maps of the photographs of {MAPS}, in their order")
    for_training, known = learned_by_image(), late.labels < SPECIES
    rows = (for_training & known).nonzero()[:, 0]
    chooses = fifths(late.labels[rows])
    parts = {
        "train": rows[~chooses],
        "validation": rows[chooses],
        "test": (~for_training & known).nonzero()[:, 0],
        "unseen": (~known).nonzero()[:, 0],
    }
    scales = [maps[parts["train"]].std() for maps in (early, late)]
    return {k: (early[i] / scales[0], late[i] / scales[1], late.labels[i]) for k, i in parts.items()}, scales


@lru_cache
def given() -> dict[str, Labelled]:
    return {split: (early, labels) for split, (early, _, labels) in photographs()[0].items()}


@lru_cache
def linear_teacher(number: int) -> nn.Module:
    """A linear classifier of the averaged late maps."""
    _, late, labels = photographs()[0]["train"]
    torch.manual_seed(1000 + number)
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(late.shape[1], SPECIES))
    train(
        net,
        cross_entropy,
        late.mean(dim=(2, 3), keepdim=True),
        labels,
        ClassBatches(labels, 32, 2, 400, seed=1000 + number),
        learning_rate=1e-3,
        augment=None,
        seed=1000 + number,
        device="cpu",
        progress=False,
    )
    return net.eval()


def tune(rate: float, seed: int) -> tuple[StagedClassifier, dict]:
    """The network's last blocks, fine-tuned on the early maps behind which they stand."""
    unscaled = lambda split: (photographs()[0][split][0] * photographs()[1][0], photographs()[0][split][2])
    torch.manual_seed(seed)
    early, labels = unscaled("train")
    return classified.learn(
        StagedClassifier(lite0_backbone(start=TUNED_BLOCKS), SPECIES),
        lambda reading, y: cross_entropy(reading.logits, y),
        early,
        labels,
        ClassBatches(labels, 32, 2, TUNING_STEPS, seed=seed),
        choosing=unscaled("validation"),
        every=20,
        rate=rate,
        decay=1e-4,
        seed=seed,
    )


@lru_cache
def tuned_teacher(number: int) -> StagedClassifier:
    """Fine-tuned once, and then read from its file."""
    file = stored.FINISHED / f"birds_distill_teacher_{number}.pt"
    if not file.exists():
        rate = searched.chosen("birds_distill_teacher_search")[FINE_TUNED][0]
        torch.save(tune(rate, 1000 + number)[0].state_dict(), file)
    net = StagedClassifier(lite0_backbone(start=TUNED_BLOCKS, weights=None), SPECIES)
    net.load_state_dict(torch.load(file, weights_only=True))
    return net.eval()


def seen(kind: str, number: int, split: str) -> tuple[Tensor, Tensor]:
    """Logits and last map of a teacher."""
    early, late, _ = photographs()[0][split]
    if kind != FINE_TUNED:
        net = linear_teacher(number)  # trained in its first call
        with torch.no_grad():
            return net(late), late
    net = tuned_teacher(number)
    *_, last = dict(net.stages.named_children())
    reading = read_all(net, early * photographs()[1][0], maps=[last])
    return reading.logits, reading.maps[last]


@lru_cache
def taught(kind: str, number: int) -> Taught:
    logits, late = seen(kind, number, "train")
    late = late / late.std() if kind == FINE_TUNED else late  # the frozen network's are in this unit
    return Taught(logits, {MIDDLE: late, LAST: late})


@lru_cache
def teacher_accuracy(kind: str, number: int) -> float:
    right = seen(kind, number, "test")[0].argmax(dim=1) == photographs()[0]["test"][2]
    return right.double().mean().item()


def backbone() -> Stages:
    channels = given()["train"][0].shape[1]
    return Stages(ResidualBlock(channels, WIDTH, 2), ResidualBlock(WIDTH, WIDTH), ResidualBlock(WIDTH, WIDTH))


WORLD = World(
    "birds_distill",
    FROZEN_ARMS | TUNED_ARMS | SETTINGS,
    stages={MIDDLE: "1", LAST: "2"},
    given=given,
    taught=taught,
    backbone=backbone,
    steps=400,
    every=40,
    subclasses=8,
)


def search_teacher(method: str, seed: int) -> dict:
    _, (rate, _) = searched.setting(method)
    return classified.judged(tune(rate, seed)[1])


def search(method: str, seed: int) -> dict:
    return distilled.search(WORLD, method, seed)


def run(method: str, seed: int) -> dict:
    kind = WORLD.arms[method.removesuffix(TWICE)].teacher
    return distilled.run(WORLD, method, seed)[1] | {
        "teacher_accuracy": teacher_accuracy(kind, seed % TEACHERS)
    }


def nats() -> dict[str, float]:
    early, late, labels = photographs()[0]["train"]
    maps = {
        "early": avg_pool2d(early, 2),
        "late": late,
        f"{FINE_TUNED} late": taught(FINE_TUNED, 0).maps[MIDDLE],
    }
    return distilled.targets_say(maps, labels)


def certainty(kind: str) -> float:
    """The mean probability that teacher 0 gives to the species of its training photographs."""
    logits, labels = taught(kind, 0).logits, photographs()[0]["train"][2]
    return logits.softmax(dim=1).gather(1, labels[:, None]).mean().item()


def main(mode: str) -> None:
    if mode == "information":
        print(nats())
        return
    if mode == "teachers":
        tries = searched.tries(FINE_TUNED, TUNING_RATES, (1e-4,))
        collect("birds_distill_teacher_search", search_teacher, tries, [SEARCH_SEED])
        print({number: teacher_accuracy(FINE_TUNED, number) for number in range(TEACHERS)})
        return
    if mode == "search":
        tries = distilled.tries(FROZEN_ARMS, RATES) + distilled.tries(TUNED_ARMS, HIGHER)
        collect("birds_distill_search", search, tries, [SEARCH_SEED])
        return
    runs = collect("birds_distill", run, [*FROZEN_ARMS, *DOUBLED, *TUNED_ARMS, *SETTINGS], SEEDS)
    settings = {
        "photographs": "CUB-200-2011, species 1-50 by its own split of images; species 51-100 retrieved",
        "teacher": "EfficientNet-Lite0, frozen, with a linear classifier; three of them",
        "fine-tuned teacher": f"its last five blocks and a linear classifier, {TUNING_STEPS} steps of 32 species x 2, "
        "best of every 20 steps and of two rates by accuracy on the fifth; three of them",
        "student": f"blocks 12 to 16 replaced by three residual blocks of {WIDTH} channels",
        "steps": f"{WORLD.steps} of 32 species x 2",
        "kept": f"the best of every {WORLD.every} steps by accuracy on a fifth of the train part, in every arm",
        "chosen there too": f"rate of three, seed {SEARCH_SEED}; higher ones with the fine-tuned teacher; another α, "
        "and other numbers of sub-classes, take that of letKD-1 and letKD-2",
        "nats in decision targets": nats(),
        "certainty of training photographs": {k or "frozen": certainty(k) for k in ("", FINE_TUNED)},
    }
    save("birds_distill", "python -m studies.birds_distill", settings, runs)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "")
