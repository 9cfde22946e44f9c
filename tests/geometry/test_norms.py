import pytest
import torch

from dmlnb.geometry import (
    clip_to_ball,
    normalize,
)
from dmlnb.geometry.norms import clip_with_norms, norms


def test_clip_to_ball_against_a_loop():
    v = torch.randn(50, 4, dtype=torch.float64) * 2
    expected = torch.stack([row / max(1.0, row.norm().item()) for row in v])
    assert torch.allclose(clip_to_ball(v), expected, atol=1e-15)
    assert torch.equal(clip_to_ball(torch.zeros(2, 3)), torch.zeros(2, 3))


def test_clip_to_ball_gradient_inside_on_and_outside_the_surface():
    for v, outside in (([0.3, 0.4], False), ([0.6, 0.8], False), ([3.0, 4.0], True), ([0.0, 0.0], False)):
        v = torch.tensor(v, dtype=torch.float64, requires_grad=True)
        g = torch.tensor([1.0, -2.0], dtype=torch.float64)
        (found,) = torch.autograd.grad(clip_to_ball(v), v, g)
        unit = v.detach() / v.detach().norm().clamp(min=1)
        expected = (g - (g @ unit) * unit) / v.detach().norm() if outside else g
        assert torch.allclose(found, expected)


def test_clip_to_ball_is_a_contraction():
    a, b = torch.randn(2, 20000, 3, dtype=torch.float64) * 3
    assert ((clip_to_ball(a) - clip_to_ball(b)).norm(dim=1) <= (a - b).norm(dim=1) + 1e-12).all()


def test_normalize_modes():
    v = torch.tensor([[0.3, 0.4], [3.0, 4.0]])
    assert torch.allclose(normalize(v).norm(dim=1), torch.ones(2))
    assert torch.allclose(normalize(v, "ball").norm(dim=1), torch.tensor([0.5, 1.0]))
    assert normalize(v, None) is v
    with pytest.raises(ValueError, match="how"):
        normalize(v, "cube")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_norms_of_half_precision_do_not_overflow(dtype):
    v = torch.full((2, 512), 3000.0, dtype=dtype)  # norm 67882, above the largest float16
    for found in (clip_to_ball(v), normalize(v)):
        assert found.dtype == dtype and torch.allclose(found.float().norm(dim=1), torch.ones(2), atol=1e-2)


@pytest.mark.parametrize("scale", [1e-30, 1e-16, 1.0, 1e16, 1e25])
def test_normalize_whatever_the_size(scale):
    v = torch.randn(6, 4)
    scaled = (scale * v).requires_grad_()
    assert torch.allclose(normalize(scaled), normalize(v))
    normalize(scaled)[:, 0].sum().backward()
    expected = torch.autograd.functional.jacobian(lambda u: normalize(u)[:, 0].sum(), v)
    assert torch.allclose(scaled.grad * scale, expected, rtol=1e-4, atol=1e-6)


def test_normalize_leaves_zero_with_a_finite_gradient():
    v = torch.zeros(2, 3, requires_grad=True)
    normalize(v).sum().backward()
    assert torch.isfinite(v.grad).all() and torch.equal(normalize(v), torch.zeros(2, 3))


@pytest.mark.parametrize("how", ["sphere", "ball"])
def test_normalize_gradcheck(how):
    v = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda u: normalize(u, how), (v,))


@pytest.mark.parametrize("how", ["sphere", "ball"])
def test_second_derivatives_of_the_norms(how):
    v = torch.randn(5, 3, dtype=torch.float64)
    v[:2] /= 10 * v[:2].norm(dim=1, keepdim=True)  # inside the ball
    assert torch.autograd.gradgradcheck(lambda u: normalize(u, how), (v.requires_grad_(),))


def test_clip_to_ball_along_another_axis():
    v = 3 * torch.randn(2, 4, 5, dtype=torch.float64)
    assert torch.allclose(clip_to_ball(v, dim=1), clip_to_ball(v.mT).mT)
    assert torch.autograd.gradcheck(lambda u: clip_to_ball(u, dim=1), (v.requires_grad_(),))


@pytest.mark.parametrize("dim", [1, 2])
def test_norms_are_those_of_torch_with_both_derivatives(dim):
    v = (2 * torch.randn(3, 4, 5, dtype=torch.float64)).requires_grad_()
    assert torch.allclose(norms(v, dim), torch.linalg.vector_norm(v, dim=dim, keepdim=True), rtol=1e-14)
    assert torch.autograd.gradcheck(lambda v: norms(v, dim), v)
    assert torch.autograd.gradgradcheck(lambda v: norms(v, dim), v)


@pytest.mark.parametrize("dim", [1, 2])
def test_the_gradient_of_a_norm_at_zero_is_zero(dim):
    v = torch.zeros(2, 3, 2, requires_grad=True)
    norms(v, dim).sum().backward()
    assert torch.equal(v.grad, torch.zeros_like(v))


@pytest.mark.parametrize("dim", [1, 2])
def test_clipping_gives_the_norms_after_it(dim):
    v = torch.randn(3, 4, 5, dtype=torch.float64)
    v *= torch.tensor([0.1, 2.0, 0.0])[:, None, None]  # inside the ball, outside, at zero
    v.requires_grad_()
    clipped, after = clip_with_norms(v, dim)
    assert torch.equal(clipped, clip_to_ball(v, dim)) and (after < 1).any() and (after == 1).any()
    assert torch.allclose(after, clipped.norm(dim=dim, keepdim=True), rtol=1e-14)
    (found,) = torch.autograd.grad(after.square().sum(), v)
    (expected,) = torch.autograd.grad(clip_to_ball(v, dim).square().sum(), v)
    assert torch.allclose(found, expected, atol=1e-14)
    smooth = v.detach()[:2].requires_grad_()  # a norm has a corner at zero
    assert torch.autograd.gradcheck(lambda v: clip_with_norms(v, dim), smooth)
    assert torch.autograd.gradgradcheck(lambda v: clip_with_norms(v, dim), smooth)


@pytest.mark.parametrize("scale", [1e-30, 1e25])
def test_norms_after_clipping_whatever_the_size(scale):
    clipped, after = clip_with_norms(torch.tensor([[3.0, 4.0]]) * scale)
    assert torch.allclose(after, clipped.norm(dim=1, keepdim=True).clamp(max=1), rtol=1e-6)
    assert after.item() == pytest.approx(min(1, 5 * scale), rel=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 0, 3)])
def test_nothing_stays_nothing(shape):
    v = torch.zeros(shape, requires_grad=True)
    for found in (clip_to_ball(v), normalize(v)):
        assert found.shape == v.shape
        found.sum().backward()
    assert clip_with_norms(v)[1].shape == (*shape[:-1], 1) and not clip_with_norms(v)[1].any()
