import pytest
import torch

from dmlnb.course.recipes import bag_baseline
from dmlnb.data import TokenBags
from dmlnb.pooling import GeneralizedSumPooling, GlobalAveragePooling
from dmlnb.retrieval import evaluate


def map_at_r(net):
    bags = TokenBags("validation")
    with torch.no_grad():
        return evaluate(net(bags.tokens.mT[..., None]), bags.labels).map_at_r


def test_training_on_bags_helps():
    pooling = GeneralizedSumPooling(8, 16, 0.3, 20.0)
    start = map_at_r(bag_baseline(GeneralizedSumPooling(8, 16, 0.3, 20.0), steps=0))
    state = torch.random.get_rng_state()
    net = bag_baseline(pooling, steps=300, progress=False)
    assert torch.equal(torch.random.get_rng_state(), state)  # the caller's generator is left alone
    assert not net.training and map_at_r(net) > start + 0.05


def test_training_on_bags_is_repeatable():
    pooling, other = (GeneralizedSumPooling(8, 16, 0.3, 20.0) for _ in range(2))
    net, again = (bag_baseline(p, steps=30, progress=False) for p in (pooling, other))
    assert torch.equal(net[0].weight, again[0].weight)
    assert torch.equal(pooling.prototypes, other.prototypes)


def test_the_map_of_a_seed_is_the_same_for_every_pooling():
    first, second = (
        bag_baseline(p, steps=0, seed=3) for p in (GlobalAveragePooling(), GeneralizedSumPooling(8))
    )
    assert torch.equal(first[0].weight, second[0].weight)


def test_a_hidden_layer():
    net = bag_baseline(GlobalAveragePooling(), hidden=5, steps=1, progress=False)
    assert net[0][0].weight.shape == (5, 8, 1, 1) and net(torch.randn(2, 8, 3, 1)).shape == (2, 8)
    with pytest.raises(ValueError, match="hidden: expected 0 or more"):
        bag_baseline(GlobalAveragePooling(), hidden=-1)


def test_negative_steps_are_refused():
    with pytest.raises(ValueError, match="steps: expected 0 or more"):
        bag_baseline(GlobalAveragePooling(), steps=-1)
