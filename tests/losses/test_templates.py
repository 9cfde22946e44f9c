import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from dmlnb.losses import ProxyAnchorLoss, TemplateSupervision, class_template_loss
from dmlnb.models import Reading, TemplateBlock


def loop(scores, labels, variant):
    """Region by region, image by image."""
    total = 0.0
    for image, label in zip(scores, labels, strict=True):
        regions = image.flatten(1).T  # (n, K)
        if variant == "pooled":
            regions = regions.mean(dim=0, keepdim=True)
        if variant == "best":
            regions = regions.exp().sum(dim=0, keepdim=True).log()
        total += sum(-torch.log_softmax(r, 0)[label] for r in regions) / len(regions)
    return total / len(scores)


@pytest.mark.parametrize("variant", ["dense", "pooled", "best"])
def test_loop_twin(variant):
    scores, labels = torch.randn(4, 6, 3, 2, dtype=torch.float64), torch.tensor([0, 5, 2, 2])
    found = class_template_loss(scores, labels, variant=variant)
    assert found.item() == pytest.approx(loop(scores, labels, variant).item(), abs=1e-12)


def test_closed_forms():
    even = torch.zeros(2, 8, 3, 3)
    for variant in ("dense", "pooled", "best"):
        found = class_template_loss(even, torch.tensor([1, 7]), variant=variant)
        assert found.item() == pytest.approx(torch.log(torch.tensor(8.0)).item(), rel=1e-6)
    flat = torch.randn(3, 5, 1, 1).expand(3, 5, 4, 4)  # no region differs: the variants agree
    labels = torch.tensor([0, 1, 4])
    dense, pooled, best = (class_template_loss(flat, labels, variant=v) for v in ("dense", "pooled", "best"))
    assert torch.allclose(dense, pooled) and torch.allclose(dense, best)


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


def test_one_good_region_answers_for_the_image_in_best_alone():
    """A region fits the class, the others fit another a little: best is near 0, pooled and dense are not."""
    scores = torch.zeros(1, 4, 1, 10)
    scores[0, 2] = 2.0
    scores[0, 1, 0, 0] = 15.0
    label = torch.tensor([1])
    assert class_template_loss(scores, label, variant="best") < 1e-3
    assert class_template_loss(scores, label, variant="pooled") > 0.5
    assert class_template_loss(scores, label) > 2


def test_several_templates_a_class():
    scores, labels = torch.randn(2, 6, 2, 2), torch.tensor([0, 2])
    merged = torch.stack([scores[:, [2 * c, 2 * c + 1]].logsumexp(dim=1) for c in range(3)], dim=1)
    for variant in ("dense", "pooled", "best"):
        found = class_template_loss(scores, labels, variant=variant, per_class=2)
        assert torch.allclose(found, class_template_loss(merged, labels, variant=variant))


def test_dense_is_distillation_from_one_hot_targets():
    """KL divergence to a one-hot target is the cross-entropy: the case without a teacher."""
    scores, labels = torch.randn(3, 5, 2, 2, dtype=torch.float64), torch.tensor([4, 0, 1])
    target = torch.nn.functional.one_hot(labels, 5).double()[:, :, None, None].expand_as(scores)
    kl = (torch.xlogy(target, target) - target * torch.log_softmax(scores, 1)).sum(1).mean()
    assert torch.allclose(kl, class_template_loss(scores, labels), atol=1e-14)


@pytest.mark.parametrize("variant", ["dense", "pooled", "best"])
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


def reading(**parts):
    return Reading(torch.randn(3, 4, generator=torch.Generator().manual_seed(1)))._replace(**parts)


SCORES = {"3": torch.randn(3, 6, 2, 2), "5": torch.randn(3, 6, 2, 2)}
LABELS = torch.tensor([0, 5, 3])


@pytest.mark.parametrize("layers", [None, ["5"], [5, 3], []])
@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_supervision_adds_the_weighted_losses_of_the_layers(weight, layers):
    seen = reading(scores=SCORES)
    found = TemplateSupervision(square, weight=weight, variant="pooled", layers=layers)(seen, LABELS)
    names = SCORES if layers is None else [str(name) for name in layers]
    parts = [class_template_loss(SCORES[name], LABELS, variant="pooled") for name in names]
    assert torch.allclose(found, square(seen.embeddings, LABELS) + weight * sum(parts))


def test_the_base_loss_gets_what_calling_the_network_gives():
    taken = []
    base = lambda output, labels: taken.append(output) or output.sum()
    logits, loss = torch.randn(3, 6), TemplateSupervision(base)
    loss(reading(scores=SCORES), LABELS), loss(reading(scores=SCORES, logits=logits), LABELS)
    assert torch.equal(taken[0], reading().embeddings) and taken[1] is logits


def test_supervision_reaches_templates_although_vectors_are_zero():
    block = TemplateBlock(4, 6)
    x_hat, scores = block.read(torch.randn(3, 4, 2, 2))
    seen = Reading(x_hat.mean(dim=(2, 3)), scores={"0": scores})
    TemplateSupervision(square)(seen, LABELS).backward()
    assert block.templates.weight.grad.abs().max() > 0
    assert block.norm.weight.grad.abs().max() == 0  # the loss stands before the normalisation


def test_parameters_are_the_bases_alone():
    base = ProxyAnchorLoss(6, 4)
    loss = TemplateSupervision(base)
    assert [p is base.proxies for p in loss.parameters()] == [True]


def test_a_tensor_or_a_reading_without_scores_is_named():
    loss = TemplateSupervision(square)
    with pytest.raises(
        ValueError, match="reading: expected a Reading with embeddings, got Tensor; train with net.read"
    ):
        loss(torch.randn(3, 4), LABELS)
    with pytest.raises(ValueError, match="reading: expected a Reading with scores, got one without"):
        loss(reading(), LABELS)
    with pytest.raises(ValueError, match=r"layers: expected some of \['3', '5'\], got 4"):
        TemplateSupervision(square, layers=[3, 4])(reading(scores=SCORES), LABELS)


def test_network_and_loss_are_copied_together_or_alone():
    from dmlnb.models import EmbeddingNet, Stages, small_resnet
    from dmlnb.pooling import GlobalAveragePooling

    net = EmbeddingNet(
        Stages(small_resnet(1, (4, 4, 4, 4)), TemplateBlock(4, 6)), GlobalAveragePooling(), 4
    ).eval()
    loss, x = TemplateSupervision(square), torch.randn(3, 1, 16, 16)
    wanted = loss(net.read(x), LABELS)
    copied, its_loss = copy.deepcopy((net, loss))
    assert torch.equal(its_loss(copied.read(x), LABELS), wanted)
    assert torch.equal(loss(copy.deepcopy(net).read(x), LABELS), wanted)


def test_it_goes_through_the_training_loop():
    from dmlnb.data import ClassBatches, Glyphs
    from dmlnb.models import EmbeddingNet, small_resnet
    from dmlnb.pooling import GlobalAveragePooling
    from dmlnb.training import train

    data = Glyphs("validation", per_class=4)
    block = TemplateBlock(8, data.num_classes, cosine=True)
    net = EmbeddingNet(small_resnet(widths=(4, 8, 8, 8)).append(block), GlobalAveragePooling(), 8)
    loss = TemplateSupervision(ProxyAnchorLoss(data.num_classes, 8))
    batches = ClassBatches(data.labels, 8, 2, 6)
    before = block.templates.weight.detach().clone()
    history = train(net.read, loss, data.images, data.labels, batches, progress=False, device="cpu")
    assert len(history) == 6 and not torch.equal(block.templates.weight, before)
    assert block.vectors.abs().max() > 0


def test_negative_weight():
    with pytest.raises(ValueError, match="weight: expected a finite number >= 0"):
        TemplateSupervision(square, weight=-1.0)


def test_cross_entropy_is_the_reference():
    scores, labels = torch.randn(2, 3, 4, 5), torch.tensor([2, 0])
    wanted = cross_entropy(scores, labels[:, None, None].expand(2, 4, 5))
    assert torch.allclose(class_template_loss(scores, labels), wanted)
