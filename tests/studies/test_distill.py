import functools

import pytest
import torch

from studies import distill


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path, few_cyrillic):
    monkeypatch.setattr(distill, "cyrillic_letters", few_cyrillic)
    monkeypatch.setattr(distill, "FINISHED", tmp_path)
    train = distill.train_letters
    monkeypatch.setattr(distill, "train_letters", lambda *args, **how: train(*args, **how | {"steps": 2}))


@pytest.mark.parametrize("method", ["student alone", "KD", "QuEST (α = 0)"])
def test_two_steps(check_row, method):
    check_row("distill", method, distill.run(method, 0))


def test_teacher_and_targets_come_from_their_files_again(check_row):
    first, second = (distill.run("letKD-2", 0) for _ in range(2))
    check_row("distill", "letKD-2", first)
    assert second["teacher_accuracy"] == first["teacher_accuracy"]


@pytest.mark.parametrize("method", ["FitNet", "attention transfer"])
def test_two_steps_of_rivals(check_row, method):
    check_row("distill_long", method, distill.run(method, 0))


def test_the_constant_belief_is_one_distribution(few_cyrillic):
    teacher = distill.make_teacher(few_cyrillic())
    found = distill.constant_belief(teacher, distill.make_targets(teacher, few_cyrillic()))
    assert all(torch.isfinite(torch.tensor(value)) and value >= 0 for value in found.values())


def test_one_seed_is_one_backbone_with_every_method():
    made = functools.partial(distill.make_student, seed=3, num_classes=5)
    plain, layered = made("student alone"), made("letKD-2")
    for part in ("stages", "linear"):
        pairs = zip(getattr(plain, part).parameters(), getattr(layered, part).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
