"""Students of a teacher, in either world: what each has and is told, its training, and what is measured of it.

A student sees images or early maps. What its teacher makes of them is computed once and looked up by row. There are
three teachers, with a codebook and decisions each; student s learns from teacher s mod 3. A layer behind a student's
"last" map is taught the teacher's codes, one behind its "middle" map the teacher's decisions.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb.data import ClassBatches
from dmlnb.distill import Codebook, DecisionTemplates, LetKDLoss, hinton_kd
from dmlnb.models import KDLayer, Reading, StagedClassifier, Stages, read_all
from dmlnb.retrieval import evaluate
from studies import classified, searched
from studies.classified import Labelled

MIDDLE, LAST = "middle", "last"
BOTH = (MIDDLE, LAST)
TEACHERS, DECAY, TWICE = 3, 1e-4, ", doubled budget"


class Arm(NamedTuple):
    """What a student has, and what its teacher tells it."""

    codes: int = 0  # templates of a layer behind the last map
    ratio: float = 1.0  # α of its layers
    layers: tuple[str, ...] = ()  # the maps behind which there is one
    supervised: tuple[str, ...] = ()  # those of them that the teacher supervises
    logits: float = 0.0  # weight of the teacher's softened logits
    teacher: str = ""  # where a world has several kinds
    like: str = ""  # the arm whose rate it takes, if it does not search
    subclasses: int = 0  # of a class in its decisions; 0 for as many as its world has


class Taught(NamedTuple):
    """What a teacher sees in the training images, row by row."""

    logits: Tensor  # (N, classes)
    maps: dict[str, Tensor]  # those that stand for the student's middle and last, (N, D, H, W)


@dataclass(frozen=True, eq=False)
class World:
    """Where a study's images and teachers come from, and how long a training is."""

    name: str  # of the stored study
    arms: dict[str, Arm]
    stages: dict[str, str]  # of a student: which of its stages gives the middle map, which the last
    given: Callable[[], dict[str, Labelled]]  # what students see, by split: train, validation, test, unseen
    taught: Callable[[str, int], Taught]  # by kind and number of the teacher
    backbone: Callable[[], Stages]  # of a student, new
    steps: int
    every: int
    subclasses: int
    fitted: int = 1  # codes and decisions are fitted to every so many training images
    classes: int = 32  # in a batch, two images of each


def subclasses_of(world: World, arm: Arm) -> int:
    return arm.subclasses or world.subclasses


def regions(maps: Tensor) -> Tensor:  # (N, D, H, W) -> (N H W, D)
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


@lru_cache
def codebook(world: World, kind: str, number: int, codes: int) -> Codebook:
    return Codebook.fit(regions(world.taught(kind, number).maps[LAST][:: world.fitted]), codes, seed=number)


@lru_cache
def decisions(world: World, kind: str, number: int, subclasses: int) -> DecisionTemplates:
    maps, labels = world.taught(kind, number).maps[MIDDLE], world.given()["train"][1]
    return decided(maps[:: world.fitted], labels[:: world.fitted], subclasses, number)


def decided(maps: Tensor, labels: Tensor, subclasses: int, seed: int) -> DecisionTemplates:
    return DecisionTemplates.fit(
        regions(maps), labels.repeat_interleave(maps[0, 0].numel()), subclasses, seed=seed
    )


def information(targets: DecisionTemplates, maps: Tensor, labels: Tensor) -> float:
    """Nats by which the targets of all regions differ from the belief that is their mean: mean KL(target || mean)."""
    table = targets.decisions.double()
    counts = targets.subclass(maps, labels).flatten().bincount(minlength=len(table)).double()
    shares = counts / counts.sum()
    mean = shares @ table
    return (shares @ (torch.special.xlogy(table, table) - torch.special.xlogy(table, mean)).sum(dim=1)).item()


def nats(told: Tensor) -> float:
    """The same of soft targets themselves, `(N, K, H, W)`."""
    rows = regions(told).double()
    mean = rows.mean(dim=0)
    return (torch.special.xlogy(rows, rows) - torch.special.xlogy(rows, mean)).sum(dim=1).mean().item()


def targets_say(maps: dict[str, Tensor], labels: Tensor) -> dict[str, float]:
    """Nats in the decision targets, by map and number of sub-classes; ln of their number is the most there could be."""
    return {
        f"{name} maps, {k} sub-classes": information(decided(m, labels, k, 0), m, labels)
        for name, m in maps.items()
        for k in (1, 2, 4, 8)
    }


class FromTeacher(nn.Module):
    """`loss(reading, rows)` of an arm: what its teacher sees, and the classes, are looked up by row."""

    def __init__(self, world: World, arm: Arm, number: int):
        super().__init__()
        self.stages, self.weight = world.stages, arm.logits
        self.labels = world.given()["train"][1]
        self.seen = world.taught(arm.teacher, number)
        targets: dict[str, nn.Module] = {}
        if LAST in arm.supervised:
            targets[self.stages[LAST]] = codebook(world, arm.teacher, number, arm.codes)
        if MIDDLE in arm.supervised:
            targets[self.stages[MIDDLE]] = decisions(world, arm.teacher, number, subclasses_of(world, arm))
        self.letkd = LetKDLoss(targets) if targets else None

    def forward(self, reading: Reading, rows: Tensor) -> Tensor:
        labels = self.labels[rows]
        if self.letkd:
            maps = {self.stages[depth]: maps[rows] for depth, maps in self.seen.maps.items()}
            loss = self.letkd(reading._replace(source=Reading(self.seen.logits[rows], maps=maps)), labels)
        else:
            loss = cross_entropy(reading.logits, labels)
        if self.weight:
            loss = loss + self.weight * hinton_kd(reading.logits, self.seen.logits[rows])
        return loss


def make_student(world: World, arm: Arm, seed: int) -> StagedClassifier:
    classes = int(world.given()["train"][1].max()) + 1
    torch.manual_seed(seed)
    stages = world.backbone()  # these two first, so that they start alike in every arm
    linear = nn.Linear(stages.out_channels, classes)
    sizes = {MIDDLE: classes * subclasses_of(world, arm), LAST: arm.codes}
    layers = {}
    for depth in arm.layers:
        stage = world.stages[depth]
        layers[stage] = KDLayer(stages[int(stage)].out_channels, sizes[depth], arm.ratio)
    student = StagedClassifier(stages, classes, layers)
    student.linear = linear
    return student


def learn(world: World, name: str, rate: float, decay: float, seed: int, *, doubled: bool = False):
    """One student at its best validated step, and that step and accuracy."""
    given, labels = world.given()["train"]
    return classified.learn(
        make_student(world, world.arms[name], seed),
        FromTeacher(world, world.arms[name], seed % TEACHERS),
        given,
        torch.arange(len(labels)),
        ClassBatches(labels, world.classes, 2, world.steps * (1 + doubled), seed=seed),
        choosing=world.given()["validation"],
        every=world.every,
        rate=rate,
        decay=decay,
        seed=seed,
    )


def tries(arms: Iterable[str], rates: Iterable[float]) -> list[str]:
    """Each arm with each rate."""
    return [t for arm in arms for t in searched.tries(arm, rates, (DECAY,))]


def search(world: World, method: str, seed: int) -> dict:
    name, settings = searched.setting(method)
    return classified.judged(learn(world, name, *settings, seed)[1])


def run(world: World, method: str, seed: int) -> tuple[StagedClassifier, dict]:
    """The student of an arm and a seed, and its row: test images classified, unseen classes retrieved."""
    name = method.removesuffix(TWICE)
    rate, decay = searched.chosen(f"{world.name}_search")[world.arms[name].like or name]
    net, kept = learn(world, name, rate, decay, seed, doubled=name != method)
    given, labels = world.given()["unseen"]
    report = evaluate(read_all(net, given).vector, labels)
    row = {"test_accuracy": classified.accuracy(net, *world.given()["test"])}
    row |= {"unseen_recall_at_1": report.recall_at[1], "unseen_map_at_r": report.map_at_r}
    row |= {"parameters": sum(p.numel() for p in net.parameters())}
    row |= probe(world, net) if MIDDLE in world.arms[name].layers else {}
    return net, row | kept | {"rate": rate}


def probe(world: World, net: StagedClassifier) -> dict[str, float]:
    """Accuracy of linear discriminants on the averaged middle map, before its layer and behind it, on test images."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    stage, seen = world.stages[MIDDLE], {}
    for split in ("train", "test"):
        given, labels = world.given()[split]
        given, labels = (x[:: world.fitted if split == "train" else 1] for x in (given, labels))
        before = read_all(net, given, maps=(stage,)).maps[stage]
        with torch.no_grad():
            behind = torch.cat([net.kd_layers[stage](part)[0] for part in before.split(1024)])
        seen[split] = before.mean(dim=(2, 3)).numpy(), behind.mean(dim=(2, 3)).numpy(), labels.numpy()
    *known, labels = seen["train"]
    *asked, wanted = seen["test"]
    names = ("probe_before", "probe_behind")
    models = (LinearDiscriminantAnalysis().fit(x, labels) for x in known)
    return {name: model.score(x, wanted) for name, model, x in zip(names, models, asked, strict=True)}
