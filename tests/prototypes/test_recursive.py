import math

import pytest
import torch

from dmlnb.prototypes import kalman_update, prior_of, recursive_fit, ridge_predictor, start_fit
from dmlnb.prototypes.recursive import VARIANTS, LinearFit

M, D, RIDGE = 4, 2, 0.3


@pytest.fixture
def batches():
    draw = lambda n: (torch.softmax(torch.randn(n, M).double(), dim=1), torch.randn(n, D).double())
    return [draw(n) for n in (3, 7, 1, 5)]


def weighted_ridge(batches, weights, ridge):  # the slow twin: one big system, no recursion
    gram = ridge * torch.eye(M).double()
    right = torch.zeros(M, D).double()
    for (z, y), weight in zip(batches, weights, strict=True):
        for row, target in zip(z, y, strict=True):
            gram += weight * torch.outer(row, row)
            right += weight * torch.outer(row, target)
    return torch.linalg.inv(gram) @ right, torch.linalg.inv(gram)


def test_memoryless_is_ridge_on_each_batch(batches):
    for fit, (z, y) in zip(recursive_fit(batches, RIDGE, "memoryless"), batches, strict=True):
        assert torch.allclose(fit.prototypes, ridge_predictor(z, y, RIDGE), atol=1e-12)


def test_proximal_minimises_error_plus_distance_to_the_last_fit(batches):
    last = torch.zeros(M, D).double()
    for fit, (z, y) in zip(recursive_fit(batches, RIDGE, "proximal"), batches, strict=True):
        assert torch.allclose(fit.prototypes, last + ridge_predictor(z, y - z @ last, RIDGE), atol=1e-12)
        gradient = z.T @ (z @ fit.prototypes - y) + RIDGE * (fit.prototypes - last)
        assert torch.allclose(gradient, torch.zeros(M, D).double(), atol=1e-12)
        last = fit.prototypes


def test_proximal_with_a_large_ridge_is_a_gradient_step(batches):
    z, y = batches[0]
    start = LinearFit(torch.randn(M, D).double(), torch.eye(M).double())
    moved = kalman_update(prior_of(start, "proximal", 1e6), z, y).prototypes - start.prototypes
    step = z.T @ (y - z @ start.prototypes) / 1e6
    assert torch.allclose(moved, step, rtol=1e-4)


def test_full_is_ridge_on_all_batches_so_far(batches):
    for k, fit in enumerate(recursive_fit(batches, RIDGE, "full"), start=1):
        z, y = (torch.cat(parts) for parts in zip(*batches[:k], strict=True))
        assert torch.allclose(fit.prototypes, ridge_predictor(z, y, RIDGE), atol=1e-12)
        assert torch.allclose(fit.covariance, weighted_ridge(batches[:k], [1.0] * k, RIDGE)[1], atol=1e-12)


@pytest.mark.parametrize("beta", [0.5, 0.9, 1.0])
def test_forgetting_is_ridge_with_weights_that_fade(batches, beta):
    for k, fit in enumerate(recursive_fit(batches, RIDGE, "forgetting", forgetting=beta), start=1):
        weights = [beta ** (k - i) for i in range(1, k + 1)]
        mean, covariance = weighted_ridge(batches[:k], weights, RIDGE * beta**k)
        assert torch.allclose(fit.prototypes, mean, atol=1e-11)
        assert torch.allclose(fit.covariance, covariance, atol=1e-11)


@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_forgetting_as_it_is_printed_in_textbooks(batches, beta):
    mean, covariance = start_fit(M, D, RIDGE)
    for fit, (z, y) in zip(
        recursive_fit(batches, RIDGE, "forgetting", forgetting=beta), batches, strict=True
    ):
        gain = covariance @ z.T @ torch.linalg.inv(beta * torch.eye(len(z)) + z @ covariance @ z.T)
        mean = mean + gain @ (y - z @ mean)
        covariance = (covariance - gain @ z @ covariance) / beta
        assert torch.allclose(fit.prototypes, mean, atol=1e-11)
        assert torch.allclose(fit.covariance, covariance, atol=1e-11)


def test_without_forgetting_nothing_is_forgotten(batches):
    full, faded = recursive_fit(batches, RIDGE, "full"), recursive_fit(batches, RIDGE, "forgetting")
    assert all(torch.equal(a.prototypes, b.prototypes) for a, b in zip(full, faded, strict=True))


def test_the_full_fit_does_not_depend_on_how_samples_are_cut_into_batches(batches):
    one_by_one = [(z[i : i + 1], y[i : i + 1]) for z, y in batches for i in range(len(z))]
    ends = [recursive_fit(b, RIDGE, "full")[-1] for b in (batches, one_by_one, batches[::-1])]
    for end in ends[1:]:
        assert torch.allclose(end.prototypes, ends[0].prototypes, atol=1e-12)
        assert torch.allclose(end.covariance, ends[0].covariance, atol=1e-12)
    assert not torch.allclose(
        recursive_fit(batches, RIDGE, "proximal")[-1].prototypes,
        recursive_fit(batches[::-1], RIDGE, "proximal")[-1].prototypes,
    )


def test_the_update_is_that_of_a_textbook_filter(batches):
    z, y = batches[1]
    prior = LinearFit(torch.randn(M, D).double(), torch.diag(torch.rand(M).double() + 0.1))
    mean, covariance = kalman_update(prior, z, y)
    gain = prior.covariance @ z.T @ torch.linalg.inv(torch.eye(7) + z @ prior.covariance @ z.T)
    assert torch.allclose(mean, prior.prototypes + gain @ (y - z @ prior.prototypes), atol=1e-12)
    assert torch.allclose(covariance, prior.covariance - gain @ z @ prior.covariance, atol=1e-12)
    precision = torch.linalg.inv(prior.covariance) + z.T @ z
    assert torch.allclose(covariance, torch.linalg.inv(precision), atol=1e-12)


def test_covariance_stays_symmetric_positive_and_shrinks(batches):
    last = 1 / RIDGE
    for fit in recursive_fit(batches * 50, RIDGE, "full"):
        assert torch.equal(fit.covariance, fit.covariance.T)
        values = torch.linalg.eigvalsh(fit.covariance)
        assert values.min() > 0 and values.max() <= last + 1e-12
        last = float(values.max())


def test_a_prototype_that_never_occurs_keeps_or_loses_its_certainty():
    z, y = torch.tensor([[1.0, 0.0]]).double(), torch.ones(1, 1).double()
    full = recursive_fit([(z, y)] * 5, RIDGE, "full")[-1]
    assert full.prototypes[1, 0] == 0 and full.covariance[1, 1].item() == pytest.approx(1 / RIDGE)
    faded = recursive_fit([(z, y)] * 5, RIDGE, "forgetting", forgetting=0.5)[-1]
    assert faded.covariance[1, 1].item() == pytest.approx(2**5 / RIDGE)


def test_gradient(batches):
    z, y = (part.requires_grad_() for part in batches[0])
    prior = start_fit(M, D, RIDGE)
    assert torch.autograd.gradcheck(lambda z, y: tuple(kalman_update(prior, z, y)), (z, y))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_extremes_stay_finite(variant, dtype):
    for z in (torch.zeros(3, M), torch.full((3, M), 1 / M), 1e4 * torch.eye(3, M)):
        batch = (z.to(dtype), torch.ones(3, D, dtype=dtype))
        for fit in recursive_fit([batch] * 3, 1e-4, variant, forgetting=0.9):
            assert torch.isfinite(fit.prototypes).all() and torch.isfinite(fit.covariance).all()
            assert fit.prototypes.dtype == torch.float64


def test_bad_input_is_named(batches):
    prior, (z, y) = start_fit(M, D, RIDGE), batches[0]
    for bad in ((z[:, 1:], y), (z, y[:-1]), (z, y[:, :1])):
        with pytest.raises(ValueError, match="attributes, targets"):
            kalman_update(prior, *bad)
    for bad, name in (((z[0], y), "attributes"), ((z * torch.nan, y), "attributes"), ((z, y[0]), "targets")):
        for call in (lambda b: kalman_update(prior, *b), lambda b: recursive_fit([b], RIDGE)):
            with pytest.raises(ValueError, match=name):
                call(bad)
    with pytest.raises(ValueError, match="variant"):
        recursive_fit(batches, RIDGE, "kalman")
    with pytest.raises(ValueError, match="batches"):
        recursive_fit([], RIDGE)
    for bad in (0.0, 1.1, math.nan):
        with pytest.raises(ValueError, match="forgetting"):
            prior_of(prior, "forgetting", RIDGE, bad)
    for bad in (0.0, -1.0):
        with pytest.raises(ValueError, match="ridge"):
            recursive_fit(batches, bad)
    with pytest.raises(ValueError, match="num_prototypes"):
        start_fit(0, D, RIDGE)
