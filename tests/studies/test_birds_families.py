import json

import pytest
import torch

from studies import birds_chance, birds_families

NAMES = [
    "001.Red_Gull",
    "002.Owl",
    "003.Blue_Gull",
    *(f"{i:03}.Sea_Duck" for i in range(4, 8)),
    "008.A_Jay",
    "009.B_Jay",
]


@pytest.fixture
def study(monkeypatch, few_birds):
    file = few_birds(birds_families)
    monkeypatch.setattr(birds_chance, "EVERY", 1)
    generator = torch.Generator().manual_seed(0)
    labels = {split: torch.arange(8).repeat_interleave(4) for split in ("train", "validation", "test")}
    vectors = {split: torch.randn(32, 6, generator=generator) for split in labels}
    species = torch.arange(16).repeat_interleave(2)
    monkeypatch.setattr(birds_families, "merged", lambda: (vectors, labels | {"species": species}))
    rows = [
        {"method": birds_families.tries(arm)[1], "validation_map_at_r": 0.5} for arm in birds_families.ARMS
    ]
    (file / "birds_families_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for cached in (birds_families.run_together, birds_families.searched_together):
        cached.cache_clear()
    return birds_families


def test_families_of_several_species_only_and_each_in_one_split(monkeypatch):
    names = NAMES + [f"{i:03}.X{i}" for i in range(10, 51)]
    later = ["051.Old_Gull", "052.C_Wren", "053.D_Wren", *(f"{i:03}.E_Tit" for i in range(54, 58))]
    found = birds_families.families(names + later)
    assert found == {
        "train": {"gull": [0, 2, 50], "duck": [3, 4, 5, 6], "jay": [7, 8]},
        "validation": {"wren": [51, 52]},
        "test": {"tit": [53, 54, 55, 56]},
    }


@pytest.mark.parametrize("method", birds_families.ARMS[:3])
def test_two_steps(study, check_row, method):
    row = study.run(method, 1)
    check_row("birds_families", method, row)


def test_every_arm_makes_as_many_tries(study):
    assert {len(study.tries(arm)) for arm in study.ARMS} == {4}
