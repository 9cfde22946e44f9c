import dataclasses
import json
from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dmlnb.models import Stages
from studies import birds_distill as study
from studies import stored

SPECIES = 4


class Tail(Stages):
    """A stand-in for the network's last blocks."""

    def __init__(self, start=0, weights="imagenet"):
        assert start == 11
        layer = nn.Conv2d(5, 6, 3, stride=2, padding=1)
        layer.out_channels = 6
        super().__init__(OrderedDict(block11=layer))


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    """Ten made-up photographs of each of four species per part, and two steps."""
    labels = torch.arange(SPECIES).repeat_interleave(10)
    parts = {
        split: (torch.randn(len(labels), 5, 14, 14), torch.randn(len(labels), 6, 7, 7), labels)
        for split in ("train", "validation", "test", "unseen")
    }
    for name, value in {
        "SPECIES": SPECIES,
        "TUNING_STEPS": 1,
        "WORLD": dataclasses.replace(study.WORLD, steps=2, every=1, classes=SPECIES),
        "photographs": lambda: (parts, [torch.tensor(2.0), torch.tensor(3.0)]),
        "lite0_backbone": Tail,
        "ClassBatches": lambda y, classes, each, steps, seed: [torch.arange(len(y))] * min(steps, 4),
    }.items():
        monkeypatch.setattr(study, name, value)
    monkeypatch.setattr(stored, "FINISHED", tmp_path)
    for name, arms in (("", study.WORLD.arms), ("teacher_", [study.FINE_TUNED])):
        rows = [{"method": f"{arm} | [0.001, 0.0001]", "validation_map_at_r": 0.5} for arm in arms]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"birds_distill_{name}search.jsonl").write_text(text)
    caches = study.given, study.linear_teacher, study.tuned_teacher, study.taught, study.teacher_accuracy
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize("method", [*study.FROZEN_ARMS, *study.DOUBLED, *study.SETTINGS])
def test_two_steps(check_row, method):
    check_row("birds_distill", method, study.run(method, 0))


@pytest.mark.parametrize("method", study.TUNED_ARMS)
def test_two_steps_of_a_fine_tuned_teacher(check_row, method):
    check_row("birds_distill", method.split(",")[0], study.run(method, 1))


def test_a_fine_tuned_teacher_comes_from_its_file_again():
    net = study.tuned_teacher(2)
    study.tuned_teacher.cache_clear()
    again = study.tuned_teacher(2)
    pairs = zip(net.state_dict().values(), again.state_dict().values(), strict=True)
    assert again is not net and all(torch.equal(a, b) for a, b in pairs)


def test_a_fine_tuned_teacher_sees_the_maps_as_the_network_gave_them():
    net, early = study.tuned_teacher(0), study.photographs()[0]["test"][0]
    logits, late = study.seen(study.FINE_TUNED, 0, "test")
    with torch.no_grad():
        assert torch.allclose(net(2 * early), logits, atol=1e-5)
        assert torch.allclose(net.stages(2 * early), late, atol=1e-5)
    assert study.taught(study.FINE_TUNED, 0).maps["last"].std() == pytest.approx(1, rel=1e-5)


def test_the_frozen_network_says_its_own_late_maps():
    told, (_, late, _) = study.taught("", 1), study.photographs()[0]["train"]
    assert all(torch.equal(maps, late) for maps in told.maps.values())
    assert torch.allclose(told.logits, study.linear_teacher(1)(late), atol=1e-6)


def test_a_try_of_a_teacher_is_judged_by_the_accuracy_on_validation_photographs():
    row = study.search_teacher("fine-tuned | [0.001, 0.0001]", 100)
    assert row["validation_map_at_r"] == row["validation_accuracy"] and row["step"] == 0


def test_nats_are_those_of_three_maps():
    assert {name.split(" maps")[0] for name in study.nats()} == {"early", "late", "fine-tuned late"}


def test_parts_are_disjoint_and_a_fifth_of_each_training_species_chooses(monkeypatch):
    labels = torch.arange(100).repeat_interleave(20)

    class Maps:
        def __init__(self, channels):
            rows = torch.arange(len(labels)).view(-1, 1, 1, 1)
            self.labels, self.values = labels, rows.expand(-1, channels, 1, 1)

        def __getitem__(self, rows):
            return self.values[rows].float()

    late, early = Maps(2), Maps(3)
    load = lambda path: SimpleNamespace(view=lambda number: early if path == study.EARLY else late)
    monkeypatch.undo()
    monkeypatch.setattr(study, "FeatureMaps", SimpleNamespace(load=load))
    monkeypatch.setattr(study, "learned_by_image", lambda: torch.arange(len(labels)) % 2 == 0)
    parts, units = study.photographs.__wrapped__()
    sizes = {split: len(y) for split, (_, _, y) in parts.items()}
    assert sizes == {"train": 400, "validation": 100, "test": 500, "unseen": 1000}
    scale = torch.stack([maps.std() for maps in parts["train"][:2]])
    assert torch.allclose(scale, torch.ones(2), atol=1e-5) and all(unit > 1 for unit in units)
    seen = torch.cat([early[:, 0, 0, 0] for early, _, _ in parts.values()])
    assert len(seen.unique()) == len(seen)
    assert (parts["validation"][2].bincount() == 2).all() and parts["unseen"][2].min() == 50


def test_certainty_is_the_mean_probability_of_the_right_species():
    logits, labels = study.taught("", 0).logits, study.given()["train"][1]
    right = [row.softmax(dim=0)[label].item() for row, label in zip(logits, labels, strict=True)]
    assert study.certainty("") == pytest.approx(sum(right) / len(right), rel=1e-5)
