import pytest
import torch

from dmlnb.geometry import batch_distances


def differences(x):
    return (x[:, None] - x[None]).square().sum(dim=2).sqrt()


@pytest.mark.parametrize("n, d", [(1, 3), (2, 1), (7, 5), (40, 64)])
def test_equal_to_differences(n, d):
    x = torch.randn(n, d, dtype=torch.float64)
    assert torch.allclose(batch_distances(x), differences(x), atol=1e-12)


@pytest.mark.parametrize(
    "copies", [1, 30]
)  # few near pairs, and so many that all pairs are computed directly
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_near_rows_keep_their_digits_and_their_direction(copies, offset):
    torch.manual_seed(1)
    x = offset + torch.randn(30, 64, dtype=torch.float64)
    x[1 : 1 + copies] = x[0] + 1e-3 * torch.randn(min(copies, 29), 64, dtype=torch.float64)
    x = x.float().requires_grad_()
    step = (x[0] - x[1]).detach().double()
    distance = batch_distances(x)[0, 1]
    distance.backward()
    assert torch.allclose(distance.double(), step.norm(), rtol=1e-5)
    assert torch.allclose(x.grad[0].double(), step / step.norm(), atol=1e-5)
    assert torch.equal(x.grad[0], -x.grad[1]) and (x.grad[2:] == 0).all()


def test_the_plain_formula_would_fail_that_test():
    torch.manual_seed(1)
    x = torch.randn(30, 64)
    x[1] = x[0] + 1e-3 * torch.randn(64)
    norms = x.square().sum(1)
    gram = (norms[:, None] + norms - 2 * x @ x.T).clamp(min=0).sqrt()
    exact = differences(x.double())[0, 1]
    assert (gram[0, 1] - exact).abs() > 1e-2 * exact
    assert (batch_distances(x)[0, 1] - exact).abs() < 1e-5 * exact


def test_coinciding_rows_are_at_zero_without_gradient():
    x = torch.randn(6, 4)
    x[3] = x[0]
    x.requires_grad_()
    distance = batch_distances(x)
    assert distance[0, 3] == distance[3, 0] == 0 and (distance.diagonal() == 0).all()
    distance[0, 3].backward()
    assert (x.grad == 0).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1.0, 1e8, 1e30])
def test_size_does_not_matter(scale):
    x = torch.randn(9, 5)
    assert torch.allclose(batch_distances(scale * x), scale * batch_distances(x), rtol=1e-4)


@pytest.mark.parametrize("x", [torch.zeros(4, 3), torch.ones(4, 3), torch.full((4, 3), 1e30)])
def test_all_equal(x):
    x.requires_grad_()
    distance = batch_distances(x)
    distance.sum().backward()
    assert (distance == 0).all() and torch.isfinite(x.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32_also_under_autocast(dtype):
    x = torch.randn(8, 5).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        distance = batch_distances(x)
    assert distance.dtype == torch.float32
    assert torch.allclose(distance, differences(x.float()), atol=1e-5)


def test_gradient():
    x = torch.randn(6, 3, dtype=torch.float64)
    x[1] = x[0] + 0.01 * torch.randn(3)
    assert torch.autograd.gradcheck(batch_distances, x.requires_grad_())
