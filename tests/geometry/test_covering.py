import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmlnb.geometry import (
    cover_radius,
    greedy_k_center,
    interclass_distance,
    k_center_profile,
    proxy_cover,
    proxy_spread,
)
from dmlnb.losses import pair_terms, violation_rate


def case(n=20, c=3, k=2, d=4):
    labels = torch.arange(n) % c
    return torch.randn(n, d, dtype=torch.float64), labels, torch.randn(c, k, d, dtype=torch.float64)


def test_proxy_cover_against_a_loop_and_the_cover_radius():
    x, y, proxies = case()
    radii = proxy_cover(x, y, proxies)
    for c in range(3):
        distances = [min((v - p).norm().item() for p in proxies[c]) for v in x[y == c]]
        assert radii[c].item() == pytest.approx(max(distances))
        assert torch.isclose(radii[c], cover_radius(x[y == c], proxies[c]))


def test_proxy_cover_of_samples_on_proxies_absent_classes_and_half_precision():
    x, y, proxies = case()
    own = proxies.flatten(0, 1), torch.arange(3).repeat_interleave(2)
    assert proxy_cover(*own, proxies).tolist() == [0, 0, 0]
    assert proxy_cover(x[y == 1], y[y == 1], proxies)[[0, 2]].tolist() == [0, 0]
    half = proxy_cover(x.bfloat16(), y, proxies.bfloat16())
    assert half.dtype == torch.float32 and torch.allclose(
        half.double(), proxy_cover(x, y, proxies), rtol=0.02
    )


def test_proxy_cover_in_blocks(monkeypatch):
    x, y, proxies = case()
    whole = proxy_cover(x, y, proxies)
    monkeypatch.setattr("dmlnb.geometry.covering._BLOCK", 9)
    assert torch.equal(proxy_cover(x, y, proxies), whole)


def test_more_proxies_never_cover_less():
    x, y, proxies = case(k=5)
    radii = torch.stack([proxy_cover(x, y, proxies[:, :k]) for k in range(1, 6)])
    assert (radii.diff(dim=0) <= 0).all()


def test_spread_against_a_loop():
    _, _, proxies = case(k=4)
    for c in range(3):
        pairs = [(a - b).norm().item() for a, b in itertools.combinations(proxies[c], 2)]
        assert proxy_spread(proxies)[c].item() == pytest.approx(max(pairs))
    assert proxy_spread(torch.ones(2, 3, 4)).tolist() == [0, 0] == proxy_spread(torch.randn(2, 1, 4)).tolist()


def test_profile_against_a_loop():
    x, *_ = case(9)
    chosen, radii = [0], []
    while len(radii) < 9:
        nearest = [min((v - x[j]).norm().item() for j in chosen) for v in x]
        radii.append(max(nearest))
        chosen.append(max(range(9), key=lambda i: nearest[i]))
    profile = k_center_profile(x)
    assert profile.tolist() == pytest.approx(radii) and profile[-1] == 0
    assert (profile.diff() <= 0).all()
    assert k_center_profile(torch.ones(4, 2)).tolist() == [0] * 4
    assert k_center_profile(torch.ones(1, 2)).tolist() == [0]


def test_interclass_distance_against_a_loop(monkeypatch):
    x, y, _ = case(13)
    pairs = [
        (a - b).norm().item()
        for (a, c), (b, d) in itertools.product(list(zip(x, y, strict=True)), repeat=2)
        if c != d
    ]
    found = interclass_distance(x, y)
    assert found.item() == pytest.approx(sum(pairs) / len(pairs))
    monkeypatch.setattr("dmlnb.geometry.covering._BLOCK", 20)
    assert torch.isclose(interclass_distance(x, y), found)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, y, p: proxy_cover(x, y + 1, p), "labels"),
        (lambda x, y, p: proxy_cover(x, y, p[0]), "proxies"),
        (lambda x, y, p: proxy_cover(x, y, p[:, :, :2]), "proxies"),
        (lambda x, y, p: proxy_cover(x * math.nan, y, p), "embeddings"),
        (lambda x, y, p: proxy_spread(p[0]), "proxies"),
        (lambda x, y, p: k_center_profile(x[0]), "points"),
        (lambda x, y, p: interclass_distance(x, y * 0), "two classes"),
        (lambda x, y, p: pair_terms(x, y, x, y, margin=0.0), "margin"),
        (lambda x, y, p: pair_terms(x, y[:2], x, y), "anchor_labels"),
        (lambda x, y, p: violation_rate(x, 1.0), "terms"),
        (lambda x, y, p: violation_rate(x.abs(), 0.0), "threshold"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(*case())


def k_center_loop(pool, current, k):
    picks = []
    for c in range(len(pool)):
        centres, own = list(current[c]), []
        for _ in range(k):
            distance = [
                -1.0
                if j in own
                else min([((p - q) ** 2).sum().item() for q in centres], default=float("inf"))
                for j, p in enumerate(pool[c])
            ]
            best = distance.index(max(distance))
            own.append(best)
            centres.append(pool[c][best])
        picks.append(own)
    return torch.tensor(picks)


@pytest.mark.parametrize("current", [0, 1, 3])
def test_greedy_k_center_against_a_loop(current):
    pool = torch.randint(0, 4, (5, 9, 2)).double()  # many ties and duplicates
    centres = torch.randint(0, 4, (5, current, 2)).double()
    for k in (1, 4, 9):
        assert torch.equal(greedy_k_center(pool, centres, k), k_center_loop(pool, centres, k))


def test_greedy_k_center_is_within_twice_the_optimum():
    for seed in range(20):
        points = torch.randn(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        greedy = cover_radius(points, points[greedy_k_center(points[None], points[None, :0], 3)[0]])
        best = min(cover_radius(points, points[list(s)]) for s in itertools.combinations(range(9), 3))
        assert best <= greedy <= 2 * best + 1e-12


def test_greedy_k_center_errors():
    with pytest.raises(ValueError, match="k: expected 1 .. 4"):
        greedy_k_center(torch.zeros(2, 4, 3), torch.zeros(2, 0, 3), 5)
    with pytest.raises(ValueError, match="pool, current"):
        greedy_k_center(torch.zeros(2, 4, 3), torch.zeros(2, 1, 2), 1)


def test_cover_radius_against_a_loop_and_on_one_point():
    points, centres = torch.randn(30, 3), torch.randn(4, 3)
    expected = max(min((p - c).norm().item() for c in centres) for p in points)
    assert cover_radius(points, centres).item() == pytest.approx(expected, rel=1e-6)
    assert cover_radius(points, points).item() == 0
    with pytest.raises(ValueError, match="points, centres"):
        cover_radius(points, centres[:0])


def test_greedy_k_center_starts_with_candidate_0_and_never_repeats():
    assert greedy_k_center(torch.randn(3, 7, 2), torch.zeros(3, 0, 2), 1).tolist() == [[0], [0], [0]]
    same = torch.ones(2, 5, 3)
    assert greedy_k_center(same, same[:, :1], 5).tolist() == [[0, 1, 2, 3, 4]] * 2


def test_greedy_k_center_of_half_precision_does_not_overflow():
    pool = torch.tensor([[[0.0], [300.0], [400.0]]]).half()  # 300 squared is above the largest float16
    assert greedy_k_center(pool, torch.zeros(1, 1, 1).half(), 1).tolist() == [[2]]


@pytest.mark.parametrize(
    "pool, k, message",
    [
        (torch.zeros(1, 3, 2), 0, "k: expected"),
        (torch.zeros(1, 3, 2, dtype=torch.int64), 1, "pool"),
        (torch.full((1, 3, 2), torch.nan), 1, "pool"),
        (torch.zeros(3, 2), 1, "pool, current"),
    ],
)
def test_greedy_k_center_names_bad_input(pool, k, message):
    with pytest.raises(ValueError, match=message):
        greedy_k_center(pool, torch.zeros(1, 1, 2), k)
    with pytest.raises(ValueError, match="current"):
        greedy_k_center(torch.zeros(1, 3, 2), torch.full((1, 1, 2), torch.inf), 1)


def test_cover_radius_of_many_points_is_that_of_all_parts():
    points, centres = torch.randn(4000, 1), torch.randn(3000, 1)  # three parts
    points[-1] = 50.0
    assert cover_radius(points, centres).item() == (50.0 - centres.max()).item()


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    classes=st.integers(1, 3),
    size=st.integers(1, 9),
    current=st.integers(0, 3),
    dim=st.integers(1, 20),
    levels=st.integers(1, 3),
    seed=st.integers(0, 10**6),
)
def test_k_center_of_any_pool_is_that_of_the_loop(classes, size, current, dim, levels, seed):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda k: torch.randint(0, levels, (classes, k, dim), generator=generator).float()
    pool, centres = draw(size), draw(current)  # whole numbers: many exact ties
    picks = greedy_k_center(pool, centres, size)
    assert torch.equal(picks, k_center_loop(pool, centres, size))
    assert (picks.sort(dim=1).values == torch.arange(size)).all()  # all of them, none twice
