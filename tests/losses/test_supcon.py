import math

import pytest
import torch

from dmlnb.losses import supcon_loss
from tests.losses.small import C, D, cosine


def batch(n=12, classes=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, D, generator=g, dtype=torch.float64), torch.randint(0, classes, (n,), generator=g)


def by_loops(x, y, temperature):
    surprises = []
    for a in range(len(x)):
        others = [i for i in range(len(x)) if i != a]
        weight = {i: math.exp(cosine(x[a], x[i]) / temperature) for i in others}
        own = [-math.log(weight[i] / sum(weight.values())) for i in others if y[i] == y[a]]
        if own:
            surprises.append(sum(own) / len(own))
    return sum(surprises) / len(surprises)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_against_a_loop(temperature):
    x, y = batch()
    y[0] = 7  # the only one of its class: it is compared with, but is no anchor
    assert supcon_loss(x, y, temperature=temperature).item() == pytest.approx(by_loops(x, y, temperature))


def test_two_samples_by_hand():
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    y = torch.tensor([0, 0, 1, 1])
    assert supcon_loss(x, y, temperature=1.0).item() == pytest.approx(math.log(math.e + 2) - 1)


def test_equal_to_pytorch_metric_learning():
    from pytorch_metric_learning.losses import SupConLoss

    x, y = batch(24, 5, seed=1)
    a, b = (x.clone().requires_grad_() for _ in range(2))
    ours, theirs = supcon_loss(a, y, temperature=0.2), SupConLoss(temperature=0.2)(b, y)
    assert ours.item() == pytest.approx(theirs.item())
    ours.backward(), theirs.backward()
    assert torch.allclose(a.grad, b.grad)


def test_references_equal_pytorch_metric_learning():
    from pytorch_metric_learning.losses import SupConLoss

    (x, y), (r, z) = batch(10), batch(14, seed=2)
    ours = supcon_loss(x, y, references=r, reference_labels=z)
    assert ours.item() == pytest.approx(SupConLoss(temperature=0.1)(x, y, ref_emb=r, ref_labels=z).item())


def test_two_views_of_each_image_are_nt_xent():
    from pytorch_metric_learning.losses import NTXentLoss

    x, y = batch(16)[0], torch.arange(8).repeat(2)
    assert supcon_loss(x, y, temperature=0.3).item() == pytest.approx(
        NTXentLoss(temperature=0.3)(x, y).item()
    )
    three = torch.arange(16) % 5  # more positives are in each other's denominator here, and are not there
    assert supcon_loss(x, three, temperature=0.3) > NTXentLoss(temperature=0.3)(x, three) + 0.01


def test_gradients():
    x, y = batch(6)
    assert torch.autograd.gradcheck(lambda e: supcon_loss(e, y), (x.requires_grad_(),))


def test_order_scale_and_label_names_do_not_matter():
    x, y = batch()
    order = torch.randperm(len(x))
    assert torch.allclose(supcon_loss(x, y), supcon_loss(5 * x[order], 100 - y[order]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("case", ["equal", "zero", "huge", "tiny", "one sample", "one class", "no positives"])
def test_extremes_stay_finite(dtype, case):
    x, y = batch()
    x = {"equal": torch.ones(12, D), "zero": torch.zeros(12, D), "huge": x * 1e4, "tiny": x * 1e-4}.get(
        case, x
    )
    y = {"one class": torch.zeros_like(y), "no positives": torch.arange(12)}.get(case, y)
    x, y = (x[:1], y[:1]) if case == "one sample" else (x, y)
    x = x.to(dtype).requires_grad_()
    value = supcon_loss(x, y)
    assert value.dtype == torch.float32 and torch.isfinite(value) and value >= 0
    assert (value == 0) == (case in ("one sample", "no positives"))
    value.backward()
    assert torch.isfinite(x.grad).all()


def test_bad_input_is_named():
    x, y = batch()
    for bad, message in ((x[0], "embeddings"), (x * torch.nan, "finite")):
        with pytest.raises(ValueError, match=message):
            supcon_loss(bad, y)
    with pytest.raises(ValueError, match="labels"):
        supcon_loss(x, y[:-1])
    with pytest.raises(ValueError, match="temperature: expected a number > 0"):
        supcon_loss(x, y, temperature=0.0)
    with pytest.raises(ValueError, match="references, reference_labels"):
        supcon_loss(x, y, references=torch.ones(C, D))
