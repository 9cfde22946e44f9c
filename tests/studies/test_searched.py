import json

from studies import searched, stored


def test_the_search_takes_the_best_mean_of_every_arm(monkeypatch, tmp_path):
    monkeypatch.setattr(stored, "FINISHED", tmp_path)
    names = searched.tries("GAP", (1e-4, 1e-3), (1, [2, 3]))
    assert len(names) == 4 and searched.setting(names[3]) == ("GAP", [1e-3, [2, 3]])
    better, worse, other = names[3], names[0], searched.tries("GSP", (1e-2,), (5,))[0]
    rows = [(worse, 0.9), (worse, 0.1), (better, 0.6), (better, 0.7), (other, 0.1)]
    lines = [json.dumps({"method": m, "seed": i, "validation_map_at_r": v}) for i, (m, v) in enumerate(rows)]
    (tmp_path / "some_search.jsonl").write_text("\n".join(lines))
    assert searched.chosen("some_search") == {"GAP": [1e-3, [2, 3]], "GSP": [1e-2, 5]}
