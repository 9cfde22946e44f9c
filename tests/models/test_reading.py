import copy
import io

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from dmlnb.losses import ProxyAnchorLoss, TemplateSupervision, class_template_loss
from dmlnb.models import EmbeddingNet, KDLayer, Reading, Stages, TemplateBlock, read, small_resnet
from dmlnb.pooling import GeneralizedSumPooling, GlobalAveragePooling, HistogramPooling
from dmlnb.training import train

CLASSES = 6


def matching_net(layer=None, dim=5):
    """An embedding network with stages in stages: a template block inside, a KD layer last."""
    torch.manual_seed(0)
    inner = Stages(small_resnet(1, (4, 4, 6, 8))[:5], layer or TemplateBlock(6, CLASSES, cosine=True))
    return EmbeddingNet(Stages(inner, KDLayer(6, 7)), GlobalAveragePooling(), dim)


IMAGES = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(3))
LABELS = torch.tensor([0, 1, 2, 1])


@pytest.mark.parametrize("project", ["after", "before"])
@pytest.mark.parametrize("pooling", [HistogramPooling, GeneralizedSumPooling])
def test_a_reading_agrees_with_the_forward_pass_and_the_pooling(pooling, project):
    torch.manual_seed(0)
    net = EmbeddingNet(
        small_resnet(1, (4, 4, 6, 8)), pooling(12 if project == "before" else 8, 7), 12, project=project
    ).eval()
    seen = net.read(IMAGES)
    assert torch.allclose(seen.embeddings, net(IMAGES), atol=1e-6)
    pooled = net.pooling.pool(net.features(IMAGES))
    assert torch.equal(seen.vector, pooled.vector) and torch.equal(seen.attributes, pooled.attributes)
    assert torch.equal(seen.weights, pooled.weights) and seen.logits is None and seen.source is None
    assert list(seen.maps) == ["0", "1", "2", "3", "4", "5"] and seen.scores == {}


def test_any_network_can_be_read():
    seen = read(nn.Flatten(), IMAGES)
    assert isinstance(seen, Reading) and torch.equal(seen.embeddings, IMAGES.flatten(1))
    assert seen.maps == {} == seen.scores and seen.vector is None


def test_layers_that_match_templates_are_read_wherever_they_stand():
    net = matching_net().eval()
    nn.init.normal_(net.backbone[0][1].vectors)
    seen = net.read(IMAGES)
    assert {name: tuple(s.shape) for name, s in seen.scores.items()} == {
        "0.1": (4, CLASSES, 4, 4),
        "1": (4, 7, 4, 4),
    }
    x = net.backbone[0][0](IMAGES)
    assert torch.equal(seen.maps["0.0"], x)
    x, scores = net.backbone[0][1].read(x)
    assert torch.equal(seen.maps["0.1"], x) and torch.equal(seen.scores["0.1"], scores)
    x, scores = net.backbone[1](x)
    assert torch.equal(seen.maps["1"], x) and torch.equal(seen.scores["1"], scores)
    assert torch.equal(seen.embeddings, net(IMAGES)) and torch.equal(net(IMAGES), net.linear(net.pooling(x)))


def test_a_network_with_template_layers_trains_on_its_readings():
    net = matching_net()
    loss = TemplateSupervision(ProxyAnchorLoss(CLASSES, 5), layers=["0.1"])
    images, labels = torch.randint(256, (12, 1, 16, 16), dtype=torch.uint8), torch.arange(12) % CLASSES
    before = {name: value.clone() for name, value in net.named_parameters()}
    train(net.read, loss, images, labels, [torch.arange(12)] * 2, augment=None, progress=False, device="cpu")
    assert all(not torch.equal(value, before[name]) for name, value in net.named_parameters())


@pytest.mark.parametrize("training", [False, True])
def test_it_is_exported(training):
    net = matching_net().train(training)
    dynamic = {"images": {0: torch.export.Dim("batch", min=2, max=64)}}
    program = torch.export.export(net, (IMAGES,), dynamic_shapes=dynamic)
    stream = io.BytesIO()
    torch.export.save(program, stream)
    stream.seek(0)
    again, few = torch.export.load(stream).module(), torch.randn(7, 1, 16, 16)
    twin = copy.deepcopy(net)  # running means move with each pass in training mode
    assert torch.allclose(again(few), twin(few), atol=1e-5)


def test_nothing_stays_in_the_layers_after_a_pass():
    net = matching_net()
    fresh = {name: set(vars(module)) for name, module in net.named_modules()}
    keys = list(net.state_dict())
    seen = net.read(IMAGES)
    assert {name: set(vars(module)) for name, module in net.named_modules()} == fresh
    tensors = [
        v for m in net.modules() for v in vars(m).values() if torch.is_tensor(v) or isinstance(v, list)
    ]
    assert tensors == [] and list(net.state_dict()) == keys
    twin = copy.deepcopy(net)  # with a pass's graph still alive
    (seen.embeddings.sum() + sum(s.sum() for s in seen.scores.values())).backward()
    twin.load_state_dict(net.state_dict())
    assert torch.equal(twin.eval()(IMAGES), net.eval()(IMAGES))


def test_a_second_pass_before_the_loss_leaves_the_gradients_right():
    loss = TemplateSupervision(
        lambda embeddings, labels: embeddings.square().mean(), variant="pooled", layers=["0.1"]
    )
    gradients = []
    for others in ((), (torch.randn(3, 1, 16, 16), IMAGES[:2])):
        net = matching_net()
        seen = net.read(IMAGES)
        for images in others:  # in training and in evaluation mode, between a pass and its loss
            net.read(images)
            net.eval()(images), net.train()
        loss(seen, LABELS).backward()
        gradients.append([p.grad for p in net.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_two_views_in_one_loss():
    net = matching_net()
    one, two = net.read(IMAGES), net.read(IMAGES.flip(3))
    both = sum(class_template_loss(seen.scores["0.1"], LABELS) for seen in (one, two))
    both.backward()
    assert net.backbone[0][1].templates.weight.grad.abs().max() > 0
    assert not torch.equal(one.scores["0.1"], two.scores["0.1"])


def test_a_classifier_with_a_template_block_supervises_logits_and_templates():
    from dmlnb.models import StagedClassifier

    torch.manual_seed(0)
    net = StagedClassifier(small_resnet(1, (4, 4, 6, 8)).append(TemplateBlock(8, CLASSES)), CLASSES)
    seen = net.read(IMAGES)
    wanted = cross_entropy(seen.logits, LABELS) + 0.5 * class_template_loss(seen.scores["6"], LABELS)
    assert torch.equal(TemplateSupervision(cross_entropy, weight=0.5)(seen, LABELS), wanted)
