import json

import pytest
import torch

from studies import letters_transfer as study
from studies import photographs, stored, transferred

CACHED = (study.letters, study.pretrained, study.vectors, study.averaged)


@pytest.fixture
def few(monkeypatch, tmp_path, few_letters):
    """The study on a few letters, after a search that chose the middle try of every arm."""
    monkeypatch.setattr(study, "Glyphs", few_letters)
    monkeypatch.setattr(study, "PRETRAINING", 1)
    monkeypatch.setattr(study, "WORLD", study.WORLD._replace(steps=2, classes=5))
    monkeypatch.setattr(photographs, "EVERY", 1)
    monkeypatch.setattr(stored, "FINISHED", tmp_path)
    for name, arms in (("source", [transferred.SOURCE]), ("search", study.WORLD.arms())):
        rows = [
            {"method": transferred.tries(study.WORLD, arm)[4], "validation_map_at_r": 0.5} for arm in arms
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"letters_transfer_{name}.jsonl").write_text(text)
    for function in CACHED:
        function.cache_clear()
    yield
    for function in CACHED:
        function.cache_clear()


@pytest.mark.parametrize("method", ["source: source", "8-d: RKD", "untrained: last block"])
def test_two_steps(few, check_row, method):
    check_row("letters_transfer", method, study.run(method, 0))


def test_vectors_are_standardised_over_the_training_letters_and_views_differ(few):
    maps, labels = study.averaged()
    rows, view = maps["train"], study.augmented_train()
    assert torch.allclose(rows.mean(dim=0), torch.zeros(64, 1, 1), atol=1e-4)
    spread = rows.std(dim=0)
    assert torch.allclose(spread[spread > 0.01], torch.ones(1), atol=1e-4) and (spread > 0.01).sum() > 32
    assert view.shape == rows.shape and not torch.allclose(view, rows)
    assert maps["test"].shape[1:] == (64, 1, 1) and len(maps["test"]) == len(labels["test"])


def test_pretraining_and_training_share_no_letter():
    latin, cyrillic = study.Glyphs("train", scripts=("Latin",), per_class=1), study.letters("train")
    assert {*cyrillic.scripts} == {"Cyrillic"} and not {*latin.class_names} & {*cyrillic.class_names}
