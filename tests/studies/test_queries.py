import torch

from dmlnb.course import results
from dmlnb.data import Glyphs
from studies import queries


def test_the_six_are_the_medians_of_each_script_and_kind():
    test = Glyphs("test", per_class=6)
    generator = torch.Generator().manual_seed(0)
    index = torch.stack([torch.randperm(len(test), generator=generator)[:5] for _ in range(len(test))])
    right = torch.rand(len(test), generator=generator) < 0.5
    index[right, 0] = torch.arange(len(test))[right]  # of its own letter
    rows = queries.pick(index, test)
    hit = test.labels[index[rows, 0]] == test.labels[rows]
    assert hit.tolist() == [True, False] * 3
    assert [test.scripts[c] for c in test.labels[rows]] == ["Armenian"] * 2 + ["Georgian"] * 2 + ["Lao"] * 2


def test_right_is_whether_the_nearest_is_of_the_class():
    row = {"neighbours": [[1, 2], [2, 0], [0, 1]]}
    assert queries.right(row, torch.tensor([4, 4, 7])).tolist() == [True, False, False]


def test_the_stored_control_is_no_better_and_finds_much_of_what_the_first_misses():
    runs = results.load("queries")["runs"]
    first, again = runs["GAP"][0], runs["GAP, another seed"][0]
    assert (first["right_where_gap_is_wrong"], first["right_where_gap_is_right"]) == (0, 1)
    assert abs(again["recall_at_1"] - first["recall_at_1"]) < 0.01 < 0.4 < again["right_where_gap_is_wrong"]
    for (run,) in runs.values():  # the two shares make up the whole
        missed = 1 - first["recall_at_1"]
        whole = missed * run["right_where_gap_is_wrong"] + (1 - missed) * run["right_where_gap_is_right"]
        assert abs(whole - run["recall_at_1"]) < 1e-9
