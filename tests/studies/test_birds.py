import json

import pytest
import torch

from studies import birds


@pytest.fixture
def few_birds(monkeypatch, tmp_path):
    """Two maps of each of ten species per part, two steps, and settings chosen from a search that is on file."""
    parts = {"train": (0, 10), "validation": (10, 20), "test": (20, 30)}
    labels = {
        split: torch.arange(low, high).repeat_interleave(4) - low for split, (low, high) in parts.items()
    }
    maps = {split: torch.randn(len(y), 6, 3, 3) for split, y in labels.items()}
    monkeypatch.setattr(birds, "SPECIES", parts)
    monkeypatch.setattr(birds, "birds", lambda path: (maps, labels))
    monkeypatch.setattr(
        birds, "ClassBatches", lambda y, classes, each, steps, seed: [torch.arange(len(y))] * steps
    )
    monkeypatch.setattr(birds, "STEPS", 2)
    monkeypatch.setattr(birds, "EVERY", 1)
    monkeypatch.setattr(birds, "FINISHED", tmp_path)
    birds.chosen.cache_clear()
    yield tmp_path / "birds_search.jsonl"
    birds.chosen.cache_clear()


def test_two_steps(few_birds, check_row):
    rows = [{"method": birds.tries(arm)[4], "validation_map_at_r": 0.5} for arm in birds.ARMS]
    few_birds.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for method in (*birds.CONTROLS, *birds.ARMS, *birds.DOUBLED):
        row = birds.run(method, 0)
        check_row(
            "birds",
            method,
            {k: v for k, v in row.items() if k != "own"} | {"own": 0} if "own" in row else row,
        )


def test_the_search_takes_the_best_mean_of_every_arm(few_birds):
    arm = birds.ARMS[-1]
    better, worse = birds.tries(arm)[7], birds.tries(arm)[2]
    rows = [
        {"method": worse, "seed": 100, "validation_map_at_r": 0.9},
        {"method": worse, "seed": 101, "validation_map_at_r": 0.1},
        {"method": better, "seed": 100, "validation_map_at_r": 0.6},
        {"method": better, "seed": 101, "validation_map_at_r": 0.7},
    ]
    few_birds.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert birds.chosen() == {arm: json.loads(better.split(" | ")[1])}


def test_every_arm_makes_as_many_tries(few_birds):
    assert {len(birds.tries(arm)) for arm in birds.ARMS} == {9}
    row = birds.search(birds.tries(birds.ARMS[0])[0], 100)
    assert set(row) == {"validation_map_at_r", "step"} and row["step"] in (0, 1)
