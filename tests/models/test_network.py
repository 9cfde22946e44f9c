import pytest
import torch

from dmlnb.models import EmbeddingNet, embed, small_resnet
from dmlnb.pooling import GeneralizedMeanPooling, GlobalAveragePooling


def make_net(project="after", pooling=None):
    torch.manual_seed(0)
    return EmbeddingNet(
        small_resnet(1, (4, 4, 6, 8)), pooling or GlobalAveragePooling(), dim=5, project=project
    )


def test_order_is_irrelevant_for_average_pooling_only():
    images = torch.randn(3, 1, 16, 16)
    for pooling, same in ((GlobalAveragePooling(), True), (GeneralizedMeanPooling(), False)):
        after, before = make_net("after", pooling).eval(), make_net("before", pooling).eval()
        before.backbone.load_state_dict(after.backbone.state_dict())
        before.linear.weight.data = after.linear.weight.data[:, :, None, None].clone()
        assert torch.allclose(after(images), before(images), atol=1e-5) is same


def test_features_are_what_the_pooling_sees():
    images = torch.randn(2, 1, 16, 16)
    assert make_net("after").features(images).shape == (2, 8, 4, 4)
    net = make_net("before").eval()
    assert net.features(images).shape == (2, 5, 4, 4)
    assert torch.equal(net(images), net.pooling(net.features(images)))


@pytest.mark.parametrize("images", [torch.zeros(1, 16, 16), torch.zeros(1, 1, 16, 16, dtype=torch.uint8)])
def test_wrong_images_are_refused(images):
    with pytest.raises(ValueError, match="images"):
        make_net()(images)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="dim"):
        EmbeddingNet(small_resnet(), GlobalAveragePooling(), 0)
    with pytest.raises(ValueError, match="project"):
        EmbeddingNet(small_resnet(), GlobalAveragePooling(), 8, project="between")


def test_embed_is_independent_of_the_batch_size_and_restores_the_mode():
    net = make_net().train()
    images = torch.randint(0, 256, (7, 1, 16, 16), dtype=torch.uint8)
    whole, parts = embed(net, images), embed(net, images, batch_size=3)
    assert whole.shape == (7, 5) and torch.allclose(whole, parts, atol=1e-5)
    assert net.training and not whole.requires_grad
    assert embed(net.features, images).shape == (7, 8, 4, 4) and net.training
    with pytest.raises(ValueError, match="images"):
        embed(net, images[:0])
