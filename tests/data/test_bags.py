import numpy as np
import pytest
import torch

from dmlnb.data import TokenBags


def test_splits_share_the_world_but_no_class():
    sets = [TokenBags(s, per_class=2) for s in ("train", "validation", "test")]
    combinations = [set(map(tuple, s.attributes.tolist())) for s in sets]
    assert all(len(c) == 30 for c in combinations)
    assert not (
        combinations[0] & combinations[1]
        or combinations[0] & combinations[2]
        or combinations[1] & combinations[2]
    )
    assert torch.equal(sets[0].tokens, TokenBags("train", per_class=2).tokens)
    assert not torch.equal(sets[0].tokens, TokenBags("train", per_class=2, seed=1).tokens)


def test_shares_of_nuisance_are_as_asked():
    bags = TokenBags("train", per_class=50)
    assert bags.tokens.shape == (1500, 24, 8) and bags.nuisance.shape == (1500, 24)
    share = bags.nuisance.float().mean(dim=1)
    assert share.mean().item() == pytest.approx(0.7, abs=0.01) and share.std().item() == pytest.approx(
        0.1, abs=0.02
    )


def test_class_tokens_lie_at_their_attributes_and_nuisance_is_shared():
    bags = TokenBags("train", per_class=200, num_classes=3, noise=0.0)
    own = [
        {tuple(t) for t in bags.tokens[bags.labels == c][~bags.nuisance[bags.labels == c]].tolist()}
        for c in range(3)
    ]
    shared = [
        {tuple(t) for t in bags.tokens[bags.labels == c][bags.nuisance[bags.labels == c]].tolist()}
        for c in range(3)
    ]
    assert [len(o) for o in own] == [3, 3, 3]
    assert shared[0] == shared[1] == shared[2] and len(shared[0]) == 6
    common = len(set(bags.attributes[0].tolist()) & set(bags.attributes[1].tolist()))
    assert len(own[0] & own[1]) == common and not own[0] & shared[0]


def test_item_and_errors():
    tokens, label, nuisance = TokenBags("test", per_class=1)[3]
    assert tokens.shape == (24, 8) and label == 3 and nuisance.dtype == torch.bool
    for options, message in (
        ({"split": "x"}, "split"),
        ({"num_classes": 74}, "num_classes"),
        ({"nuisance": 1.5}, "nuisance"),
    ):
        with pytest.raises(ValueError, match=message):
            TokenBags(**options)


@pytest.mark.parametrize("name", ["num_classes", "per_class", "bag_size", "dim", "seed"])
def test_numbers_that_are_not_whole_are_named_and_numpy_numbers_taken(name):
    with pytest.raises(ValueError, match=f"{name}: expected a whole number, got 2.5"):
        TokenBags(**{name: 2.5})
    plain, own = (
        TokenBags(**({"num_classes": 3, "per_class": 2} | {name: kind(3)})) for kind in (int, np.int64)
    )
    assert torch.equal(plain.tokens, own.tokens)
