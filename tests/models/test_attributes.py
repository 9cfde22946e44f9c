import pytest
import torch

from dmlnb.losses import CrossBatchLoss, JointLoss, ProxyAnchorLoss
from dmlnb.models import AttributeNet, EmbeddingNet, embed, small_resnet
from dmlnb.pooling import GeneralizedSumPooling, GlobalAveragePooling, HistogramPooling
from dmlnb.training import train

POOLINGS = [lambda d: HistogramPooling(d, 7), lambda d: GeneralizedSumPooling(d, 7)]


def make(pooling, project="before"):
    torch.manual_seed(0)
    return AttributeNet(
        small_resnet(widths=(4, 8, 8, 8)), pooling(12 if project == "before" else 8), 12, project=project
    )


@pytest.mark.parametrize("project", ["before", "after"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_attributes_in_training_embeddings_alone_in_evaluation(pooling, project):
    net, images = make(pooling, project), torch.randn(3, 1, 16, 16)
    embeddings, attributes = net.train()(images)
    assert embeddings.shape == (3, 12) and attributes.shape == (3, 7)
    net.eval()
    assert net(images).shape == (3, 12)
    pooled = net.pooling.pool(net.features(images))
    expected = pooled.vector if project == "before" else net.linear(pooled.vector)
    assert torch.allclose(net(images), expected, atol=1e-6)
    assert torch.equal(net.attributes(images), pooled.attributes)
    assert embed(net, images).shape == (3, 12) and embed(net.attributes, images).shape == (3, 7)


def test_the_histogram_leaves_the_embedding_of_average_pooling():
    net, images = make(POOLINGS[0]).eval(), torch.randn(3, 1, 16, 16)
    plain = EmbeddingNet(net.backbone, GlobalAveragePooling(), 12, project="before")
    plain.linear = net.linear
    assert torch.equal(plain.eval()(images), net(images))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_it_goes_through_the_training_loop(pooling):
    net = make(pooling)
    images, labels = torch.randint(256, (32, 1, 16, 16), dtype=torch.uint8), torch.arange(32) % 8
    loss = JointLoss(ProxyAnchorLoss(8, 12), CrossBatchLoss(8, 5))
    before = net.pooling.prototypes.clone(), loss.auxiliary.class_codes.clone()
    train(net, loss, images, labels, [torch.arange(32)] * 3, progress=False, augment=None)
    assert not torch.equal(net.pooling.prototypes, before[0])
    assert not torch.equal(loss.auxiliary.class_codes, before[1])
    assert net.eval()(images[:2].float()).shape == (2, 12)


def test_a_pooling_without_attributes_is_named():
    with pytest.raises(ValueError, match="pooling: expected one with prototypes, got GlobalAveragePooling"):
        make(lambda d: GlobalAveragePooling())
