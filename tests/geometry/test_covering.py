import itertools
import math

import pytest
import torch

from dmlnb.geometry import (
    cover_radius,
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


def test_pair_terms_against_a_loop_and_the_contrastive_margins():
    x, y, _ = case(8)
    terms = pair_terms(x[:3], y[:3], x, y, boundary=2.0, margin=0.5)
    for i in range(3):
        for j in range(8):
            sign = 1 if y[i] == y[j] else -1
            expected = max(0.0, sign * ((x[i] - x[j]).norm().item() - 2.0) + 0.5)
            assert terms[i, j].item() == pytest.approx(expected)


def test_a_pair_on_the_wrong_side_costs_more_than_the_margin():
    x, y, _ = case(30)
    terms = pair_terms(x, y, x, y, boundary=2.5, margin=0.4)
    wrong = ((x[:, None] - x).norm(dim=2) > 2.5) == (y[:, None] == y)
    assert torch.equal(terms > 0.4, wrong)


def test_markov_holds_and_rates_are_shares():
    x, y, proxies = case(200)
    for threshold in (0.01, 0.3, 1.0, 100.0):
        terms = pair_terms(proxies[:, 0], torch.arange(3), x, y)
        rate = violation_rate(terms, threshold)
        assert (rate <= terms.mean(dim=1) / threshold + 1e-12).all()
        for i in range(3):
            assert rate[i].item() == pytest.approx(sum(t >= threshold for t in terms[i].tolist()) / 200)
    assert violation_rate(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), 1.0).tolist() == [0.75]  # equality counts


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
