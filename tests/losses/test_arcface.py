import math

import pytest
import torch

from dmlnb.losses import ArcFaceLoss, arcface_loss, proxy_nca_loss
from tests.losses.small import C, D, N, cosine


@pytest.mark.parametrize("margin", [0.2, 0.5, 1.5])  # the last is more than some angles have left
def test_against_a_loop(case, margin):
    x, y, proxies, _ = case
    total = 0.0
    for i in range(N):
        logits = []
        for c in range(C):
            angle = math.acos(cosine(x[i], proxies[c]))
            s = math.cos(angle)
            if c == y[i]:
                further = angle + margin
                s = math.cos(further) if further <= math.pi else s - margin * math.sin(margin)
            logits.append(8 * s)
        total -= (logits[y[i]] - math.log(sum(math.exp(v) for v in logits))) / N
    assert arcface_loss(x, y, proxies, margin=margin, scale=8).item() == pytest.approx(total)


def test_equal_to_pytorch_metric_learning(case):
    from pytorch_metric_learning import losses as pml

    x, y, proxies, _ = case
    theirs = pml.ArcFaceLoss(C, D, margin=math.degrees(0.5), scale=16)
    theirs.W.data = proxies.mT.clone()
    a, b, own = x.clone().requires_grad_(), x.clone().requires_grad_(), proxies.clone().requires_grad_()
    ours, value = arcface_loss(a, y, own, margin=0.5, scale=16), theirs(b, y)
    assert ours.item() == pytest.approx(value.item())
    ours.backward(), value.backward()
    assert torch.allclose(a.grad, b.grad, atol=1e-6) and torch.allclose(own.grad, theirs.W.grad.mT, atol=1e-6)


def test_without_a_margin_it_is_the_normalised_softmax(case):
    x, y, proxies, _ = case
    expected = proxy_nca_loss(x, y, proxies, temperature=1 / 9)
    assert torch.allclose(arcface_loss(x, y, proxies, margin=0.0, scale=9), expected)


def test_a_margin_never_makes_the_loss_smaller_and_never_rewards_a_larger_angle():
    angles = torch.linspace(0, math.pi, 200, dtype=torch.float64)
    x = torch.stack([angles.cos(), angles.sin()], dim=1)
    proxies = torch.tensor(
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64
    )  # the second at a right angle to all
    x = torch.cat([x, torch.zeros(200, 1)], dim=1)
    own = torch.zeros(1, dtype=torch.int64)
    value = lambda margin: torch.stack(
        [arcface_loss(v[None], own, proxies, margin=margin, scale=4) for v in x]
    )
    for margin in (0.3, 1.0, 2.0):
        assert (value(margin).diff() >= 0).all() and (value(margin) >= value(0.0)).all()


def test_gradients(case):
    x, y, proxies, _ = case
    f = lambda e, p: arcface_loss(e, y[:5], p, scale=4)
    assert torch.autograd.gradcheck(f, (x[:5].requires_grad_(), proxies.requires_grad_()))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_on_the_proxy_and_opposite_to_it_gradients_are_finite(sign):
    proxies = torch.eye(3, requires_grad=True)
    x = (sign * torch.eye(3)).requires_grad_()
    value = arcface_loss(x, torch.arange(3), proxies)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(x.grad).all() and torch.isfinite(proxies.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("factor", [0.0, 1e-4, 1e4])
def test_extremes_stay_finite(case, dtype, factor):
    x, y, proxies, _ = case
    x = (factor * x).to(dtype).requires_grad_()
    value = arcface_loss(x, y, proxies.to(dtype))
    value.backward()
    assert value.dtype == torch.float32 and torch.isfinite(value) and torch.isfinite(x.grad).all()


def test_the_module_owns_its_proxies(case):
    x, y, _, _ = case
    loss = ArcFaceLoss(C, D, margin=0.3, scale=12).double()
    assert loss.proxies.shape == (C, D)
    assert torch.equal(loss(x, y), arcface_loss(x, y, loss.proxies, margin=0.3, scale=12))


def test_bad_input_is_named(case):
    x, y, proxies, several = case
    with pytest.raises(ValueError, match=r"proxies: expected shape \(C, d\)"):
        arcface_loss(x, y, several)
    with pytest.raises(ValueError, match="labels: expected labels < 2"):
        arcface_loss(x, torch.full_like(y, 2), proxies[:2])
    for bad in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="margin: expected"):
            ArcFaceLoss(C, D, margin=bad)
    with pytest.raises(ValueError, match="margin: expected an angle below pi"):
        ArcFaceLoss(C, D, margin=28.6)
    with pytest.raises(ValueError, match="scale: expected"):
        ArcFaceLoss(C, D, scale=0.0)
