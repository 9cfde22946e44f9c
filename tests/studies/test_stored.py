import json

from studies import stored


def row_of(method, seed):
    return {"value": 10 * seed + len(method)}


def test_rows_are_collected_once_and_an_interrupted_study_goes_on(monkeypatch, tmp_path):
    monkeypatch.setattr(stored, "FINISHED", tmp_path)
    kept = {"method": "a", "seed": 0, "seconds": 1.0, "value": -1}
    (tmp_path / "some.jsonl").write_text(json.dumps(kept) + "\n")
    runs = stored.collect("some", row_of, ["a", "bb"], range(2), workers=1)
    assert [row["value"] for row in runs["a"]] == [-1, 11]  # the first was there already
    assert [(row["seed"], row["value"]) for row in runs["bb"]] == [(0, 2), (1, 12)]
    assert len((tmp_path / "some.jsonl").read_text().splitlines()) == 4


def test_what_is_saved(monkeypatch, tmp_path):
    monkeypatch.setattr(stored, "FOLDER", tmp_path)
    stored.save("some", "python -m studies.some", {"steps": 2}, {"a": [{"seed": 1}, {"seed": 0}]})
    study = json.loads((tmp_path / "some.json").read_text())
    assert [row["seed"] for row in study["runs"]["a"]] == [0, 1] and study["settings"] == {"steps": 2}
