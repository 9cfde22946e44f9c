"""What holds for every public loss and pooling: graph tools, half precision, integer widths, NumPy settings."""

import numpy as np
import pytest
import torch
from packaging.version import Version
from torch import nn

from dmlnb import _inputs, losses, pooling
from tests.every import LABELS, LOSSES, POOLINGS, C, D, M, N, exports_all, random_inputs

ENTRIES = LOSSES + POOLINGS
every = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
TESTED_ELSEWHERE = {  # they take networks, lists of maps or scores of blocks; see their own files
    "AlternatingProjection", "AttentionTransferLoss", "CrossBatchMemory", "FitNetLoss", "JointLoss", "ProximalAnchor",
    "TemplateSupervision", "class_template_loss", "class_halves", "relaxed_labels", "relative_distances",
    "violation_rate",
}  # fmt: skip
INSIDE_A_MODULE = {
    "arcface_loss", "proxy_anchor_loss", "proxy_nca_loss", "soft_triple_loss", "cross_batch_loss",
    "relaxed_contrastive_loss", "relaxed_multi_similarity_loss",
}  # fmt: skip


class AsModule(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def summed(function):
    return lambda *inputs: function(*inputs).square().sum()


def test_the_table_names_every_public_loss_and_pooling():
    named = {entry.name for entry in ENTRIES} | TESTED_ELSEWHERE | INSIDE_A_MODULE
    assert set(losses.__all__) <= named
    assert {name for name in pooling.__all__ if name.endswith("Pooling")} <= named


@exports_all
@every
def test_exports(entry):
    function, inputs = entry.make(), random_inputs(entry)
    if entry.refuses:
        with pytest.raises(Exception, match=entry.refuses):
            torch.export.export(AsModule(function), tuple(inputs))
        return
    program = torch.export.export(AsModule(function), tuple(inputs)).module()
    other = [0.75 * x + 0.25 * x.roll(1, 0) for x in inputs]  # no number of the first input may be baked in
    with torch.no_grad():
        for numbers in (inputs, other):
            assert torch.allclose(program(*numbers), function(*numbers), rtol=1e-4, atol=1e-6)


@every
def test_gradients_by_torch_func(entry):
    function, inputs = entry.make(), random_inputs(entry, torch.float64)
    function = function.double() if isinstance(function, nn.Module) else function
    if entry.refuses:
        with pytest.raises(ValueError, match=entry.refuses):
            torch.func.grad(summed(function))(*inputs)
        return
    first = inputs[0].clone().requires_grad_()
    (expected,) = torch.autograd.grad(summed(function)(first, *inputs[1:]), first)
    assert torch.allclose(torch.func.grad(summed(function))(*inputs), expected, rtol=1e-6, atol=1e-9)
    stacked = torch.stack([inputs[0], inputs[0].flip(0)])
    once = lambda x: function(x, *inputs[1:])
    wanted = torch.stack([once(x) for x in stacked])
    assert torch.allclose(torch.func.vmap(once)(stacked), wanted, rtol=1e-6, atol=1e-9)
    each = torch.func.vmap(torch.func.grad(summed(once)))(stacked)
    assert torch.allclose(each[0], expected, rtol=1e-6, atol=1e-9)


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_the_value_of_float32(entry, dtype):
    function, inputs = entry.make(), random_inputs(entry)
    expected = function(*inputs)
    rounding = (
        4 * torch.finfo(dtype).eps if entry in POOLINGS else 1e-4
    )  # poolings answer in the dtype they got
    with torch.autocast("cpu", dtype):
        assert torch.allclose(function(*inputs).float(), expected, rtol=rounding, atol=rounding / 10)
    half = [x.to(dtype) for x in inputs]
    found = (function.to(dtype) if isinstance(function, nn.Module) else function)(*half)
    assert found.dtype == (dtype if entry in POOLINGS else torch.float32)
    tolerance = 4 * torch.finfo(dtype).eps if entry in POOLINGS else 1e-4
    if entry.name == "template_kl":
        tolerance = 0.02  # its targets were rounded
    assert torch.allclose(found.float(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("entry", POOLINGS, ids=lambda entry: entry.name)
def test_every_pooling_says_what_it_did(entry):
    layer, (features,) = entry.make(), random_inputs(entry)
    pooled = layer.pool(features.abs())
    assert torch.allclose(pooled.vector, layer(features.abs()))
    assert pooled.weights.shape == (3, 4, 4) and (pooled.weights >= 0).all()
    assert torch.allclose(pooled.weights.sum((1, 2)), torch.ones(3))
    if hasattr(layer, "prototypes"):
        assert torch.allclose(pooled.attributes.sum(1), torch.ones(3)) and pooled.attributes.shape == (3, M)
    else:
        assert pooled.attributes is None


WIDTHS = [getattr(torch, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)]
WITH_LABELS = {
    **{
        name: getattr(losses, name)
        for name in ("contrastive_loss", "triplet_loss", "multi_similarity_loss", "supcon_loss")
    },
    "proxies": losses.ProxyAnchorLoss(C, D),
    "angle": losses.ArcFaceLoss(C, D),
    "nca": losses.ProxyNCALoss(C, D),
    "soft": losses.SoftTripleLoss(C, D, 2),
    "cross": losses.CrossBatchLoss(C, D),
    "terms": lambda x, y: losses.pair_terms(x, y, x, y).sum(),
    "dark": lambda x, y: losses.DarkRankLoss()(x, x.flip(0), y),
}


@pytest.mark.parametrize("name", WITH_LABELS)
@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_labels_of_every_width(name, width):
    x, loss = torch.randn(N, D), WITH_LABELS[name]
    assert torch.equal(loss(x, LABELS.to(width)), loss(x, LABELS))


def test_labels_that_int64_cannot_hold_are_named():
    huge = torch.tensor([2**63, 1], dtype=torch.uint64)
    with pytest.raises(ValueError, match="labels: expected labels >= 0 .and below 2..63."):
        losses.contrastive_loss(torch.randn(2, 3), huge)


SETTINGS = [
    (losses.ArcFaceLoss, (C, D), {"margin": 0.5, "scale": 64.0}),
    (losses.ProxyAnchorLoss, (C, D), {"alpha": 32.0, "delta": 0.1}),
    (losses.ProxyNCALoss, (C, D), {"temperature": 0.11}),
    (losses.SoftTripleLoss, (C, D, 3), {"scale": 78.0, "gamma": 59.0, "tau": 0.4, "margin": 0.4}),
    (losses.CrossBatchLoss, (C, D), {"ridge": 0.05, "scale": 9.5}),
    (losses.RelaxedContrastiveLoss, (), {"sigma": 1.0, "delta": 1.0}),
    (losses.RelaxedMultiSimilarityLoss, (), {"sigma": 1.0, "delta": 1.0, "alpha": 1.0, "beta": 2.0}),
    (losses.ProbabilisticTransferLoss, (), {"eps": 1e-7}),
    (losses.DarkRankLoss, (), {"alpha": 3.0, "beta": 3.0, "list_length": 4, "margin": 0.2}),
    (pooling.GeneralizedMeanPooling, (), {"power": 3.0, "eps": 1e-6}),
    (pooling.AttentionPooling, (D, M), {"sharpness": 5.0}),
    (pooling.HistogramPooling, (D, M), {"sharpness": 10.0}),
    (pooling.GeneralizedSumPooling, (D, M), {"mass": 0.3, "sharpness": 5.0, "power": 3.0, "memory_size": 0}),
]


@pytest.mark.parametrize("make, sizes, settings", SETTINGS, ids=lambda value: getattr(value, "__name__", ""))
def test_settings_may_be_numbers_of_numpy_and_must_be_sound(make, sizes, settings):
    def numpy(number):
        return np.int32(number) if isinstance(number, int) else np.float64(number)

    torch.manual_seed(0)
    plain = make(*sizes, **settings)
    torch.manual_seed(0)
    same = make(*map(numpy, sizes), **{name: numpy(value) for name, value in settings.items()})
    x = torch.rand(3, D, 4, 4) if make.__module__.startswith("dmlnb.pooling") else torch.randn(N, D)
    inputs = (x,) if x.ndim == 4 else (x, LABELS) if sizes else (x, x.flip(0))
    assert torch.equal(plain(*inputs), same(*inputs))
    same(*inputs)  # and again: nothing was changed by the first call
    for name in settings:
        for bad in (float("nan"), float("inf"), "5"):
            with pytest.raises(ValueError, match=f"^{name}: expected"):
                make(*sizes, **settings | {name: bad})
    for place in range(len(sizes)):
        for bad in (0, -1, 2.5):
            with pytest.raises(ValueError, match="expected a whole number >= 1"):
                make(*sizes[:place], bad, *sizes[place + 1 :], **settings)
    for name in {"alpha", "temperature", "sigma", "scale", "gamma", "ridge", "power", "eps", "mass"} & set(
        settings
    ):
        with pytest.raises(ValueError, match=f"^{name}: expected"):
            make(*sizes, **settings | {name: -1.0})


@pytest.mark.parametrize("entry", LOSSES, ids=lambda entry: entry.name)
def test_a_device_without_float64_is_given_none(entry, monkeypatch):
    """As on Apple's GPUs: with `widest` float32, no tensor of float64 appears."""
    seen = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, tuple) else (result,):
                if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float64:
                    seen.append(str(function))
            return result

    for module in ("dmlnb.prototypes.ridge", "dmlnb.pooling.gates", "dmlnb.geometry.covering"):
        monkeypatch.setattr(f"{module}.widest", lambda tensor: torch.float32)
    inputs = random_inputs(entry)
    inputs[0].requires_grad_()
    with Watch():
        entry.make()(*inputs).backward()
    assert not seen


def test_widest_is_float32_where_there_is_no_float64():
    class Apple:
        device = torch.device("mps")

    assert _inputs.widest(Apple()) == torch.float32 and _inputs.widest(torch.ones(1)) == torch.float64


COMPILED = [entry for entry in ENTRIES if not entry.refuses]
A_FEW = [
    "contrastive_loss",
    "triplet_loss",
    "SoftTripleLoss",
    "RelaxedContrastiveLoss",
    "GeneralizedSumPooling",
]


def with_backward(entry):
    """What torch 2.6 does to a long program is in docs/training.md."""
    slow = entry.name == "GeneralizedSumPooling" and Version(torch.__version__) < Version("2.7")
    marks = pytest.mark.skipif(slow, reason="torch 2.6 takes minutes")
    return pytest.param(entry, "aot_eager", marks=marks)


def value_and_gradient(function, inputs):
    first = inputs[0].clone().requires_grad_()
    value = function(first, *inputs[1:])
    return value, *torch.autograd.grad(value.square().sum(), first)


@pytest.mark.filterwarnings(
    "ignore:.*should not be instantiated:DeprecationWarning"
)  # older torch, of itself
@pytest.mark.filterwarnings("ignore:'onnxscript:FutureWarning")  # which torch 2.6 imports here
@pytest.mark.parametrize(
    "entry, backend",
    [(entry, "eager") for entry in COMPILED] + [with_backward(e) for e in COMPILED if e.name in A_FEW],
    ids=lambda value: getattr(value, "name", value),
)
def test_compiles_whole(entry, backend):
    function, inputs = entry.make(), random_inputs(entry)
    torch.compiler.reset()
    compiled = torch.compile(function, fullgraph=True, backend=backend)
    for found, right in zip(
        value_and_gradient(compiled, inputs), value_and_gradient(function, inputs), strict=True
    ):
        assert torch.allclose(found, right, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_a_compiled_loss_takes_other_labels_and_does_not_look_at_values():
    torch.compiler.reset()
    compiled = torch.compile(losses.contrastive_loss, fullgraph=True, backend="eager")
    x = torch.randn(N, D)
    for labels in (LABELS, LABELS.flip(0), torch.zeros(N, dtype=torch.int64)):
        assert torch.allclose(compiled(x, labels), losses.contrastive_loss(x, labels))
    assert compiled(x * torch.nan, LABELS).isnan()  # not an error, as without compiling
