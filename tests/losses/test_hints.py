import pytest
import torch

from dmlnb.losses import AttentionTransferLoss, FitNetLoss
from dmlnb.losses.hints import attention_map


def maps(*channels, batch=3, size=4, dtype=torch.float64):
    return [torch.randn(batch, c, size, size, dtype=dtype) for c in channels]


def test_fitnet_against_a_loop():
    loss = FitNetLoss((2, 3), (4, 5)).double()
    targets, sources = maps(2, 3), maps(4, 5)
    total = 0.0
    for layer, (t, s) in enumerate(zip(targets, sources, strict=True)):
        weight = loss.regressors[layer].weight[:, :, 0, 0]
        errors = [
            ((weight @ t[b, :, y, x] - s[b, :, y, x]) ** 2).sum().item()
            for b in range(3)
            for y in range(4)
            for x in range(4)
        ]
        total += sum(errors) / s.numel()
    assert loss(targets, sources).item() == pytest.approx(total, rel=1e-12)


def test_fitnet_can_be_solved_by_its_regressors():
    loss = FitNetLoss((6,), (4,)).double()
    targets = maps(6)
    mixing = torch.randn(4, 6, dtype=torch.float64)
    sources = [torch.einsum("sc,bchw->bshw", mixing, targets[0])]
    assert loss(targets, sources) > 0.1
    loss.regressors[0].weight.data = mixing[:, :, None, None]
    assert loss(targets, sources) < 1e-20


def test_attention_against_a_loop():
    targets, sources = maps(2, 3), maps(4, 5)

    def attention(image):
        v = torch.stack([(image[:, y, x] ** 2).mean() for y in range(4) for x in range(4)])
        return v / v.norm()

    total = 0.0
    for t, s in zip(targets, sources, strict=True):
        total += (
            sum(((attention(a) - attention(b)) ** 2).sum().item() for a, b in zip(t, s, strict=True)) / 48
        )
    assert AttentionTransferLoss()(targets, sources).item() == pytest.approx(total, rel=1e-12)


def test_attention_sees_where_but_neither_how_much_nor_what():
    (t,) = maps(4)
    loss = AttentionTransferLoss()
    assert loss([t], [7 * t]) < 1e-20 and loss([t], [t[:, [2, 0, 3, 1]]]) < 1e-20
    assert loss([t], [-t]) < 1e-20 and loss([t], [t.flip(-1)]) > 1e-4


def test_gradients():
    targets, sources = maps(2, 3, batch=2, size=2), maps(4, 5, batch=2, size=2)
    for t in targets:
        t.requires_grad_()
    fitnet = FitNetLoss((2, 3), (4, 5)).double()
    for loss in (fitnet, AttentionTransferLoss()):
        assert torch.autograd.gradcheck(lambda a, b, loss=loss: loss([a, b], sources), targets)
    for s in sources:
        s.requires_grad_()
    fitnet(targets, sources).backward()
    assert all(s.grad is None for s in sources)
    assert all(r.weight.grad.abs().sum() > 0 for r in fitnet.regressors)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_empty_maps_stay_finite(dtype):
    zero = torch.zeros(2, 3, 4, 4, dtype=dtype, requires_grad=True)
    value = AttentionTransferLoss()([zero], maps(3, batch=2, dtype=dtype))
    value.backward()
    assert value.dtype == torch.float32 and torch.isfinite(value) and torch.isfinite(zero.grad).all()
    assert (attention_map(zero) == 0).all()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="one number a layer"):
        FitNetLoss((2,), (3, 4))
    with pytest.raises(ValueError, match="layer"):
        FitNetLoss((), ())
    for loss in (FitNetLoss((2,), (4,)).double(), AttentionTransferLoss()):
        for targets, sources in (
            ([], []),
            (maps(2), maps(4, 4)),
            (maps(2), maps(4, size=3)),
            (maps(2), maps(4, batch=2)),
        ):
            with pytest.raises(ValueError, match="target_maps, source_maps"):
                loss(targets, sources)
    with pytest.raises(ValueError, match="channels"):
        FitNetLoss((2,), (4,)).double()(maps(3), maps(4))


@pytest.mark.parametrize("size", [1e-30, 1e-9, 1.0, 1e20])
def test_an_attention_map_has_unit_length_whatever_the_size(size):
    features = torch.rand(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(attention_map(size * features), attention_map(features), atol=1e-6)
    assert attention_map(size * features).norm(dim=1).tolist() == pytest.approx([1, 1])
