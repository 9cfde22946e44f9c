"""A small student of a larger teacher, both classifying Cyrillic letters in clutter: letKD against its controls.

python -m studies.distill         # about an hour of one core; writes dmlnb/course/results/distill.json
python -m studies.distill long    # the same; writes dmlnb/course/results/distill_long.json

One teacher, trained once; five paired seeds of the student (same seed: same first weights of the backbone, same
batches). Letters are split by rendering: seed 0 to train, seed 1 to choose (learning rate, widths), seed 2 to report.
The second study has fewer methods and half as many steps again, and the rivals that copy maps of both stages.
"""

import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from dmlnb.course.recipes import train_letters
from dmlnb.data import Letters, cyrillic_letters, to_float
from dmlnb.distill import Codebook, DecisionTemplates, LetKDLoss, hinton_kd, template_kl
from dmlnb.losses import AttentionTransferLoss, FitNetLoss
from dmlnb.models import Beside, KDLayer, Reading, StagedClassifier, read_all, small_resnet
from studies.stored import DEVICE, FINISHED, collect, save

TEACHER, STUDENT = (16, 24, 48, 64), (6, 8, 12, 16)  # widths
CODES, SUBCLASSES, STEPS = 64, 2, 800
MIDDLE, LAST = 4, 5  # stages: after the first block at the last resolution, and after the last block

# method: (stages with a KD layer, their value ratio, what supervises each stage)
LAYERS = {
    "QuEST (α = 0)": ((LAST,), 0.0, {LAST: "codes"}),
    "one layer, no supervision": ((LAST,), 1.0, {}),
    "letKD-1": ((LAST,), 1.0, {LAST: "codes"}),
    "two layers, no supervision": ((MIDDLE, LAST), 1.0, {}),
    "two layers, last supervised": ((MIDDLE, LAST), 1.0, {LAST: "codes"}),
    "two layers, hard sub-classes": ((MIDDLE, LAST), 1.0, {MIDDLE: "identity", LAST: "codes"}),
    "letKD-2": ((MIDDLE, LAST), 1.0, {MIDDLE: "decisions", LAST: "codes"}),
}
# rivals that copy maps of both stages: (loss, weight). FitNet's weight is that of the benchmark of [tian2020crd]; its
# 1000 for attention transfer made students worse than none, and validation letters chose from 1000, 100 and 10.
HINTS = {
    "FitNet": (lambda: FitNetLoss(STUDENT[2:], TEACHER[2:]), 100.0),
    "attention transfer": (AttentionTransferLoss, 100.0),
}
METHODS = ("student alone", "KD", *LAYERS)
LONG_STEPS, LONG_METHODS = 1200, ("student alone", "KD", *HINTS, "letKD-1")
SEEDS = range(5)


def kd_loss(reading: Reading, labels: torch.Tensor) -> torch.Tensor:
    """The control: cross-entropy and the teacher's softened logits."""
    return cross_entropy(reading.logits, labels) + hinton_kd(reading.logits, reading.source.logits)


class HintLoss(nn.Module):
    """The control: cross-entropy and a weighted loss between the maps of the two networks."""

    def __init__(self, between_maps: nn.Module, weight: float):
        super().__init__()
        self.between_maps, self.weight = between_maps, weight

    def forward(self, reading: Reading, labels: torch.Tensor) -> torch.Tensor:
        student, teacher = ([seen.maps[str(s)] for s in (MIDDLE, LAST)] for seen in (reading, reading.source))
        return cross_entropy(reading.logits, labels) + self.weight * self.between_maps(student, teacher)


def make_loss(method: str, targets: dict[str, nn.Module]):
    """The loss of a method that listens to the teacher; None for the others."""
    if method in HINTS:
        make, weight = HINTS[method]
        return HintLoss(make(), weight)
    if method == "KD":
        return kd_loss
    supervision = LAYERS.get(method, ((), 1.0, {}))[2]
    return LetKDLoss({s: targets[t] for s, t in supervision.items()}) if supervision else None


def make_teacher(train: Letters) -> StagedClassifier:
    """The one teacher; kept in build/ because every run needs it."""
    file = FINISHED / "distill_teacher.pt"
    torch.manual_seed(100)
    teacher = StagedClassifier(small_resnet(1, TEACHER), len(train.class_names))
    if file.exists():
        teacher.load_state_dict(torch.load(file, weights_only=True, map_location="cpu"))
    else:
        train_letters(
            teacher, cross_entropy, train, steps=1200, seed=100, learning_rate=0.003, progress=False
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(teacher.state_dict(), file)
    return teacher.to(DEVICE).eval()


def read_maps(net: StagedClassifier, images: torch.Tensor) -> dict[int, torch.Tensor]:
    maps = read_all(net, images, maps=(MIDDLE, LAST)).maps
    return {stage: maps[str(stage)].to(DEVICE) for stage in (MIDDLE, LAST)}


def make_targets(teacher: StagedClassifier, train: Letters) -> dict[str, nn.Module]:
    """Codebook and decisions, from every fourth training image; not augmented."""
    file = FINISHED / "distill_targets.pt"
    if file.exists():
        return torch.load(file, weights_only=False, map_location=DEVICE)
    some = slice(None, None, 4)
    rows = {s: m.permute(0, 2, 3, 1).flatten(0, 2) for s, m in read_maps(teacher, train.images[some]).items()}
    labels = train.labels[some].repeat_interleave(64).to(DEVICE)
    targets = {
        "codes": Codebook.fit(rows[LAST], CODES),
        "decisions": DecisionTemplates.fit(rows[MIDDLE], labels, SUBCLASSES),
    }
    targets["identity"] = DecisionTemplates.fit(rows[MIDDLE], labels, SUBCLASSES)
    targets["identity"].decisions.copy_(torch.eye(len(targets["identity"].decisions)))
    torch.save(targets, file)
    return targets


def make_student(method: str, seed: int, num_classes: int) -> StagedClassifier:
    torch.manual_seed(seed)
    backbone = small_resnet(1, STUDENT)  # first, so that it starts the same with every method
    linear = nn.Linear(STUDENT[-1], num_classes)
    stages, ratio, _ = LAYERS.get(method, ((), 1.0, {}))
    sizes = {MIDDLE: (STUDENT[2], num_classes * SUBCLASSES), LAST: (STUDENT[3], CODES)}
    student = StagedClassifier(backbone, num_classes, {s: KDLayer(*sizes[s], ratio) for s in stages})
    student.linear = linear
    return student


def distill(method: str, seed: int, train: Letters, teacher, targets, *, steps: int) -> StagedClassifier:
    student, loss = make_student(method, seed, len(train.class_names)), make_loss(method, targets)
    if loss is None:
        train_letters(student, cross_entropy, train, steps=steps, seed=seed, progress=False)
    else:
        train_letters(Beside(student, teacher).read, loss, train, steps=steps, seed=seed, progress=False)
    return student.eval()


@torch.no_grad()
def predictions(net: StagedClassifier, images: torch.Tensor, content=None, silent: tuple[int, ...] = ()):
    """Logits; with `content`, the value path is switched off in regions whose content is in `silent`."""

    def forward(chunk, what):
        x = to_float(chunk)
        for stage, module in enumerate(net.stages):
            x = module(x)
            if str(stage) in net.kd_layers:
                out, _ = net.kd_layers[str(stage)](x)
                off = torch.isin(what, torch.tensor(silent, device=DEVICE))[:, None]  # (B, 1, 8, 8)
                x = torch.where(off, x, out)
        return net.linear(x.mean(dim=(2, 3)))

    content = torch.zeros(len(images), 8, 8, dtype=torch.int64) if content is None else content
    pairs = zip(images.to(DEVICE).split(256), content.to(DEVICE).split(256), strict=True)
    return torch.cat([forward(*pair) for pair in pairs]).cpu()


@torch.no_grad()
def look_inside(net: StagedClassifier, teacher, targets, data: Letters) -> dict[str, float]:
    """What the layers do on `data`: matches by content, the value path switched off, agreement with the targets."""
    found = {}
    accuracy = lambda silent: share(predictions(net, data.images, data.content, silent), data.labels)
    found["off"] = accuracy((0, 1, 2))
    found["off_outside_letter"] = accuracy((0, 1))
    found["off_on_letter"] = accuracy((2,))
    taught, maps = read_maps(teacher, data.images), read_maps(net, data.images)
    targets = {name: target.to(DEVICE) for name, target in targets.items()}
    labels, content = data.labels.to(DEVICE), data.content.to(DEVICE)
    for stage, layer in ((int(s), layer) for s, layer in net.kd_layers.items()):
        name = {MIDDLE: "middle", LAST: "last"}[stage]
        scores = layer.scores(maps[stage])
        active = (layer.matches(scores) > 0).float().mean(dim=1)  # (N, 8, 8)
        for number, kind in enumerate(("background", "clutter", "letter")):
            here = content == number
            found[f"{name}_active_{kind}"] = active[here].mean().item()
            found[f"{name}_unmatched_{kind}"] = (active[here] == 0).float().mean().item()
        source = targets["decisions"] if stage == MIDDLE else targets["codes"]
        wanted = source.targets(taught[stage], labels) if stage == MIDDLE else source.targets(taught[stage])
        found[f"{name}_kl"] = template_kl(scores, wanted).item()
        found[f"{name}_agreement"] = (scores.argmax(1) == wanted.argmax(1)).float().mean().item()
    return found


def constant_belief(teacher, targets) -> dict[str, float]:
    """What a student would reach that believes the mean target of every region: the floor of `look_inside`."""
    test = cyrillic_letters(60, seed=2)
    taught, found = read_maps(teacher, test.images), {}
    for name, wanted in (
        ("middle", targets["decisions"].targets(taught[MIDDLE], test.labels.to(DEVICE))),
        ("last", targets["codes"].targets(taught[LAST])),
    ):
        mean = wanted.mean(dim=(0, 2, 3)).clamp(min=1e-30).log()[None, :, None, None]
        found[f"{name}_kl"] = template_kl(mean.expand_as(wanted), wanted).item()
        winner = wanted.argmax(dim=1)
        found[f"{name}_agreement"] = winner.flatten().bincount().max().item() / winner.numel()
    return found


def share(logits: torch.Tensor, labels: torch.Tensor) -> float:
    return (logits.argmax(dim=1) == labels).float().mean().item()


def run(method: str, seed: int, steps: int = STEPS) -> dict:
    train, validation, test = (cyrillic_letters(n, seed=s) for n, s in ((100, 0), (40, 1), (60, 2)))
    teacher = make_teacher(train)
    targets = make_targets(teacher, train)
    net = distill(method, seed, train, teacher, targets, steps=steps)
    row = {
        "accuracy": share(predictions(net, test.images), test.labels),
        "validation_accuracy": share(predictions(net, validation.images), validation.labels),
        "teacher_accuracy": share(predictions(teacher, test.images), test.labels),
        "parameters": sum(p.numel() for p in net.parameters()),
    }
    if method in LAYERS and method != "QuEST (α = 0)":
        row |= look_inside(net, teacher, targets, test)
    return row


def main() -> None:
    long = sys.argv[1:] == ["long"]
    name, methods, steps = ("distill_long", LONG_METHODS, LONG_STEPS) if long else ("distill", METHODS, STEPS)
    teacher = make_teacher(train := cyrillic_letters(100))
    targets = make_targets(teacher, train)  # once, before the runs share them
    runs = collect(name, partial(run, steps=steps), methods, SEEDS)
    settings = {
        "task": "47 Cyrillic letters, 32 px, clutter 0 to 4; train, validation and test are other renderings",
        "teacher_widths": TEACHER,
        "student_widths": STUDENT,
        "steps": steps,
        "batch": "32 classes x 2",
        "codes": CODES,
        "subclasses": SUBCLASSES,
        "inverse_temperature": 1.0,
        "teacher_parameters": sum(p.numel() for p in teacher.parameters()),
        "constant_belief": constant_belief(teacher, targets),
    }
    if long:
        settings["rates"] = "FitNet's regressors learn as fast as the student"
        settings["weights"] = {method: weight for method, (_, weight) in HINTS.items()}
        settings["chosen on validation"] = "weight of attention transfer, from 1000, 100 and 10, one seed"
    save(name, f"python -m studies.{Path(__file__).stem}{' long' if long else ''}", settings, runs)


if __name__ == "__main__":
    main()
