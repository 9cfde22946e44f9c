import json

import pytest

from studies import birds_chance

CHECKED = birds_chance.ARMS[:5]


@pytest.fixture
def study(few_birds):
    file = few_birds(birds_chance)
    rows = [
        {"method": birds_chance.tries(arm)[1], "validation_map_at_r": 0.5, "step": 0}
        for arm in birds_chance.ARMS
    ]
    (file / "birds_chance_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for cached in (birds_chance.run_together, birds_chance.searched_together):
        cached.cache_clear()
    yield birds_chance
    for cached in (birds_chance.run_together, birds_chance.searched_together):
        cached.cache_clear()


@pytest.mark.parametrize("method", CHECKED)
def test_two_steps(study, monkeypatch, check_row, method):
    monkeypatch.setattr(study, "SEEDS", range(2))
    row = study.run(method, 1)
    check_row("birds_chance", method, row)
    assert ("cover" in row) == (method not in study.PAPER) and ("projections" in row) == ("CCP" in method)


@pytest.mark.parametrize("name", [*birds_chance.LOSSES][1:])
def test_two_steps_of_every_loss(study, monkeypatch, name):
    monkeypatch.setattr(study, "SEEDS", range(1))
    assert study.run(f"{name} + CCP", 0).keys() == study.run("multi-similarity + CCP", 0).keys()
    proxies = {"cover", "spread"} if name in study.EXTENSION else set()
    assert study.run(name, 0).keys() == study.run("multi-similarity", 0).keys() | proxies


def test_every_arm_makes_as_many_tries(study):
    assert {len(study.tries(arm)) for arm in study.ARMS} == {4}
    row = study.search(study.tries("contrastive + CCP")[0], study.SEARCH_SEED)
    assert set(row) == {"validation_map_at_r", "step"} and row["step"] in (0, 1)


def test_the_strength_pulls(study, monkeypatch):
    monkeypatch.setattr(study, "SEEDS", range(1))
    monkeypatch.setattr(study, "STEPS", 6)
    pulls = [study.run(f"multi-similarity + CCP, strength {value}", 0)["pull"] for value in (0.0, 0.03, 0.3)]
    assert pulls[0] == 0.0 < pulls[1] < pulls[2]
