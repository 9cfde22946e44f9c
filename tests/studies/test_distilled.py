from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

from dmlnb.distill import DecisionTemplates
from dmlnb.models import Reading, small_resnet
from studies import distilled as study
from studies.distilled import BOTH, LAST, MIDDLE, Arm, Taught, World

N, CLASSES = 40, 4
ARMS = {
    "alone": Arm(),
    "KD": Arm(logits=0.5),
    "letKD-1": Arm(8, 1.0, (LAST,), (LAST,)),
    "letKD-2": Arm(8, 1.0, BOTH, BOTH, like="letKD-1"),
    "letKD-2, three sub-classes": Arm(8, 1.0, BOTH, BOTH, subclasses=3),
    "unsupervised": Arm(8, 1.0, BOTH),
    "all": Arm(8, 1.0, BOTH, BOTH, 0.5, teacher="other"),
}


@pytest.fixture
def world():
    """Ten images of each of four classes, and teachers that see noise, another noise with another kind or number."""
    labels = torch.arange(CLASSES).repeat_interleave(N // CLASSES)
    images = torch.randn(N, 1, 16, 16)
    parts = {split: (images, labels) for split in ("train", "validation", "test", "unseen")}
    draw = lambda *shape, of: torch.randn(*shape, generator=torch.Generator().manual_seed(of))
    asked = []

    def taught(kind, number):
        asked.append((kind, number))
        of = 10 * len(kind) + number
        maps = {MIDDLE: draw(N, 5, 4, 4, of=of), LAST: draw(N, 6, 4, 4, of=of + 1)}
        return Taught(draw(N, CLASSES, of=of), maps)

    made = World(
        "world", ARMS, {MIDDLE: "4", LAST: "5"}, lambda: parts, taught, lambda: small_resnet(1, (3, 4, 5, 6)),
        steps=2, every=1, subclasses=2, classes=4,
    )  # fmt: skip
    return SimpleNamespace(world=made, labels=labels, images=images, taught=taught, asked=asked)


@pytest.mark.parametrize("name", ARMS)
def test_the_loss_of_an_arm_is_the_sum_of_what_it_is_told(world, name):
    arm, rows = ARMS[name], torch.tensor([31, 2, 17, 0])
    student = study.make_student(world.world, arm, 0)
    reading = student.read(world.images[rows])
    told, labels = world.taught(arm.teacher, 1), world.labels[rows]
    wanted = cross_entropy(reading.logits, labels)
    by_region = lambda scores: scores.movedim(1, 3).flatten(0, 2).log_softmax(dim=1)  # one row a region
    if LAST in arm.supervised:
        targets = study.codebook(world.world, arm.teacher, 1, arm.codes).targets(told.maps[LAST][rows])
        divergence = kl_div(
            by_region(reading.scores["5"]), targets.movedim(1, 3).flatten(0, 2), reduction="batchmean"
        )
        wanted = wanted + divergence
    if MIDDLE in arm.supervised:
        decisions = study.decisions(world.world, arm.teacher, 1, arm.subclasses or 2)
        targets = decisions.targets(told.maps[MIDDLE][rows], labels)
        divergence = kl_div(
            by_region(reading.scores["4"]), targets.movedim(1, 3).flatten(0, 2), reduction="batchmean"
        )
        wanted = wanted + divergence
    if arm.logits:
        soft = softmax(told.logits[rows] / 4, dim=1)
        kd = 16 * kl_div(log_softmax(reading.logits / 4, dim=1), soft, reduction="batchmean")
        wanted = wanted + arm.logits * kd
    found = study.FromTeacher(world.world, arm, 1)(reading, rows)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_codes_are_those_of_the_last_map_and_decisions_those_of_the_middle_one(world):
    assert study.codebook(world.world, "", 0, 8).centres.shape == (8, 6)
    decisions = study.decisions(world.world, "", 0, 2)
    assert decisions.mean.shape == (5,) and len(decisions.centres) == CLASSES * 2


def test_one_seed_is_one_student_in_every_arm(world):
    plain, *others = (study.make_student(world.world, arm, 3) for arm in ARMS.values())
    for student in others:
        for part in ("stages", "linear"):
            pairs = zip(getattr(plain, part).parameters(), getattr(student, part).parameters(), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs)


def test_information_is_that_of_the_targets_of_all_regions():
    maps, labels = torch.randn(40, 6, 7, 7), torch.arange(4).repeat_interleave(10)
    targets = DecisionTemplates.fit(study.regions(maps), labels.repeat_interleave(49), 2)
    told = targets.targets(maps, labels)
    rows = told.movedim(1, 3).flatten(0, 2).double()  # one row a region
    mean = rows.mean(dim=0)
    wanted = sum((p * (p / mean).log()).nansum() for p in rows).item() / len(rows)
    assert study.information(targets, maps, labels) == pytest.approx(wanted, rel=1e-6)
    assert study.nats(told) == pytest.approx(wanted, rel=1e-6)
    said = study.targets_say({"late": maps}, labels)
    assert list(said) == [f"late maps, {k} sub-classes" for k in (1, 2, 4, 8)]
    assert said["late maps, 2 sub-classes"] == pytest.approx(wanted, rel=1e-6)


def test_an_arm_learns_from_its_own_teacher_and_may_take_the_rate_of_another(world, monkeypatch):
    settings = {"letKD-1": [0.002, 1e-4], "all": [0.004, 1e-4]}
    monkeypatch.setattr(study.searched, "chosen", lambda name: {"world_search": settings}[name])
    assert study.run(world.world, "letKD-2", 5)[1]["rate"] == 0.002 and world.asked[-1] == ("", 2)
    net, row = study.run(world.world, "all", 3)
    assert row["rate"] == 0.004 and ("other", 0) in world.asked
    assert row["parameters"] == sum(p.numel() for p in net.parameters())
    assert {"probe_before", "probe_behind", "test_accuracy", "unseen_map_at_r"} <= row.keys()


def test_doubled_budgets_take_twice_the_steps(world, monkeypatch):
    seen = []
    monkeypatch.setattr(
        study, "ClassBatches", lambda y, c, each, steps, seed: seen.append(steps) or [y] * steps
    )
    monkeypatch.setattr(study.searched, "chosen", lambda name: {"alone": [0.001, 1e-4]})
    for method in ("alone", "alone" + study.TWICE):
        assert "probe_before" not in study.run(world.world, method, 0)[1]
    assert seen == [2, 4]


def test_every_arm_tries_every_rate_and_is_judged_by_validated_accuracy(world):
    tries = study.tries(["KD", "alone"], (0.1, 0.2))
    assert [t.split(" | ")[0] for t in tries] == ["KD", "KD", "alone", "alone"]
    row = study.search(world.world, tries[0], 100)
    assert row["validation_map_at_r"] == row["validation_accuracy"] and row["step"] in (0, 1)


def test_a_probe_behind_a_layer_sees_what_the_layer_adds(world):
    student = study.make_student(world.world, ARMS["letKD-2"], 0).eval()
    found = study.probe(world.world, student)
    with torch.no_grad():
        student.kd_layers["4"].value_scale.zero_()
    silent = study.probe(world.world, student)
    assert silent["probe_behind"] == silent["probe_before"] == found["probe_before"]


def test_readings_hold_no_source_of_other_rows(world):
    loss = study.FromTeacher(world.world, ARMS["KD"], 0)
    logits = torch.randn(2, CLASSES)
    here, there = (loss(Reading(logits, logits=logits), torch.tensor(rows)) for rows in ([0, 1], [1, 0]))
    assert here != there
