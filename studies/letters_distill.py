"""letKD on letters: a small classifier of a wide one, and its controls.

    python -m studies.letters_distill information   # a minute: how much the decision targets say, before any training
    python -m studies.letters_distill search        # about 25 minutes on one core
    python -m studies.letters_distill               # about 3 hours on one core; writes the results
    python -m studies.letters_distill so far        # writes the seeds that are there

Teacher and student classify Cyrillic letters in clutter; the teacher has a dozen times as many parameters, and saw the
letters shifted and faded too. Letters are split by rendering: seed 0 trains, seed 1 chooses rates and steps in every
arm, seed 2 is read once; letters of unseen scripts are retrieved. What is compared, and how, stands in
`studies.distilled`. The arms whose differences are small have 25 seeds, their controls 10; two layers and doubled
budgets, which ask whether more training would change the answer, have 5.
"""

import json
import sys
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dmlnb.data import ClassBatches, Glyphs, Letters, cyrillic_letters, to_float
from dmlnb.distill import template_kl
from dmlnb.models import StagedClassifier, read_all, small_resnet
from studies import classified, distilled, stored
from studies.classified import Labelled
from studies.distilled import BOTH, LAST, MIDDLE, TEACHERS, TWICE, Arm, Taught, World
from studies.photographs import SEARCH_SEED
from studies.stored import collect, save

TEACHER, STUDENT = (16, 24, 48, 64), (6, 8, 12, 16)  # widths
STAGES = {MIDDLE: "4", LAST: "5"}  # the first block at the last resolution, and the last block
CODES, TEACHER_STEPS = 64, 2400
RATES, SEARCH_SEEDS = (7e-3, 1.5e-2, 3e-2), (SEARCH_SEED, SEARCH_SEED + 1)
MANY = {
    "student alone": Arm(),
    "KD": Arm(logits=1.0),
    "QuEST (α = 0)": Arm(CODES, 0.0, (LAST,), (LAST,)),
    "letKD-1": Arm(CODES, 1.0, (LAST,), (LAST,)),
}
CONTROLS = {
    "one layer, no supervision": Arm(CODES, 1.0, (LAST,)),
    "letKD-1 + KD": Arm(CODES, 1.0, (LAST,), (LAST,), 1.0),
}
FEWER = {
    "two layers, last supervised": Arm(CODES, 1.0, BOTH, (LAST,), like="letKD-1"),
    "letKD-2": Arm(CODES, 1.0, BOTH, BOTH, like="letKD-1"),
}
DOUBLED = [arm + TWICE for arm in (*MANY, *CONTROLS, *FEWER)]
SEEDS = {range(25): [*MANY], range(10): [*CONTROLS], range(5): [*FEWER, *DOUBLED]}
KINDS = ("background", "clutter", "letter")  # what a region holds, by its number in `Letters.content`


@lru_cache
def renderings(split: str) -> Letters:
    per_class, seed = {"train": (300, 0), "validation": (40, 1), "test": (60, 2)}[split]
    return cyrillic_letters(per_class, seed=seed)


@lru_cache
def given() -> dict[str, Labelled]:
    unseen = Glyphs("test")
    found = {
        split: (renderings(split).images, renderings(split).labels)
        for split in ("train", "validation", "test")
    }
    return found | {"unseen": (unseen.images, unseen.labels)}


@lru_cache
def teacher(number: int) -> tuple[StagedClassifier, float]:
    """The wide classifier, trained once and then read from its file; its accuracy on the test renderings."""
    file, seed = stored.FINISHED / f"letters_distill_teacher_{number}.pt", 1000 + number
    images, labels = given()["train"]
    torch.manual_seed(seed)
    net = StagedClassifier(small_resnet(1, TEACHER), int(labels.max()) + 1)
    if file.exists():
        net.load_state_dict(torch.load(file, weights_only=True))
    else:
        net, _ = classified.learn(
            net,
            lambda reading, y: cross_entropy(reading.logits, y),
            images,
            labels,
            ClassBatches(labels, 32, 2, TEACHER_STEPS, seed=seed),
            choosing=given()["validation"],
            every=100,
            rate=3e-3,
            decay=1e-4,
            seed=seed,
            augment="letters",
        )
        torch.save(net.state_dict(), file)
    return net.eval(), classified.accuracy(net, *given()["test"])


@lru_cache(maxsize=1)  # 230 MB of each teacher
def taught(kind: str, number: int) -> Taught:
    return seen(number, "train")


def seen(number: int, split: str) -> Taught:
    """A teacher's last map stands for both maps of a student: decisions on its middle map say too little."""
    reading = read_all(teacher(number)[0], given()[split][0], maps=[STAGES[LAST]])
    last = reading.maps[STAGES[LAST]]
    return Taught(reading.logits, {MIDDLE: last, LAST: last})


WORLD = World(
    "letters_distill",
    MANY | CONTROLS | FEWER,
    STAGES,
    given,
    taught,
    backbone=lambda: small_resnet(1, STUDENT),
    steps=1600,
    every=200,
    subclasses=2,
    fitted=4,
)


def equally_many(content: Tensor) -> dict[str, Tensor]:
    """Of each kind, as many regions of an image as it has of its rarest, at random: `(N, 8, 8)` bool, by kind."""
    noise = torch.rand(content.shape, generator=torch.Generator().manual_seed(0))
    of_kind = [content == number for number in range(len(KINDS))]
    least = torch.stack([here.sum(dim=(1, 2)) for here in of_kind]).amin(dim=0)[:, None]  # (N, 1)
    rank = lambda here: torch.where(here, noise, 2.0).flatten(1).argsort(dim=1).argsort(dim=1)
    return {kind: (rank(here) < least).view_as(here) for kind, here in zip(KINDS, of_kind, strict=True)}


@torch.no_grad()
def accuracy_without(net: StagedClassifier, images: Tensor, labels: Tensor, silent: Tensor) -> float:
    """Accuracy with the layers' values switched off in the regions `silent`, `(N, 8, 8)` bool."""
    right = 0
    for chunk, y, off in zip(images.split(256), labels.split(256), silent.split(256), strict=True):
        x = to_float(chunk)
        for stage, module in net.stages.named_children():
            x = module(x)
            if stage in net.kd_layers:
                x = torch.where(off[:, None], x, net.kd_layers[stage](x)[0])
        right += (net.linear(x.mean(dim=(2, 3))).argmax(dim=1) == y).sum().item()
    return right / len(labels)


def look_inside(net: StagedClassifier, arm: Arm, number: int) -> dict[str, float]:
    """What the layers do on test renderings: matches by content, values switched off, divergence from the targets."""
    images, labels, _, content, _ = renderings("test")
    found = {"off": accuracy_without(net, images, labels, torch.ones_like(content, dtype=torch.bool))}
    masks = equally_many(content)
    some = masks["letter"].any(dim=(1, 2))  # images that have all three kinds
    for kind, mask in {"nothing": masks["letter"] & False, **masks}.items():
        found[f"off_{kind}"] = accuracy_without(net, images[some], labels[some], mask[some])
    teaches, maps = seen(number, "test").maps, read_all(net, images, maps=STAGES.values()).maps
    for depth in arm.layers:
        layer = net.kd_layers[STAGES[depth]]
        with torch.no_grad():
            scores = layer.scores(maps[STAGES[depth]])
            active = (layer.matches(scores) > 0).float().mean(dim=1)  # (N, 8, 8)
        for number_of, kind in enumerate(KINDS):
            here = active[content == number_of]
            found[f"{depth}_active_{kind}"] = here.mean().item()
            found[f"{depth}_unmatched_{kind}"] = (here == 0).float().mean().item()
        if depth == LAST:
            wanted = distilled.codebook(WORLD, "", number, arm.codes).targets(teaches[LAST])
        else:
            wanted = distilled.decisions(WORLD, "", number, distilled.subclasses_of(WORLD, arm)).targets(
                teaches[MIDDLE], labels
            )
        found[f"{depth}_kl"] = template_kl(scores, wanted).item()
    return found


def search(method: str, seed: int) -> dict:
    return distilled.search(WORLD, method, seed)


def run(method: str, seed: int) -> dict:
    net, row = distilled.run(WORLD, method, seed)
    arm, number = WORLD.arms[method.removesuffix(TWICE)], seed % TEACHERS
    row |= look_inside(net, arm, number) if arm.layers else {}
    return row | {"teacher_accuracy": teacher(number)[1]}


def nats() -> dict[str, float | dict[str, float]]:
    """What the targets of teacher 0 say beyond their mean, in nats of a region: decisions by its map, and codes."""
    images, labels = (x[:: WORLD.fitted] for x in given()["train"])
    seen = read_all(teacher(0)[0], images, maps=STAGES.values()).maps
    maps = {depth: seen[stage] for depth, stage in STAGES.items()}
    told = distilled.codebook(WORLD, "", 0, CODES).targets(maps[LAST][::10])
    return {"decision targets": distilled.targets_say(maps, labels), "codes": distilled.nats(told)}


def settings() -> dict:
    return {
        "task": "47 Cyrillic letters, 32 px, clutter 0 to 4; train, validation and test are other renderings",
        "teacher": f"widths {TEACHER}, {TEACHER_STEPS} steps, augmented; three of them",
        "teacher parameters": sum(p.numel() for p in teacher(0)[0].parameters()),
        "student": f"widths {STUDENT}, not augmented",
        "steps": f"{WORLD.steps} of 32 letters x 2",
        "decisions": f"{WORLD.subclasses} sub-classes, on the teacher's last map",
        "kept": f"the best of every {WORLD.every} steps by accuracy on validation renderings, in every arm",
        "chosen there too": f"best of {len(RATES)} rates over {len(SEARCH_SEEDS)} seeds; two layers as letKD-1",
        "arms by their number of seeds": {len(seeds): arms for seeds, arms in SEEDS.items()},
        "nats": nats(),
    }


def finished() -> dict[str, list[dict]]:
    """The rows that are there, of the seeds that all arms of a kind have."""
    rows = [json.loads(line) for line in (stored.FINISHED / "letters_distill.jsonl").read_text().splitlines()]
    done = {(row["method"], row["seed"]): {k: v for k, v in row.items() if k != "method"} for row in rows}
    found = {}
    for seeds, planned in SEEDS.items():
        arms = [arm for arm in planned if (arm, 0) in done]
        whole = [seed for seed in seeds if all((arm, seed) in done for arm in arms)]
        found |= {arm: [done[arm, seed] for seed in whole] for arm in arms}
    return found


def main(mode: str) -> None:
    if mode == "information":
        print(nats())
        return
    if mode == "search":
        collect("letters_distill_search", search, distilled.tries(MANY | CONTROLS, RATES), SEARCH_SEEDS)
        return
    if mode != "so far":
        for end in (5, 10, 25):  # what all arms have in common first
            for seeds, arms in SEEDS.items():
                collect("letters_distill", run, arms, seeds[:end])
    save("letters_distill", "python -m studies.letters_distill", settings(), finished())


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
