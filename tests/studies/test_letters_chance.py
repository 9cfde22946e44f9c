import json
import math

import pytest

from studies import letters_chance, stored


@pytest.fixture
def study(monkeypatch, tmp_path, few_letters):
    four = lambda split, per_class=4, **options: few_letters(split, per_class, **options)
    monkeypatch.setattr(letters_chance, "letters", four)
    monkeypatch.setattr(stored, "FINISHED", tmp_path)
    for name, value in {"STEPS": 2, "EVERY": 1, "START": 1}.items():
        monkeypatch.setattr(letters_chance, name, value)
    rows = [
        {"method": letters_chance.tries(arm)[1], "validation_map_at_r": 0.5} for arm in letters_chance.ARMS
    ]
    (tmp_path / "letters_chance_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return letters_chance


@pytest.mark.parametrize(
    "method", ["start", "multi-similarity", "contrastive + once", "contrastive + CCP"]
)
def test_two_steps(study, method):
    row = study.run(method, 0)
    measured = {f"{s}_{k}" for s in ("test", "validation") for k in ("recall_at_1", "map_at_r")}
    assert measured - {"validation_recall_at_1"} <= row.keys() and all(map(math.isfinite, row.values()))
    assert ("cover" in row) == ("+" in method) and ("projections" in row) == ("CCP" in method)


def test_the_start_is_kept_where_nothing_is_better(study, monkeypatch):
    scores = iter((0.9, 0.1, 0.2))
    was = study.measure
    found = lambda net, split, **options: (
        {"validation_map_at_r": next(scores)} if split == "validation" else was(net, split)
    )
    before = study.start(0).state_dict()
    monkeypatch.setattr(study, "measure", found)
    net, kept = study.refine("multi-similarity", 1e-3, 0)
    assert kept == {"validation_map_at_r": 0.9, "step": 0}
    assert all((value == before[key]).all() for key, value in net.state_dict().items())


def test_every_arm_makes_as_many_tries(study):
    assert {len(study.tries(arm)) for arm in study.ARMS} == {3}
