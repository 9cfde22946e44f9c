"""Tests do not see what others did, in whatever order they run."""

import pytest
import torch

SHARED = torch.ones(2)


@pytest.mark.parametrize("x", [SHARED])
@pytest.mark.parametrize("turn", [1, 2])
def test_a_tensor_as_parameter_is_each_tests_own(turn, x):
    assert x is not SHARED and x.tolist() == [1, 1] and not x.requires_grad
    x.mul_(3).requires_grad_()
