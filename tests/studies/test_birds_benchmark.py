import json

import pytest
import torch

from studies import birds_benchmark as study
from studies import photographs

METHODS = [*study.ARMS, *study.DOUBLED, *study.LOWERED]


@pytest.fixture
def few(few_birds, monkeypatch):
    """Two steps on a handful of birds, one fold; every arm has one try."""
    folder = few_birds(study)
    (maps, labels), (means, _) = photographs.birds(), photographs.averaged()
    monkeypatch.setattr(study, "world", lambda fold: (maps, means, labels))
    study.source_of.cache_clear()
    rows = [{"method": study.tries(arm)[1], "validation_map_at_r": 0.5} for arm in study.ARMS]
    (folder / "birds_benchmark_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    yield
    study.source_of.cache_clear()


@pytest.mark.parametrize("method", METHODS)
def test_two_steps(few, method):
    row = study.run(method, 0)
    assert row.keys() == {
        "test_recall_at_1",
        "test_map_at_r",
        "validation_map_at_r",
        "step",
        "rate",
        "own",
    }
    assert 0 <= row["test_map_at_r"] <= row["test_recall_at_1"] <= 1
    assert row["rate"] == 1e-3 and row["step"] < (4 if method in study.DOUBLED else 2)


def test_every_arm_makes_as_many_tries(few):
    assert {len(study.tries(arm)) for arm in study.ARMS} == {3}
    for method in ("GAP + relaxed transfer", "GSP + zero-shot loss"):
        row = study.search(study.tries(f"{method}, Proxy-Anchor")[0], 100)
        assert row.keys() == {"validation_map_at_r", "step"}


def test_without_its_weight_the_second_loss_changes_nothing(few, monkeypatch):
    monkeypatch.setattr(study, "STEPS", 10)
    for base in study.BASES:
        alone = study.trained(f"GAP, {base}", 1e-3, 1e-4, 0)[0].linear.weight
        for weight, same in ((0.0, True), (0.5, False)):
            beside = study.trained(f"GAP + XML, {base}", 1e-3, (weight, 0.05), 0)[0].linear.weight
            assert torch.allclose(alone, beside[:, :, 0, 0], atol=1e-5) == same


def test_numbers_and_costs(few):
    found = study.costs(steps=1, rounds=1)
    assert found["GAP"] == {"time": 1.0, "numbers": 6 * 128}
    assert (
        found["GAP + XML"]["numbers"] == found["GAP + CCP"]["numbers"] == 6 * 128
    )  # the rest is of training only
    assert found["GSP"]["numbers"] == 6 * 128 + 64 * 6
    assert all(cost["time"] > 0 for cost in found.values())
