import json

import pytest
import torch

from dmlnb.models import read_all
from studies import birds_templates, classified, photographs


@pytest.fixture
def few(few_birds, monkeypatch):
    """Four maps of each of ten species per part, two steps; the searches' folder holds one try of each arm."""
    folder = few_birds(birds_templates)
    made = photographs.birds()
    monkeypatch.setattr(birds_templates, "SPECIES", 10)
    monkeypatch.setattr(birds_templates, "photographs", lambda: made)
    rows = [
        {"method": f"{arm} | [0.001, 0.0001]", "validation_map_at_r": 0.5} for arm in birds_templates.ARMS
    ]
    (folder / "birds_templates_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


@pytest.mark.parametrize("method", [*birds_templates.ARMS, *birds_templates.DOUBLED])
def test_two_steps(few, check_row, method):
    row = birds_templates.run(method, 0)
    check_row("birds_templates", method, row)
    assert all(0 <= row[key] <= 1 for key in row if key != "step")
    assert row["step"] < (4 if method in birds_templates.DOUBLED else 2)


def test_a_try_is_judged_by_accuracy_on_validation_photographs(few):
    row = birds_templates.search("no block | [0.001, 0.0001]", 100)
    assert row["validation_map_at_r"] == row["validation_accuracy"]


def test_weight_variant_and_kind_of_score_reach_the_training(few):
    arms = (
        "cosine, pooled, λ 0.0",
        "cosine, pooled, λ 0.1",
        "cosine, best, λ 0.1",
        "inner product, best, λ 0.1",
    )
    ends = [birds_templates.learn(arm, 1e-2, 1e-4, 0)[0].state_dict() for arm in arms]
    templates = [next(v for k, v in end.items() if k.endswith("templates.weight")) for end in ends]
    assert (torch.pdist(torch.stack(templates).flatten(1)) > 0).all()


def test_every_arm_starts_from_the_same_classifier(few, monkeypatch):
    starts = []
    monkeypatch.setattr(classified, "train", lambda net, *rest, **options: starts.append(net) or 1 / 0)
    for arm in birds_templates.ARMS:
        with pytest.raises(ZeroDivisionError):
            birds_templates.learn(arm, 1e-3, 1e-4, 3)
    linear = [start.__self__.linear.weight for start in starts]
    assert all(torch.equal(linear[0], weight) for weight in linear)


@pytest.mark.parametrize("arm", ["no block", "cosine, pooled, λ 0.1"])
def test_what_an_arm_tries_beside_the_rate_reaches_its_training(few, arm):
    given = birds_templates.photographs()[0]["test"]
    low, *_, high = birds_templates.own(arm)
    ends = [birds_templates.learn(arm, 1e-2, value, 0)[0] for value in (low, high)]
    answers = [read_all(end, given).logits for end in ends]
    assert not torch.equal(*answers)
