import math

import pytest
import torch

from dmlnb.losses import (
    soft_triple_loss,
)
from tests.losses.small import C, K, N, cosine


def test_soft_triple_against_a_loop(case):
    x, y, _, centers = case
    total = 0.0
    for i in range(N):
        logits = []
        for c in range(C):
            s = [cosine(x[i], p) for p in centers[c]]
            weights = [math.exp(v / 0.1) for v in s]
            relaxed = sum(w * v for w, v in zip(weights, s, strict=True)) / sum(weights)
            logits.append(20 * (relaxed - (0.01 if c == y[i] else 0)))
        total -= (logits[y[i]] - math.log(sum(math.exp(v) for v in logits))) / N
    merge = sum(
        math.sqrt(2 - 2 * cosine(centers[c, k], centers[c, m]))
        for c in range(C)
        for k in range(K)
        for m in range(k + 1, K)
    )
    expected = total + 0.2 * merge / (C * K * (K - 1))
    assert soft_triple_loss(x, y, centers, scale=20, gamma=0.1, tau=0.2, margin=0.01).item() == pytest.approx(
        expected
    )


def test_coinciding_centres_have_finite_gradients():
    centers = torch.ones(2, 3, 4, requires_grad=True)
    soft_triple_loss(torch.randn(4, 4), torch.tensor([0, 1, 0, 1]), centers).backward()
    assert torch.isfinite(centers.grad).all()


def test_soft_triple_with_a_sharp_maximum_against_a_loop(case):
    x, y, _, centers = case
    unit = lambda v: v / v.norm()
    total = 0.0
    for i in range(N):
        logits = []
        for c in range(C):
            s = [(unit(x[i]) @ unit(p)).item() for p in centers[c]]
            weights = [math.exp(v / 0.2) for v in s]
            relaxed = sum(w * v for w, v in zip(weights, s, strict=True)) / sum(weights)
            logits.append(9 * (relaxed - (0.1 if c == y[i] else 0)))
        total -= (logits[y[i]] - math.log(sum(math.exp(v) for v in logits))) / N
    options = {"scale": 9, "gamma": 0.2, "tau": 0.0, "margin": 0.1}
    assert soft_triple_loss(x, y, centers, **options).item() == pytest.approx(total)
    f = lambda e, p: soft_triple_loss(e, y[:4], p, **options | {"tau": 0.2})
    assert torch.autograd.gradcheck(f, (x[:4].requires_grad_(), centers.requires_grad_()))
