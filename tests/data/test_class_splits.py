import numpy as np
import pytest
import torch

from dmlnb.data import class_folds, class_split


def test_classes_are_divided_in_their_order_or_shuffled():
    labels = torch.arange(100).repeat(2)
    split = class_split(labels, (40, 10, 50), seed=None)
    assert [part.tolist() for part in split] == [[*range(40)], [*range(40, 50)], [*range(50, 100)]]
    assert torch.equal(class_split(labels, seed=None).test, split.test)  # the shares .4, .1, .5
    one, again, other = (class_split(labels, seed=s) for s in (1, 1, np.int64(2)))
    assert torch.equal(one.train, again.train) and not torch.equal(one.train, other.train)
    assert sorted(torch.cat(one).tolist()) == list(range(100)) and [len(p) for p in one] == [40, 10, 50]
    assert [len(p) for p in class_split(labels, (np.int64(3), 0, 4))] == [3, 0, 4]


def test_classes_need_not_be_numbered_without_gaps():
    split = class_split(torch.tensor([7, 7, 3, 900, 5]), (0.5, 0.25, 0.25), seed=None)
    assert [p.tolist() for p in split] == [[3, 5], [7], [900]]


@pytest.mark.parametrize(
    "parts", [(1, 2), (0.5, 0.5, 0.5), (3, 1, 1), (0, 1, 1), (2, 1, 0), (-1, 1, 1), (0.9, 0.05, 0.05)]
)
def test_parts_that_do_not_fit_are_refused(parts):
    with pytest.raises(ValueError, match="parts"):
        class_split(torch.arange(4), parts)


def test_every_class_is_held_out_once():
    labels = torch.arange(11).repeat(3)
    folds = class_folds(labels, 4, seed=3)
    assert sorted(torch.cat([held for _, held in folds]).tolist()) == list(range(11))
    for train, held in folds:
        assert sorted([*train.tolist(), *held.tolist()]) == list(range(11)) and len(held) in (2, 3)
    assert class_folds(labels, 11, seed=None)[4][1].tolist() == [4]
    for bad in (1, 12, 2.5):
        with pytest.raises(ValueError, match="folds"):
            class_folds(labels, bad)
