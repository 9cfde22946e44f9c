import pytest
import torch

from dmlnb.geometry import clip_to_ball
from dmlnb.pooling import (
    GeneralizedSumPooling,
    GlobalAveragePooling,
    HistogramPooling,
    hard_histogram,
    soft_histogram,
)

COSTS = ["inner", "euclidean"]


@pytest.mark.parametrize("cost", COSTS)
def test_the_vector_is_gap_and_the_attributes_a_histogram(cost):
    head, maps = HistogramPooling(5, 4, cost=cost), 0.5 * torch.randn(3, 5, 2, 6)
    pooled = head.pool(maps)
    assert torch.equal(head(maps), GlobalAveragePooling()(maps)) and torch.equal(pooled.vector, head(maps))
    expected = torch.zeros(3, 4)
    for b in range(3):
        for token in maps[b].flatten(1).T:  # (d,), clipped if it is long
            token = token / max(1.0, token.norm().item())
            score = torch.stack(
                [token @ nu if cost == "inner" else -(token - nu).norm() for nu in head.prototypes]
            )
            expected[b] += torch.softmax(10 * score, dim=0) / 12
    assert torch.allclose(pooled.attributes, expected, atol=1e-5)
    assert torch.allclose(pooled.weights, torch.full((3, 2, 6), 1 / 12))


def test_short_features_are_not_stretched():
    head, maps = HistogramPooling(5, 4), 0.1 * torch.randn(2, 5, 3, 3)
    tokens = maps.flatten(2).mT
    assert torch.equal(clip_to_ball(tokens), tokens)
    assert torch.allclose(head.pool(maps).attributes, soft_histogram(tokens, head.prototypes, 10.0))
    assert not torch.allclose(head.pool(maps).attributes, head.pool(3 * maps).attributes)
    assert torch.allclose(head.pool(1e3 * maps).attributes, head.pool(1e4 * maps).attributes, atol=1e-5)


def test_euclidean_costs_are_those_of_generalized_sum_pooling_with_all_the_mass():
    head, gsp = HistogramPooling(5, 4, 7.0, cost="euclidean"), GeneralizedSumPooling(5, 4, 1.0, 7.0)
    head.prototypes.data = clip_to_ball(gsp.prototypes.data)
    maps = torch.randn(3, 5, 4, 4)
    assert torch.allclose(head.pool(maps).attributes, gsp.pool(maps).attributes, atol=1e-5)
    assert torch.allclose(head.pool(maps).vector, gsp.pool(maps).vector, atol=1e-6)


@pytest.mark.parametrize("cost", COSTS)
def test_limits(cost):
    maps = torch.randn(3, 5, 4, 4)
    even = HistogramPooling(5, 4, 0.0, cost=cost).pool(maps).attributes
    assert torch.allclose(even, torch.full((3, 4), 0.25))
    sharp = HistogramPooling(5, 4, 1e6, cost=cost)
    tokens = clip_to_ball(maps.flatten(2).mT)
    hard = hard_histogram(tokens, sharp.prototypes, cost=cost)
    assert torch.allclose(sharp.pool(maps).attributes, hard, atol=1e-3)
    one = HistogramPooling(5, 1, cost=cost).pool(maps).attributes
    assert torch.equal(one, torch.ones(3, 1))


@pytest.mark.parametrize("cost", COSTS)
def test_gradients(cost):
    head = HistogramPooling(3, 4, 3.0, cost=cost).double()
    maps = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    both = lambda f: (head.pool(f).vector, head.pool(f).attributes)
    assert torch.autograd.gradcheck(both, (maps,))
    head.pool(maps).attributes[:, 0].sum().backward()
    assert head.prototypes.grad.any()


def test_places_do_not_matter():
    head, maps = HistogramPooling(5, 4), torch.randn(2, 5, 3, 4)
    order = torch.randperm(12)
    moved = maps.flatten(2)[:, :, order].unflatten(2, (4, 3))
    assert torch.allclose(head.pool(moved).attributes, head.pool(maps).attributes, atol=1e-6)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_extremes_stay_finite(dtype, cost):
    head = HistogramPooling(5, 4, cost=cost)
    for maps in (torch.zeros(2, 5, 3, 3), torch.ones(2, 5, 1, 1), 1e4 * torch.randn(1, 5, 3, 3)):
        maps = maps.to(dtype).requires_grad_()
        pooled = head.pool(maps)
        assert pooled.vector.dtype == dtype and pooled.attributes.dtype == torch.float32
        assert torch.allclose(pooled.attributes.sum(dim=1), torch.ones(len(maps)), atol=1e-5)
        (pooled.attributes.square().sum() + pooled.vector.float().square().sum()).backward()
        assert torch.isfinite(maps.grad).all()


def test_bad_input_is_named():
    for bad in ((0, 4), (5, 0)):
        with pytest.raises(ValueError, match="expected a whole number >= 1"):
            HistogramPooling(*bad)
    for bad in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="sharpness"):
            HistogramPooling(5, 4, bad)
    with pytest.raises(ValueError, match="cost"):
        HistogramPooling(5, 4, cost="cosine")
    head = HistogramPooling(5, 4)
    for bad in (
        torch.randn(2, 4, 3, 3),
        torch.randn(2, 5, 3),
        torch.randn(0, 5, 3, 3),
        torch.ones(2, 5, 3, 3).long(),
    ):
        for call in (head, head.pool):
            with pytest.raises(ValueError, match="features"):
                call(bad)
