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


def test_a_stream_gives_the_same_groups_as_memory():
    means, points = groups(each=200)
    points = points[torch.randperm(len(points))]
    book = Codebook.fit(lambda: points.split(77), 4, seed=3, sample=100)
    assert torch.cdist(means, book.centres).amin(dim=1).max() < 0.1
    exact = torch.stack(
        [points[torch.cdist(points, book.centres).argmin(1) == k].mean(dim=0) for k in range(4)]
    )
    assert torch.allclose(book.centres, exact, atol=1e-5)  # means of all points, not of the sample


def test_one_step_over_a_stream_is_lloyds_step():
    from dmlnb.distill.codebook import _lloyd_step, _sample

    points, centres = torch.randn(60, 2), torch.cat([torch.randn(3, 2), torch.full((1, 2), 99.0)])
    winner = torch.cdist(points, centres).argmin(dim=1)
    stepped = _lloyd_step(points.split(7), centres)
    for k in range(3):
        assert torch.allclose(stepped[k], points[winner == k].mean(dim=0), atol=1e-5)
    assert torch.equal(stepped[3], centres[3])  # no points: it stays
    sample = _sample(points.split(7), 20, seed=0)
    assert sample.shape == (20, 2) and (torch.cdist(sample, points).amin(dim=1) < 1e-3).all()
    assert len(sample.unique(dim=0)) == 20 and torch.equal(sample, _sample(points.split(7), 20, seed=0))


def test_a_stream_is_sampled_evenly():
    from dmlnb.distill.codebook import _sample

    chunks = [torch.full((50, 1), float(i)) for i in range(40)]
    kept = torch.cat([_sample(chunks, 200, seed) for seed in range(20)])  # (4000, 1)
    assert len(_sample(chunks, 200, 0)) == 200
    assert abs(kept.mean() - 19.5) < 1 and kept.min() == 0 and kept.max() == 39  # early and late chunks alike


def test_a_sample_holds_the_rows_with_the_smallest_keys_whatever_the_chunks():
    from dmlnb.distill.codebook import _sample

    rows = torch.arange(1000.0)[:, None]
    for size in (1000, 101, 16):
        drawn = torch.Generator().manual_seed(4)
        keys = torch.cat([torch.rand(len(chunk), generator=drawn) for chunk in rows.split(size)])
        wanted = rows[keys.argsort()[:30].sort().values]
        assert torch.equal(_sample(rows.split(size), 30, seed=4), wanted)
    assert torch.equal(_sample(rows[:20].split(7), 30, seed=4), rows[:20])  # fewer rows than the sample


def test_a_long_stream_is_seldom_sorted(monkeypatch):
    from dmlnb.distill import codebook

    sorts, smallest = [], codebook._smallest
    monkeypatch.setattr(codebook, "_smallest", lambda *a: sorts.append(1) or smallest(*a))
    assert len(codebook._sample(torch.randn(2000, 2).split(5), 20, seed=0)) == 20
    assert len(sorts) < 20


def test_one_iteration_of_a_stream():
    points = torch.randn(100, 2)
    assert torch.isfinite(Codebook.fit(lambda: points.split(30), 4, iterations=1).centres).all()


def test_a_stream_that_cannot_start_again_is_named():
    once = iter([torch.randn(9, 2)])
    with pytest.raises(ValueError, match="a new pass each time"):
        Codebook.fit(lambda: once, 2)


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
        (
            lambda: Codebook.fit(iter([torch.randn(3, 3, 2), torch.full((1, 3, 2), 1e30)]).__next__, 2),
            "squared",
        ),
        (lambda: Codebook.fit(lambda: torch.randn(9, 2).split(3), 4, sample=3), "sample: expected 4"),
        (lambda: Codebook.fit(lambda: torch.randn(9, 2).split(3), 2, iterations=0), "iterations: expected"),
        (lambda: Codebook.fit(lambda: [], 2), "empty pass"),
        (lambda: Codebook.fit([torch.randn(9, 2)], 2), "a function that starts a pass"),
        (lambda: Codebook(torch.zeros(2)), "centres"),
        (lambda: Codebook(torch.zeros(2, 2), 0.0), "inverse_temperature"),
        (lambda: Codebook(torch.zeros(2, 2)).targets(torch.zeros(1, 3, 1, 1)), "of shape"),
        (lambda: Codebook(torch.zeros(2, 2)).targets(torch.full((1, 2, 1, 1), torch.inf)), "finite"),
    ],
)
def test_bad_inputs(call, words):
    with pytest.raises(ValueError, match=words):
        call()
