import pytest
import torch

from dmlnb.pooling.pooled import PooledFeatures, weighted_sum


def test_a_weighted_sum_against_a_loop():
    features, weights = torch.randn(2, 3, 4, 5, dtype=torch.float64), torch.rand(2, 20, dtype=torch.float64)
    found = weighted_sum(features, weights)
    for b in range(2):
        for c in range(3):
            regions = features[b, c].flatten().tolist()
            expected = sum(w * f for w, f in zip(weights[b].tolist(), regions, strict=True))
            assert found[b, c].item() == pytest.approx(expected)
    assert torch.autograd.gradcheck(weighted_sum, (features.requires_grad_(), weights.requires_grad_()))


def test_it_is_computed_in_the_dtype_of_the_weights_and_given_in_that_of_the_features():
    features = torch.full((1, 1, 50, 50), 1000.0, dtype=torch.float16)
    found = weighted_sum(features, torch.full((1, 2500), 1 / 2500))
    assert (
        found.dtype == torch.float16 and found.item() == 1000
    )  # in float16 the sum itself would lose digits


def test_a_pooling_without_prototypes_has_no_attributes():
    assert PooledFeatures(torch.zeros(1, 2), torch.ones(1, 1, 1)).attributes is None


def test_autocast_leaves_the_sum_in_float32():
    features, weights = torch.randn(2, 3, 4, 5), torch.rand(2, 20)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = weighted_sum(features, weights)
    assert torch.equal(found, weighted_sum(features, weights)) and found.dtype == torch.float32
