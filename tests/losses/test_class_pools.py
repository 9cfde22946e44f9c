import pytest
import torch

from dmlnb.losses.class_pools import ClassPools

LABELS = torch.tensor([2, 0, 1, 0, 0, 1, 2, 0])


@pytest.mark.parametrize("size", [1, 3, 4, 9])
def test_a_pool_holds_all_of_a_class_once_before_any_twice(size):
    index = ClassPools(LABELS, 3, size).draw(0)
    assert index.shape == (3, size) and torch.equal(LABELS[index], torch.arange(3)[:, None].expand(-1, size))
    for c, row in enumerate(index):
        counts = torch.bincount(row, minlength=len(LABELS))[LABELS == c]
        assert counts.max() - counts.min() <= 1


def test_a_pool_is_a_function_of_seed_and_number():
    pools = ClassPools(LABELS, 3, 4, seed=1)
    assert torch.equal(pools.draw(5), ClassPools(LABELS, 3, 4, seed=1).draw(5))
    drawn = [
        pool.flatten().tolist() for pool in (pools.draw(0), pools.draw(1), ClassPools(LABELS, 3, 4).draw(0))
    ]
    assert len({tuple(pool) for pool in drawn}) == 3


def test_every_sample_is_drawn_as_often():
    pools = ClassPools(torch.zeros(5, dtype=torch.int64), 1, 2)
    counts = torch.bincount(torch.cat([pools.draw(n)[0] for n in range(2000)]), minlength=5)
    assert counts.sum() == 4000 and (counts - 800).abs().max() < 120  # 800 each, deviation 22


@pytest.mark.parametrize(
    ("labels", "seed", "words"),
    [
        (torch.tensor([0, 0, 2]), 0, "class 1 of 3"),
        (torch.tensor([0, 1, 3]), 0, "labels"),
        (LABELS, -1, "seed"),
        (LABELS, 0.5, "seed"),
    ],
)
def test_bad_settings_are_named(labels, seed, words):
    with pytest.raises(ValueError, match=words):
        ClassPools(labels, 3, 2, seed)
