import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from dmlnb.losses import ProxyAnchorLoss, TemplateSupervision, class_template_loss
from dmlnb.models import TemplateBlock


def loop(scores, labels, variant):
    """Region by region, image by image."""
    total = 0.0
    for image, label in zip(scores, labels, strict=True):
        regions = image.flatten(1).T  # (n, K)
        if variant == "pooled":
            regions = regions.mean(dim=0, keepdim=True)
        total += sum(-torch.log_softmax(r, 0)[label] for r in regions) / len(regions)
    return total / len(scores)


@pytest.mark.parametrize("variant", ["dense", "pooled"])
def test_loop_twin(variant):
    scores, labels = torch.randn(4, 6, 3, 2, dtype=torch.float64), torch.tensor([0, 5, 2, 2])
    found = class_template_loss(scores, labels, variant=variant)
    assert found.item() == pytest.approx(loop(scores, labels, variant).item(), abs=1e-12)


def test_closed_forms():
    even = torch.zeros(2, 8, 3, 3)
    for variant in ("dense", "pooled"):
        found = class_template_loss(even, torch.tensor([1, 7]), variant=variant)
        assert found.item() == pytest.approx(torch.log(torch.tensor(8.0)).item(), rel=1e-6)
    flat = torch.randn(3, 5, 1, 1).expand(3, 5, 4, 4)  # no region differs: the variants agree
    labels = torch.tensor([0, 1, 4])
    assert torch.allclose(
        class_template_loss(flat, labels), class_template_loss(flat, labels, variant="pooled")
    )


def test_the_pooled_loss_is_never_larger():
    for seed in range(20):
        torch.manual_seed(seed)
        scores, labels = 3 * torch.randn(4, 6, 3, 3), torch.randint(6, (4,))
        assert class_template_loss(scores, labels, variant="pooled") <= class_template_loss(scores, labels)


def test_pooled_leaves_single_regions_free_and_dense_does_not():
    """Half of the regions silent: pooled can be as small as one likes, dense stays above half of log K."""
    scores = torch.zeros(1, 4, 1, 2)
    scores[0, 1, 0, 0] = 1000.0
    label = torch.tensor([1])
    assert class_template_loss(scores, label, variant="pooled") < 1e-6
    assert class_template_loss(scores, label).item() == pytest.approx(
        0.5 * torch.log(torch.tensor(4.0)).item()
    )


def test_several_templates_a_class():
    scores, labels = torch.randn(2, 6, 2, 2), torch.tensor([0, 2])
    merged = torch.stack([scores[:, [2 * c, 2 * c + 1]].logsumexp(dim=1) for c in range(3)], dim=1)
    for variant in ("dense", "pooled"):
        found = class_template_loss(scores, labels, variant=variant, per_class=2)
        assert torch.allclose(found, class_template_loss(merged, labels, variant=variant))


def test_dense_is_distillation_from_one_hot_targets():
    """KL divergence to a one-hot target is the cross-entropy: the case without a teacher."""
    scores, labels = torch.randn(3, 5, 2, 2, dtype=torch.float64), torch.tensor([4, 0, 1])
    target = torch.nn.functional.one_hot(labels, 5).double()[:, :, None, None].expand_as(scores)
    kl = (torch.xlogy(target, target) - target * torch.log_softmax(scores, 1)).sum(1).mean()
    assert torch.allclose(kl, class_template_loss(scores, labels), atol=1e-14)


@pytest.mark.parametrize("variant", ["dense", "pooled"])
@pytest.mark.parametrize("per_class", [1, 2])
def test_gradients(variant, per_class):
    scores = torch.randn(2, 4, 2, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 1])
    assert torch.autograd.gradcheck(
        lambda s: class_template_loss(s, labels, variant=variant, per_class=per_class), [scores]
    )


@pytest.mark.parametrize("scores", [
    torch.zeros(1, 1, 1, 1), torch.full((2, 3, 2, 2), 1e30), torch.randn(2, 3, 2, 2).bfloat16(),
    torch.randn(2, 3, 2, 2).half(),
])  # fmt: skip
def test_edge_cases(scores):
    found = class_template_loss(scores, torch.zeros(len(scores), dtype=torch.int64))
    assert torch.isfinite(found) and found.dtype == torch.float32


def test_one_image_and_one_class_in_the_batch_and_small_integers():
    scores = torch.randn(1, 4, 2, 2)
    assert class_template_loss(scores, torch.tensor([3], dtype=torch.int32)) > 0


@pytest.mark.parametrize("scores, labels, options, words", [
    (torch.zeros(2, 3), torch.tensor([0, 1]), {}, "scores: expected"),
    (torch.zeros(2, 3, 0, 2), torch.tensor([0, 1]), {}, "scores: expected"),
    (torch.zeros(2, 3, 1, 1, dtype=torch.int64), torch.tensor([0, 1]), {}, "scores: expected"),
    (torch.zeros(2, 3, 1, 1), torch.tensor([0]), {}, "labels: expected shape"),
    (torch.zeros(2, 3, 1, 1), torch.tensor([0, 3]), {}, "labels: expected labels < 3"),
    (torch.zeros(2, 3, 1, 1), torch.tensor([0, -1]), {}, "labels: expected labels >= 0"),
    (torch.zeros(2, 4, 1, 1), torch.tensor([0, 2]), {"per_class": 2}, "labels: expected labels < 2"),
    (torch.zeros(2, 3, 1, 1), torch.tensor([0, 1]), {"per_class": 2}, "per_class: expected a divisor of 3"),
    (torch.zeros(2, 3, 1, 1), torch.tensor([0, 1]), {"variant": "soft"}, "variant: expected"),
])  # fmt: skip
def test_bad_inputs(scores, labels, options, words):
    with pytest.raises(ValueError, match=words):
        class_template_loss(scores, labels, **options)


# --- supervision --------------------------------------------------------------------------------------------------


def square(embeddings, labels):
    return embeddings.square().mean()


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_supervision_adds_the_weighted_losses_of_all_blocks(weight):
    blocks = [TemplateBlock(4, 6), TemplateBlock(4, 6, cosine=True)]
    loss = TemplateSupervision(square, blocks, weight=weight, variant="pooled")
    x, labels = torch.randn(3, 4, 2, 2), torch.tensor([0, 5, 3])
    middle = blocks[0](x)
    found = loss(blocks[1](middle).mean(dim=(2, 3)), labels)
    parts = [
        class_template_loss(block.templates(m), labels, variant="pooled")
        for block, m in zip(blocks, (x, middle), strict=True)
    ]
    wanted = square(x.mean(dim=(2, 3)), labels) + weight * sum(parts)  # fresh blocks are the identity
    assert torch.allclose(found, wanted)


def test_supervision_reaches_templates_although_vectors_are_zero():
    block = TemplateBlock(4, 6)
    loss = TemplateSupervision(square, [block])
    loss(block(torch.randn(3, 4, 2, 2)).mean(dim=(2, 3)), torch.tensor([0, 5, 3])).backward()
    assert block.templates.weight.grad.abs().max() > 0
    assert block.norm.weight.grad.abs().max() == 0  # the loss stands before the normalisation


def test_parameters_are_the_bases_alone():
    block, base = TemplateBlock(4, 6), ProxyAnchorLoss(6, 4)
    loss = TemplateSupervision(base, [block])
    assert [p is base.proxies for p in loss.parameters()] == [True]


def test_evaluation_keeps_no_scores_and_a_loss_needs_a_forward_pass():
    block = TemplateBlock(4, 6)
    loss = TemplateSupervision(square, [block])
    x, labels = torch.randn(3, 4, 2, 2), torch.tensor([0, 5, 3])
    block.eval()(x)
    with pytest.raises(ValueError, match="blocks: expected one forward pass in training mode"):
        loss(x.mean(dim=(2, 3)), labels)
    out = block.train()(x).mean(dim=(2, 3))
    loss(out, labels)
    with pytest.raises(ValueError, match="blocks: expected one forward pass"):
        loss(out, labels)


def test_scores_of_an_older_pass_are_never_used():
    blocks = [TemplateBlock(4, 6), TemplateBlock(4, 6)]
    loss = TemplateSupervision(square, blocks)
    x, labels = torch.randn(3, 4, 2, 2), torch.tensor([0, 5, 3])
    for number in (2, 3):
        for block in [blocks[0]] * number + [blocks[1]]:
            block(x)
        with pytest.raises(ValueError, match="found several"):  # the last pass would have hidden the others
            loss(x, labels)
    blocks[0](x), blocks[1](x)
    loss(x, labels)  # nothing is left of the passes before
    for block in blocks:
        block.train()(x)
        block.eval()(x)
    with pytest.raises(ValueError, match="found none"):  # the pass in training mode was for other embeddings
        loss(x, labels)
    blocks[0].train()(x)
    TemplateSupervision(square, blocks[:1])
    assert blocks[0].kept_scores == []  # a new loss starts anew


def test_a_block_without_supervision_keeps_nothing():
    block = TemplateBlock(4, 6)
    block(torch.randn(3, 4, 2, 2))
    assert block.kept_scores == []


def test_network_and_loss_are_copied_together():
    net = torch.nn.Sequential(TemplateBlock(4, 6))
    loss = TemplateSupervision(square, [net[0]])
    x, labels = torch.randn(3, 4, 2, 2), torch.tensor([0, 5, 3])
    wanted = loss(net(x), labels)
    copied, its_loss = copy.deepcopy((net, loss))
    assert torch.equal(its_loss(copied(x), labels), wanted)
    with pytest.raises(ValueError, match="found none"):
        loss(x, labels)


def test_a_copied_network_does_not_disturb_the_loss_of_the_original():
    block = TemplateBlock(4, 6)
    loss, x, labels = TemplateSupervision(square, [block]), torch.randn(3, 4, 2, 2), torch.tensor([0, 5, 3])
    out = block(x).mean(dim=(2, 3))
    copy.deepcopy(block)(torch.randn(3, 4, 2, 2))  # between pass and loss
    wanted = square(out, labels) + class_template_loss(block.templates(x), labels)
    assert torch.allclose(loss(out, labels), wanted)
    with pytest.raises(ValueError, match="blocks: expected modules that keep"):
        TemplateSupervision(square, [torch.nn.Identity()])


def test_it_goes_through_the_training_loop():
    from dmlnb.data import ClassBatches, Glyphs
    from dmlnb.models import EmbeddingNet, small_resnet
    from dmlnb.pooling import GlobalAveragePooling
    from dmlnb.training import train

    data = Glyphs("validation", per_class=4)
    block = TemplateBlock(8, data.num_classes, cosine=True)
    net = EmbeddingNet(small_resnet(widths=(4, 8, 8, 8)).append(block), GlobalAveragePooling(), 8)
    loss = TemplateSupervision(ProxyAnchorLoss(data.num_classes, 8), [block])
    batches = ClassBatches(data.labels, 8, 2, 6)
    before = block.templates.weight.detach().clone()
    history = train(net, loss, data.images, data.labels, batches, progress=False, device="cpu")
    assert len(history) == 6 and not torch.equal(block.templates.weight, before)
    assert block.vectors.abs().max() > 0


def test_negative_weight():
    with pytest.raises(ValueError, match="weight: expected a number >= 0"):
        TemplateSupervision(square, [], weight=-1.0)


def test_cross_entropy_is_the_reference():
    scores, labels = torch.randn(2, 3, 4, 5), torch.tensor([2, 0])
    wanted = cross_entropy(scores, labels[:, None, None].expand(2, 4, 5))
    assert torch.allclose(class_template_loss(scores, labels), wanted)
