import math

import pytest
import torch

from dmlnb.losses import ridge_predictor

D, M = 3, 5


def histograms(n, m=M, dtype=torch.float64):
    return torch.softmax(2 * torch.randn(n, m, dtype=dtype), dim=1)


@pytest.mark.parametrize("n", [1, 3, M, 40])
def test_ridge_minimises_its_objective(n):
    z, y = histograms(n), torch.randn(n, D, dtype=torch.float64)
    fit = ridge_predictor(z, y, 0.05)
    objective = lambda w: float((z @ w - y).square().sum() + 0.05 * w.square().sum())
    assert torch.allclose(z.T @ (z @ fit - y) + 0.05 * fit, torch.zeros(M, D).double(), atol=1e-12)
    for _ in range(20):
        assert objective(fit + 0.1 * torch.randn_like(fit)) > objective(fit)


@pytest.mark.parametrize("n", [1, 3, M, 40])
def test_both_systems_give_the_same_fit(n):
    z, y, eps = histograms(n), torch.randn(n, D, dtype=torch.float64), 0.05
    small = z.T @ torch.linalg.inv(z @ z.T + eps * torch.eye(n)) @ y
    large = torch.linalg.inv(z.T @ z + eps * torch.eye(M)) @ z.T @ y
    assert torch.allclose(ridge_predictor(z, y, eps), small, atol=1e-11)
    assert torch.allclose(ridge_predictor(z, y, eps), large, atol=1e-11)


def test_ridge_by_hand():
    fit = ridge_predictor(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[2.0], [4.0]]), 1.0)
    assert torch.allclose(
        fit, torch.tensor([[2.0], [0.0]])
    )  # (2 + 4) / (2 + 1), and a prototype that never occurs


def test_scaling_attributes_is_dividing_the_ridge():
    z, y, w = histograms(7), torch.randn(7, D).double(), histograms(4)
    scaled = (8 * w) @ ridge_predictor(8 * z, y, 0.05)
    assert torch.allclose(scaled, w @ ridge_predictor(z, y, 0.05 / 64), atol=1e-12)


def test_permutations_of_samples_and_prototypes():
    z, y = histograms(9), torch.randn(9, D).double()
    rows, columns = torch.randperm(9), torch.randperm(M)
    fit = ridge_predictor(z, y, 0.1)
    assert torch.allclose(ridge_predictor(z[rows], y[rows], 0.1), fit, atol=1e-12)
    assert torch.allclose(ridge_predictor(z[:, columns], y, 0.1), fit[columns], atol=1e-12)


@pytest.mark.parametrize("n", [3, 8])
def test_gradient_of_the_fit(n):
    z, y = histograms(n).requires_grad_(), torch.randn(n, D, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z, y: ridge_predictor(z, y, 0.05), (z, y))
    upstream = torch.randn(M, D, dtype=torch.float64)
    ridge_predictor(z, y, 0.05).backward(upstream)
    kernel = torch.linalg.inv(z @ z.T + 0.05 * torch.eye(n)).detach()  # the gradient in closed form
    s, t = kernel @ y.detach(), kernel @ z.detach() @ upstream
    assert torch.allclose(y.grad, t, atol=1e-12)
    assert torch.allclose(z.grad, s @ upstream.T - (t @ s.T + s @ t.T) @ z.detach(), atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("ridge", [1e-8, 0.05, 1e6])
def test_ridge_stays_finite(dtype, ridge):
    for n in (1, 4, 30):
        equal = torch.full((n, M), 1 / M)  # a system of rank one
        for z in (equal, torch.zeros(n, M), histograms(n), 100 * histograms(n)):
            fit = ridge_predictor(z.to(dtype), torch.ones(n, D, dtype=dtype), ridge)
            assert fit.dtype == torch.promote_types(dtype, torch.float32) and torch.isfinite(fit).all()


def test_ridge_names_bad_input():
    z, y = histograms(4), torch.randn(4, D).double()
    for bad in (z[0], z[:0], z * torch.nan, z.long()):
        with pytest.raises(ValueError, match="attributes"):
            ridge_predictor(bad, y, 0.1)
    for bad in (y[:3], y[:, 0], y * torch.inf):
        with pytest.raises(ValueError, match="targets"):
            ridge_predictor(z, bad, 0.1)
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="ridge"):
            ridge_predictor(z, y, bad)
    with pytest.raises(ValueError, match="ridge: expected more beside"):
        ridge_predictor(1e12 * torch.ones(4, M), y, 1e-3)
