import math

import pytest
import torch

from dmlnb.geometry import clip_to_ball, cover_radius
from dmlnb.pooling import (
    GeneralizedSumPooling,
    GlobalAveragePooling,
    HistogramPooling,
    hard_histogram,
    soft_assignment,
    soft_histogram,
)


def score(prototype, feature, cost):
    return (prototype @ feature).item() if cost == "inner" else -(prototype - feature).norm().item()


@pytest.mark.parametrize("cost", ["inner", "euclidean"])
def test_against_loops(cost):
    features, prototypes = torch.randn(2, 7, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    soft, hard = (
        soft_histogram(features, prototypes, 2.5, cost=cost),
        hard_histogram(features, prototypes, cost=cost),
    )
    for b in range(2):
        z, counts = [0.0] * 4, [0.0] * 4
        for f in features[b]:
            s = [score(p, f, cost) for p in prototypes]
            total = sum(math.exp(2.5 * v) for v in s)
            z = [z_i + math.exp(2.5 * v) / total / 7 for z_i, v in zip(z, s, strict=True)]
            counts[s.index(max(s))] += 1 / 7
        assert soft[b].tolist() == pytest.approx(z) and hard[b].tolist() == pytest.approx(counts)


@pytest.mark.parametrize("cost", ["inner", "euclidean"])
def test_limits(cost):
    features, prototypes = torch.randn(3, 20, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    assert torch.allclose(
        soft_histogram(features, prototypes, 0.0, cost=cost), torch.full((3, 5), 0.2).double()
    )
    sharp = soft_histogram(features, prototypes, 1e6, cost=cost)
    assert torch.allclose(sharp, hard_histogram(features, prototypes, cost=cost), atol=1e-6)


def test_shares_sum_to_one_and_ignore_the_order_of_regions():
    features, prototypes = torch.randn(3, 20, 4), torch.randn(5, 4)
    z = soft_histogram(features, prototypes, 3.0)
    assert torch.allclose(z.sum(dim=1), torch.ones(3))
    assert torch.allclose(z, soft_histogram(features[:, torch.randperm(20)], prototypes, 3.0), atol=1e-6)
    assert torch.allclose(soft_assignment(features, prototypes, 3.0).sum(dim=2), torch.ones(3, 20))


def test_first_prototype_wins_ties():
    assert hard_histogram(torch.ones(1, 3, 2), torch.ones(4, 2)).tolist() == [[1, 0, 0, 0]]


def test_mixture_is_within_the_cover_radius():
    for seed in range(100):
        g = torch.Generator().manual_seed(seed)
        f, nu = (torch.randn(n, 3, dtype=torch.float64, generator=g) for n in (30, 6))
        error = (hard_histogram(f[None], nu, cost="euclidean")[0] @ nu - f.mean(dim=0)).norm()
        assert error <= cover_radius(f, nu) + 1e-12


@pytest.mark.parametrize("cost", ["inner", "euclidean"])
def test_gradients(cost):
    features = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    prototypes = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f, p: soft_histogram(f, p, 2.0, cost=cost), (features, prototypes))


@pytest.mark.parametrize("scale", [0.0, 1e-8, 1e6])
def test_extremes_stay_finite(scale):
    features = (scale * torch.randn(2, 1, 3)).requires_grad_()
    z = soft_histogram(features, scale * torch.randn(1, 3), 1000.0, cost="euclidean")
    assert torch.allclose(z, torch.ones(2, 1))
    z.sum().backward()
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((torch.zeros(2, 3), torch.zeros(4, 3), 1.0), "features, prototypes"),
        ((torch.zeros(1, 2, 3), torch.zeros(4, 2), 1.0), "features, prototypes"),
        ((torch.zeros(1, 2, 3), torch.zeros(0, 3), 1.0), "at least one"),
        ((torch.zeros(1, 2, 3), torch.zeros(4, 3), -1.0), "sharpness"),
        ((torch.zeros(1, 2, 3), torch.zeros(4, 3), math.inf), "sharpness"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        soft_histogram(*arguments)
    with pytest.raises(ValueError, match="cost"):
        hard_histogram(torch.zeros(1, 2, 3), torch.zeros(4, 3), cost="angle")
    with pytest.raises(ValueError, match="features: expected a floating-point tensor"):
        hard_histogram(torch.zeros(1, 2, 3).long(), torch.zeros(4, 3))


@pytest.mark.parametrize("cost", ["inner", "euclidean"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(cost, dtype):
    features, prototypes = (1000 * torch.randn(*shape).to(dtype) for shape in ((2, 7, 3), (4, 3)))
    soft, hard = (
        soft_histogram(features, prototypes, 10.0, cost=cost),
        hard_histogram(features, prototypes, cost=cost),
    )
    assert soft.dtype == hard.dtype == torch.float32
    assert torch.allclose(soft, soft_histogram(features.float(), prototypes.float(), 10.0, cost=cost))
    assert torch.allclose(soft.sum(dim=1), torch.ones(2)) and torch.equal(hard.sum(dim=1), torch.ones(2))


@pytest.mark.parametrize("cost", ["inner", "euclidean"])
def test_autocast_and_mixed_dtypes(cost):
    features, prototypes = torch.randn(2, 7, 3), torch.randn(4, 3)
    expected = soft_histogram(features, prototypes, 3.0, cost=cost)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(soft_histogram(features, prototypes, 3.0, cost=cost), expected)
    assert soft_histogram(features.double(), prototypes, 3.0, cost=cost).dtype == torch.float64


def test_shares_of_many_regions_are_exact():
    assert hard_histogram(torch.ones(1, 10000, 2), torch.ones(2, 2)).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("cost", ["inner", "euclidean"])
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


@pytest.mark.parametrize("cost", ["inner", "euclidean"])
def test_limits_of_the_pooling(cost):
    maps = torch.randn(3, 5, 4, 4)
    even = HistogramPooling(5, 4, 0.0, cost=cost).pool(maps).attributes
    assert torch.allclose(even, torch.full((3, 4), 0.25))
    sharp = HistogramPooling(5, 4, 1e6, cost=cost)
    tokens = clip_to_ball(maps.flatten(2).mT)
    hard = hard_histogram(tokens, sharp.prototypes, cost=cost)
    assert torch.allclose(sharp.pool(maps).attributes, hard, atol=1e-3)
    one = HistogramPooling(5, 1, cost=cost).pool(maps).attributes
    assert torch.equal(one, torch.ones(3, 1))


@pytest.mark.parametrize("cost", ["inner", "euclidean"])
def test_gradients_of_the_pooling(cost):
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


@pytest.mark.parametrize("cost", ["inner", "euclidean"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_extremes_stay_finite_of_the_pooling(dtype, cost):
    head = HistogramPooling(5, 4, cost=cost)
    for maps in (torch.zeros(2, 5, 3, 3), torch.ones(2, 5, 1, 1), 1e4 * torch.randn(1, 5, 3, 3)):
        maps = maps.to(dtype).requires_grad_()
        pooled = head.pool(maps)
        assert pooled.vector.dtype == dtype and pooled.attributes.dtype == torch.float32
        assert torch.allclose(pooled.attributes.sum(dim=1), torch.ones(len(maps)), atol=1e-5)
        (pooled.attributes.square().sum() + pooled.vector.float().square().sum()).backward()
        assert torch.isfinite(maps.grad).all()


def test_bad_input_is_named_of_the_pooling():
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
