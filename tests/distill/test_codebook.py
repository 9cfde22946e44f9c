import math

import pytest
import torch
from sklearn.cluster import KMeans

from dmlnb.distill import Codebook, kmeans, perplexity

B, D, K, H, W = 2, 3, 5, 2, 4


def groups(number=4, each=50, spread=0.05, dim=3):
    means = 4 * torch.randn(number, dim)
    return means, (means[:, None] + spread * torch.randn(number, each, dim)).flatten(0, 1)


def cost(points, centres):
    return torch.cdist(points, centres).amin(dim=1).square().sum().item()


def test_kmeans_finds_separate_groups_and_is_as_good_as_sklearn():
    means, points = groups()
    centres = kmeans(points, 4, seed=3)
    assert torch.cdist(means, centres).amin(dim=1).max() < 0.1
    cloud = torch.randn(500, 4)
    theirs = KMeans(8, n_init=3, random_state=0).fit(cloud.numpy()).inertia_
    assert cost(cloud, kmeans(cloud, 8)) < 1.1 * theirs
    assert torch.equal(kmeans(cloud, 8, seed=1), kmeans(cloud, 8, seed=1))


def test_kmeans_far_from_the_origin():
    _, points = groups()
    near, far = kmeans(points, 4), kmeans(points.double() + 1e4, 4)
    assert torch.allclose(far - 1e4, near, atol=5e-3)


def test_kmeans_corner_cases():
    points = torch.randn(6, 2)
    assert torch.allclose(kmeans(points, 6), points, atol=1e-6)
    assert torch.allclose(kmeans(points, 1), points.mean(dim=0, keepdim=True), atol=1e-6)
    assert torch.isfinite(kmeans(torch.ones(20, 2), 4)).all()


@pytest.mark.parametrize("tau", [1.0, 4.0])
def test_targets_against_a_loop(tau):
    book = Codebook(torch.randn(K, D), tau)
    features = torch.randn(B, D, H, W, dtype=torch.float64)
    targets = book.targets(features)
    for b in range(B):
        for i in range(H):
            for j in range(W):
                f = features[b, :, i, j]
                e = [
                    math.exp(-tau * sum((a - c) ** 2 for a, c in zip(f, code, strict=True)))
                    for code in book.centres
                ]
                for k in range(K):
                    assert targets[b, k, i, j].item() == pytest.approx(e[k] / sum(e), abs=1e-9)


def test_a_large_inverse_temperature_gives_the_nearest_code():
    book, features = Codebook(torch.randn(K, D), 1e6), torch.randn(B, D, H, W)
    nearest = (
        torch.cdist(features.permute(0, 2, 3, 1).flatten(0, 2), book.centres).argmin(dim=1).view(B, H, W)
    )
    assert torch.equal(book.assign(features), nearest)
    hard = torch.nn.functional.one_hot(nearest, K).permute(0, 3, 1, 2).float()
    assert torch.allclose(book.targets(features), hard, atol=1e-4)


def test_targets_are_constants_and_the_codes_are_frozen():
    book = Codebook(torch.randn(K, D))
    features = torch.randn(B, D, H, W, requires_grad=True)
    assert not book.targets(features).requires_grad
    assert list(book.parameters()) == [] and set(book.state_dict()) == {"centres"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "x", [torch.zeros(1, D, 1, 1), 1e4 * torch.randn(2, D, 2, 3), torch.ones(2, D, 1, 2)]
)
def test_targets_are_distributions_at_the_extremes(dtype, x):
    targets = Codebook(torch.randn(K, D)).targets(x.to(dtype))
    assert targets.dtype == torch.float32 and torch.isfinite(targets).all()
    assert torch.allclose(targets.sum(dim=1), torch.ones(()), atol=1e-5)


def test_fitting_is_kmeans():
    points = torch.randn(100, D)
    assert torch.equal(Codebook.fit(points, K, seed=2).centres, kmeans(points, K, seed=2))


def test_features_that_require_grad_can_be_clustered():
    assert not kmeans(torch.randn(9, 2, requires_grad=True), 2).requires_grad


def test_perplexity_counts_the_codes_in_use():
    assert perplexity(torch.zeros(3, 4, dtype=torch.int64), 8) == pytest.approx(1.0)
    assert perplexity(torch.arange(8).view(2, 4), 8) == pytest.approx(8.0)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: kmeans(torch.randn(3, 2), 4), "k: expected"),
        (lambda: kmeans(torch.randn(3, 2), 0), "k: expected"),
        (lambda: kmeans(torch.full((3, 2), torch.nan), 1), "finite"),
        (lambda: kmeans(torch.full((3, 2), 1e30) * torch.randn(3, 2), 2), "squared distances"),
        (lambda: kmeans(torch.randn(3, 2), 2, iterations=0), "iterations: expected"),
        (lambda: kmeans(torch.tensor([[1e300], [0.0]], dtype=torch.float64), 1), "squared distances"),
        (lambda: Codebook.fit(torch.randn(9, 2), 2, iterations=0), "iterations: expected"),
        (lambda: Codebook.fit([torch.randn(9, 2)], 2), "features: expected a floating-point tensor"),
        (lambda: Codebook(torch.zeros(2)), "centres"),
        (lambda: Codebook(torch.zeros(2, 2), 0.0), "inverse_temperature"),
        (lambda: Codebook(torch.zeros(2, 2)).targets(torch.zeros(1, 3, 1, 1)), "of shape"),
        (lambda: Codebook(torch.zeros(2, 2)).targets(torch.full((1, 2, 1, 1), torch.inf)), "finite"),
    ],
)
def test_bad_inputs(call, words):
    with pytest.raises(ValueError, match=words):
        call()
