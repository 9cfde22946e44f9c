import json
from types import SimpleNamespace

import pytest
import torch

from studies import birds_distill, stored

SPECIES = 4


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
        "STEPS": 2,
        "EVERY": 1,
        "photographs": lambda: parts,
        "ClassBatches": lambda y, classes, each, steps, seed: [torch.arange(len(y))] * min(steps, 4),
    }.items():
        monkeypatch.setattr(birds_distill, name, value)
    monkeypatch.setattr(stored, "FINISHED", tmp_path)
    rows = [
        {"method": f"{arm} | [0.001, 0.0001]", "validation_map_at_r": 0.5} for arm in birds_distill.METHODS
    ]
    (tmp_path / "birds_distill_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    caches = birds_distill.teacher, birds_distill.codebook, birds_distill.decisions
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize("method", [*birds_distill.METHODS, *birds_distill.DOUBLED])
def test_two_steps(check_row, method):
    check_row("birds_distill", method, birds_distill.run(method, 0))


def test_a_try_is_judged_by_the_accuracy_on_validation_photographs():
    row = birds_distill.search("letKD-2 | [0.001, 0.0001]", 100)
    assert row["validation_map_at_r"] == row["validation_accuracy"] and row["step"] in (0, 1)


def test_one_seed_is_one_student_with_every_method():
    plain, layered = (birds_distill.make_student(method, 3, 5) for method in ("student alone", "letKD-2"))
    for part in ("stages", "linear"):
        pairs = zip(getattr(plain, part).parameters(), getattr(layered, part).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_information_is_that_of_the_targets_of_all_regions():
    maps, labels = torch.randn(40, 6, 7, 7), torch.arange(4).repeat_interleave(10)
    targets = birds_distill.DecisionTemplates.fit(
        birds_distill.regions(maps), labels.repeat_interleave(49), 2
    )
    told = targets.targets(maps, labels).movedim(1, 3).flatten(0, 2).double()  # one row a region
    mean = told.mean(dim=0)
    wanted = sum((p * (p / mean).log()).nansum() for p in told) / len(told)
    assert birds_distill.information(targets, maps, labels) == pytest.approx(wanted.item(), rel=1e-6)


def test_parts_are_disjoint_and_a_fifth_of_each_training_species_chooses(monkeypatch):
    labels = torch.arange(100).repeat_interleave(20)

    class Maps:
        def __init__(self, channels):
            rows = torch.arange(len(labels)).view(-1, 1, 1, 1)
            self.labels, self.values = labels, rows.expand(-1, channels, 1, 1)

        def __getitem__(self, rows):
            return self.values[rows].float()

    late, early = Maps(2), Maps(3)
    load = lambda path: SimpleNamespace(view=lambda number: early if path == birds_distill.EARLY else late)
    monkeypatch.undo()
    monkeypatch.setattr(birds_distill, "FeatureMaps", SimpleNamespace(load=load))
    monkeypatch.setattr(birds_distill, "learned_by_image", lambda: torch.arange(len(labels)) % 2 == 0)
    parts = birds_distill.photographs.__wrapped__()
    sizes = {split: len(y) for split, (_, _, y) in parts.items()}
    assert sizes == {"train": 400, "validation": 100, "test": 500, "unseen": 1000}
    scale = torch.stack([maps.std() for maps in parts["train"][:2]])
    assert torch.allclose(scale, torch.ones(2), atol=1e-5)
    seen = torch.cat([early[:, 0, 0, 0] for early, _, _ in parts.values()])
    assert len(seen.unique()) == len(seen)
    assert (parts["validation"][2].bincount() == 2).all() and parts["unseen"][2].min() == 50
