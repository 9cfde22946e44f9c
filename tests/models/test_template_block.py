import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import relu

from dmlnb.models import (
    CosineTemplates,
    EmbeddingNet,
    TemplateBlock,
    small_resnet,
    torchvision_backbone,
)
from dmlnb.pooling import GlobalAveragePooling


def trained(*args, **kwargs):
    """A float64 block in evaluation mode with everything away from its start."""
    block = TemplateBlock(*args, **kwargs).double()
    block.vectors.data.normal_()
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.normal_()
    return block.eval()


def loop(block, x, share):
    """x_i + sum_k p_k|i nu_k, one region and one template at a time."""
    out = x.clone()
    for b in range(x.shape[0]):
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                for k in range(share.shape[1]):
                    out[b, :, i, j] += share[b, k, i, j] * block.vectors[:, k]
    return out


OPTIONS = [
    {},
    {"kernel_size": 3},
    {"cosine": True},
    {"reduced": 4, "kernel_size": 3},
    {"reduced": 4, "cosine": True},
    {"assignment": "softmax"},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_block_is_the_explicit_sum(options):
    block = trained(6, 9, **options)
    x = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    matches = block.match(x)
    assert matches.scores.shape == matches.assignment.shape == (2, 9, 4, 5)
    assert torch.allclose(block(x), loop(block, x, matches.assignment), atol=1e-12, rtol=0)
    assert torch.allclose(block(x) - x, matches.update, atol=1e-12, rtol=0)


def test_relu_and_softmax_assignment_by_hand():
    x = torch.randn(3, 4, 2, 2, dtype=torch.float64)
    for kind in ("relu", "softmax"):
        block = trained(4, 5, assignment=kind)
        scores = torch.einsum("bchw,kc->bkhw", x, block.templates.weight[:, :, 0, 0])
        norm = block.norm
        standardised = (scores - norm.running_mean.view(-1, 1, 1)) / (
            norm.running_var + norm.eps
        ).sqrt().view(-1, 1, 1)
        fit = standardised * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)
        wanted = relu(fit) if kind == "relu" else fit.exp() / (1 + fit.exp().sum(dim=1, keepdim=True))
        assert torch.allclose(block.match(x).assignment, wanted, atol=1e-12)


def test_a_reduced_block_is_the_preactivation_bottleneck():
    block = trained(8, 4, reduced=4, kernel_size=3)
    last = nn.Conv2d(4, 8, 1, bias=False).double()
    last.weight.data = block.vectors.data[:, :, None, None]
    bottleneck = nn.Sequential(*block.reduce, block.templates, block.norm, nn.ReLU(), last)
    x = torch.randn(2, 8, 5, 5, dtype=torch.float64)
    assert torch.allclose(block(x), x + bottleneck(x), atol=1e-12)
    kinds = [type(m).__name__ for m in bottleneck]
    assert kinds == ["BatchNorm2d", "ReLU", "Conv2d"] * 3  # norm, activation, convolution, three times


@pytest.mark.parametrize("options", OPTIONS)
def test_a_fresh_block_is_the_identity_and_still_learns(options):
    block = TemplateBlock(6, 9, **options).train()
    x = torch.randn(2, 6, 4, 4)
    assert torch.equal(block(x), x)
    (block(x) - 1).square().sum().backward()
    assert block.vectors.grad.abs().max() > 0


def test_cosine_scores_are_bounded_and_blind_to_length():
    templates = CosineTemplates(5, 7, scale=3.0).double()
    x = torch.randn(2, 5, 3, 3, dtype=torch.float64)
    scores = templates(x)
    assert scores.abs().max() <= 3 + 1e-12
    assert torch.allclose(scores, templates(17 * x), atol=1e-12)
    region = x[1, :, 2, 0]
    wanted = 3 * torch.cosine_similarity(templates.weight[:, :, 0, 0], region[None], dim=1)
    assert torch.allclose(scores[1, :, 2, 0], wanted, atol=1e-12)
    assert torch.equal(templates(torch.zeros(1, 5, 2, 2).double()), torch.zeros(1, 7, 2, 2).double())


def test_zero_mean_vectors_add_nothing_for_an_even_assignment():
    block = trained(6, 9, zero_mean=True)
    assert block.vectors.mean(dim=1).abs().max() > 0.01
    block.norm.weight.data.zero_()
    block.norm.bias.data.fill_(0.7)  # every template gets 0.7 everywhere
    x = torch.randn(2, 6, 3, 3, dtype=torch.float64)
    assert torch.allclose(block.match(x).assignment, torch.full((2, 9, 3, 3), 0.7).double())
    assert torch.allclose(block(x), x, atol=1e-12)
    block.zero_mean = False
    assert not torch.allclose(block(x), x, atol=1e-3)


def test_zero_mean_in_the_forward_pass_is_the_projection_after_each_step_of_gradient_descent():
    torch.manual_seed(0)
    inside = TemplateBlock(4, 5, zero_mean=True).double()
    after = TemplateBlock(4, 5).double()
    after.load_state_dict(inside.state_dict())
    x, goal = torch.randn(2, 3, 4, 3, 3, dtype=torch.float64)
    for block in (inside, after):
        optimizer = torch.optim.SGD(block.parameters(), lr=0.05)
        for _ in range(5):
            optimizer.zero_grad()
            (block(x) - goal).square().sum().backward()
            optimizer.step()
            if block is after:
                block.vectors.data -= block.vectors.data.mean(dim=1, keepdim=True)
    assert torch.allclose(inside.eval()(x), after.eval()(x), atol=1e-10)
    assert (inside(x) - x).abs().max() > 0.01


@pytest.mark.parametrize("options", OPTIONS)
def test_gradients(options):
    block = trained(3, 4, **options)
    x = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, [x])


def test_a_region_below_all_thresholds_is_left_alone():
    block = trained(4, 6)
    block.norm.bias.data.fill_(-1e3)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64)
    assert torch.equal(block(x), x)


def test_it_drops_into_small_resnet_and_learns():
    backbone = small_resnet().append(TemplateBlock(64, 10, cosine=True))
    net = EmbeddingNet(backbone, GlobalAveragePooling(), 8)
    x = torch.randn(4, 1, 32, 32)
    out = net(x)
    assert out.shape == (4, 8)
    out.square().sum().backward()
    assert backbone[-1].vectors.grad.abs().max() > 0
    inner = small_resnet().insert(4, TemplateBlock(24, 5))
    assert inner(x).shape == (4, 64, 8, 8)


@pytest.mark.parametrize("name, channels", [("resnet18", 512), ("resnet50", 2048)])
def test_it_drops_into_a_torchvision_resnet_without_disturbing_it(name, channels):
    net = torchvision_backbone(name).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before = net(x)
        net.stages[7].append(TemplateBlock(channels, 10, cosine=True))  # behind layer4
        net.stages[6].append(TemplateBlock(channels // 2, 10, reduced=32, kernel_size=3))  # behind layer3
        assert torch.equal(net.eval()(x), before)


def test_it_can_be_copied_saved_and_exported():
    block = trained(6, 9, cosine=True).float()
    x = torch.randn(2, 6, 4, 4)
    copied = copy.deepcopy(block)
    fresh = TemplateBlock(6, 9, cosine=True).eval()
    fresh.load_state_dict(block.state_dict())
    exported = torch.export.export(block, (x,)).module()
    for other in (copied, fresh, exported):
        assert torch.allclose(other(x), block(x), atol=1e-6)


@pytest.mark.parametrize(
    "x", [torch.zeros(2, 6, 3, 3), torch.full((2, 6, 3, 3), 1e4), torch.randn(2, 6, 1, 1)]
)
def test_extreme_maps(x):
    for options in OPTIONS:
        block = TemplateBlock(6, 9, **options).train()
        block.vectors.data.normal_()
        assert torch.isfinite(block(x)).all()


def test_a_region_of_zeros_has_score_zero_and_a_small_gradient():
    block = TemplateBlock(6, 9, cosine=True)
    torch.nn.init.normal_(block.vectors)
    x = torch.randn(2, 6, 3, 3)
    x[0, :, 1, 1] = 0
    x.requires_grad_()
    assert (block.templates(x)[0, :, 1, 1] == 0).all()
    block(block(x)).square().sum().backward()
    assert torch.isfinite(x.grad).all() and x.grad.abs().max() < 1e4
    assert torch.isfinite(block.templates(x.detach().half())).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    block = trained(6, 9, cosine=True).float()
    x = torch.randn(2, 6, 3, 3)
    wanted = block(x)
    found = block.to(dtype)(x.to(dtype))
    assert found.dtype == dtype and torch.allclose(found.float(), wanted, rtol=0.05, atol=0.1)


def test_autocast_leaves_cosines_in_float32():
    templates, x = CosineTemplates(6, 9), torch.randn(2, 6, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = templates(x)
    assert scores.dtype == torch.float32 and torch.equal(scores, templates(x))


@pytest.mark.parametrize("num_templates", [3, 9])  # the two sides on which the length is divided out
def test_the_slope_at_a_region_without_direction_is_small(num_templates):
    x = torch.zeros(2, 6, 3, 3, requires_grad=True)
    CosineTemplates(6, num_templates)(x).sum().backward()
    assert 0 < x.grad.abs().max() <= 10 * num_templates


def test_infinite_numbers_do_not_reach_the_running_means():
    block = TemplateBlock(6, 4)
    with pytest.raises(ValueError, match="x: expected finite"):
        block(torch.full((2, 6, 3, 3), torch.nan))
    assert torch.isfinite(block.norm.running_mean).all()
    with pytest.raises(ValueError, match="value_ratio: expected a finite"):
        TemplateBlock(6, 4, value_ratio=float("nan"))


@pytest.mark.parametrize("training", [True, False])
def test_reading_it_gives_the_map_and_the_scores(training):
    block, x = trained(6, 4, cosine=True).float().train(training), torch.randn(2, 6, 3, 3)
    before = block.state_dict() | {}
    matches = copy.deepcopy(block).match(x)
    x_hat, scores = block.read(x)
    assert torch.equal(scores, matches.scores) and torch.equal(x_hat, x + matches.update)
    assert before.keys() == block.state_dict().keys()


@pytest.mark.parametrize("arguments, options, words", [
    ((0, 4), {}, "^channels: "),
    ((4, 0), {}, "^num_templates: "),
    ((4, 4), {"reduced": 0}, "reduced"),
    ((4, 4), {"kernel_size": 2}, "kernel_size: expected an odd size"),
    ((4, 4), {"kernel_size": 3, "cosine": True}, "1 with cosine"),
    ((4, 4), {"assignment": "argmax"}, "assignment: expected 'relu' or 'softmax'"),
])  # fmt: skip
def test_bad_arguments(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        TemplateBlock(*arguments, **options)


@pytest.mark.parametrize("shape", [(2, 5, 3, 3), (6, 3, 3), (0, 6, 3, 3), (2, 6, 0, 3)])
def test_bad_maps(shape):
    with pytest.raises(ValueError, match=r"x: expected floating point of shape \(B, 6, H, W\)"):
        TemplateBlock(6, 4)(torch.zeros(shape))


def test_bad_scale():
    with pytest.raises(ValueError, match="scale: expected a number > 0"):
        CosineTemplates(4, 4, scale=0.0)


def test_the_value_ratio_multiplies_the_update():
    block = trained(4, 5)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64)
    update = block.match(x).update
    block.value_ratio = 0.1
    assert torch.allclose(block.match(x).update, 0.1 * update, atol=1e-14)
