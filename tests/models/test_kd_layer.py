import math

import pytest
import torch
from torch import nn

from dmlnb.models import KDLayer
from dmlnb.models.kd_layer import cosine_conv

B, C, K, H, W = 2, 3, 5, 2, 4


def make(value_ratio=0.7, channels=C, templates=K):
    layer = KDLayer(channels, templates, value_ratio).double()
    nn.init.normal_(layer.norm.weight, 1.0, 0.3)
    nn.init.normal_(layer.norm.bias, 0.0, 0.3)
    return layer


def u(z):
    return z / max(math.sqrt(sum(float(v) ** 2 for v in z)), 1e-12)


def slowly(layer, x):
    """The layer region by region, in training mode: map, scores, running mean and variance."""
    regions = [x[b, :, i, j] for b in range(B) for i in range(H) for j in range(W)]
    s = torch.stack(
        [torch.stack([layer.template_scale * (u(t) @ u(r)) for t in layer.templates]) for r in regions]
    )
    mean, var = s.mean(dim=0), s.var(dim=0, unbiased=False)
    p = torch.relu((s - mean) / torch.sqrt(var + 1e-5) * layer.norm.weight + layer.norm.bias)
    out = [
        r + layer.value_ratio * torch.stack([layer.value_scale * (u(w) @ u(p[i])) for w in layer.values])
        for i, r in enumerate(regions)
    ]
    grid = lambda rows: torch.stack(rows).view(B, H, W, -1).permute(0, 3, 1, 2)
    return grid(out), grid(list(s)), mean, s.var(dim=0)


def test_forward_and_running_statistics_against_a_loop():
    layer, x = make(), torch.randn(B, C, H, W, dtype=torch.float64)
    with torch.no_grad():
        expected, scores, mean, var = slowly(layer, x)
        found, found_scores = layer(x)
    assert torch.allclose(found, expected, atol=1e-12) and torch.allclose(found_scores, scores, atol=1e-12)
    assert torch.allclose(layer.norm.running_mean, 0.1 * mean, atol=1e-12)
    assert torch.allclose(layer.norm.running_var, 0.9 + 0.1 * var, atol=1e-12)


def test_all_gradients_against_autograd_of_plain_torch():
    layer = make()
    x = torch.randn(B, C, H, W, dtype=torch.float64, requires_grad=True)
    parameters = [x, *layer.parameters()]
    weights = torch.randn(B, C, H, W, dtype=torch.float64), torch.randn(B, K, H, W, dtype=torch.float64)

    def plain(x):
        unit = lambda z, dim: z / z.norm(dim=dim, keepdim=True).clamp(min=1e-12)
        s = layer.template_scale * torch.einsum("kc,bchw->bkhw", unit(layer.templates, 1), unit(x, 1))
        mean, var = s.mean(dim=(0, 2, 3), keepdim=True), s.var(dim=(0, 2, 3), unbiased=False, keepdim=True)
        p = torch.relu(
            (s - mean) / torch.sqrt(var + 1e-5) * layer.norm.weight[:, None, None]
            + layer.norm.bias[:, None, None]
        )
        v = layer.value_scale * torch.einsum("ck,bkhw->bchw", unit(layer.values, 1), unit(p, 1))
        return x + layer.value_ratio * v, s

    read = lambda outputs: sum((w * o).sum() for w, o in zip(weights, outputs, strict=True))
    ours = torch.autograd.grad(read(layer(x)), parameters)
    theirs = torch.autograd.grad(read(plain(x)), parameters)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-10)


@pytest.mark.parametrize(
    "channels, templates", [(3, 5), (5, 3)]
)  # the two sides on which the length is divided out
def test_gradcheck_of_the_cosine_convolution(channels, templates):
    x = torch.randn(2, channels, 1, 2, dtype=torch.float64, requires_grad=True)
    w = torch.randn(templates, channels, dtype=torch.float64, requires_grad=True)
    scale = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(cosine_conv, (x, w, scale))
    for b in range(2):
        for k in range(templates):
            expected = 1.3 * torch.cosine_similarity(w[k], x[b, :, 0, 1], dim=0)
            assert torch.allclose(cosine_conv(x, w, scale)[b, k, 0, 1], expected)


def test_a_zero_region_beside_others_gets_a_cosine_and_a_slope_of_its_own():
    x, w = torch.randn(1, 3, 1, 2), torch.randn(5, 3)
    alone = cosine_conv(x[..., 1:], w, 1.0)
    x[..., 0] = 0
    x.requires_grad_()
    scores = cosine_conv(x, w, 1.0)
    assert torch.equal(scores[..., 0], torch.zeros(1, 5, 1)) and torch.allclose(scores[..., 1:], alone)
    scores[..., 0].sum().backward()
    assert torch.allclose(x.grad[0, :, 0, 0], (w / w.norm(dim=1, keepdim=True)).sum(dim=0), atol=1e-6)


def test_number_of_parameters_and_initial_values():
    layer = KDLayer(64, 4096)
    assert sum(p.numel() for p in layer.parameters()) == 2 * 64 * 4096 + 2 * 4096 + 2 == 532_482
    assert layer.template_scale == 3.0 and layer.value_scale == 1.0
    assert layer.templates.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.02)
    assert layer.values.std().item() == pytest.approx((2 / 4096) ** 0.5, rel=0.02)


def test_value_ratio_zero_is_the_identity_and_passes_no_gradient_to_the_values():
    layer, x = make(0.0), torch.randn(B, C, H, W, dtype=torch.float64)
    found, scores = layer(x)
    assert torch.equal(found, x)
    (found.sum() + scores.sum()).backward()
    assert not layer.values.grad.any() and layer.templates.grad.any()


@pytest.mark.parametrize("training", [True, False])
def test_a_region_that_no_template_fits_keeps_its_features_to_the_bit(training):
    layer, x = make().train(training), torch.randn(B, C, H, W, dtype=torch.float64)
    layer.norm.bias.data.fill_(-50.0)
    assert torch.equal(layer(x)[0], x)


def test_length_of_the_value_is_bounded():
    for seed in range(20):
        torch.manual_seed(seed)
        layer, x = make(1.0), 10 * torch.randn(B, C, H, W, dtype=torch.float64)
        value = layer(x)[0] - x
        assert value.norm(dim=1).max() <= layer.value_scale * C**0.5 + 1e-9


def test_only_which_templates_match_counts():
    layer, x = make().eval(), torch.randn(B, C, H, W, dtype=torch.float64)
    before = layer(x)[0]
    layer.norm.weight.data *= 7
    layer.norm.bias.data *= 7
    assert torch.allclose(layer(x)[0], before, atol=1e-12)


def test_in_training_bn_cancels_the_template_scale():
    layer, x = make(), torch.randn(B, C, H, W, dtype=torch.float64)
    layer.norm.eps = 1e-12
    before = layer(x)[0]
    layer.template_scale.data *= 10
    assert torch.allclose(layer(x)[0], before, atol=1e-6)


def test_value_is_a_mixture_of_semantic_vectors_with_unit_length_coefficients():
    layer, x = make().eval(), torch.randn(B, C, H, W, dtype=torch.float64)
    p = layer.matches(layer.scores(x))
    p = p / p.norm(dim=1, keepdim=True)
    expected = x + layer.value_ratio * torch.einsum("bkhw,kc->bchw", p, layer.semantic_vectors())
    assert torch.allclose(layer(x)[0], expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(2, C, 2, 2),
        torch.ones(2, C, 2, 2),
        1e4 * torch.randn(2, C, 2, 2),
        1e-3 * torch.ones(1, C, 1, 2),  # float16: the slope 1e7 of a vector of length 1e-7 is no float16
    ],
)
def test_extremes_stay_finite(dtype, x):
    layer = KDLayer(C, K)
    x = x.detach().to(dtype).requires_grad_()
    out, scores = layer(x)
    assert out.dtype == dtype and scores.dtype == torch.float32
    (out.float().sum() + scores.sum()).backward()
    for g in (x.grad, *(p.grad for p in layer.parameters())):
        assert torch.isfinite(g).all() and g.abs().max() < 1e8


def test_autocast_leaves_the_cosines_in_float32():
    layer, x = KDLayer(C, K).eval(), torch.randn(2, C, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, scores = layer(x)
    assert (
        scores.dtype == torch.float32 and torch.equal(scores, layer(x)[1]) and torch.equal(out, layer(x)[0])
    )


@pytest.mark.parametrize("arguments", [(0, 4), (4, 0), (4, 4, math.inf), (4, 4, math.nan)])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="expected"):
        KDLayer(*arguments)


@pytest.mark.parametrize(
    "x, words",
    [
        (torch.zeros(2, C + 1, 2, 2), "of shape"),
        (torch.zeros(2, C, 2), "of shape"),
        (torch.zeros(2, C, 2, 2, dtype=torch.int64), "floating point"),
        (torch.zeros(1, C, 1, 1), "two regions"),
        (torch.full((2, C, 2, 2), torch.nan), "finite"),
    ],
)
def test_bad_features(x, words):
    with pytest.raises(ValueError, match=words):
        KDLayer(C, K)(x)


def test_a_single_region_is_fine_in_evaluation():
    assert KDLayer(C, K).eval()(torch.randn(1, C, 1, 1))[0].shape == (1, C, 1, 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_layer_in_half_precision_runs_near_the_wide_one(dtype):
    layer, x = KDLayer(6, 9).eval(), torch.randn(2, 6, 3, 3)
    wanted = layer(x)[0]
    found = layer.to(dtype)(x.to(dtype))[0]
    assert found.dtype == dtype and torch.allclose(found.float(), wanted, rtol=0.05, atol=0.1)


def test_read_is_what_calling_it_gives():
    layer, x = KDLayer(6, 9).eval(), torch.randn(2, 6, 3, 3)
    assert all(torch.equal(a, b) for a, b in zip(layer.read(x), layer(x), strict=True))
