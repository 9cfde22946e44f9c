import torch

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
