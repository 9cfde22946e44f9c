import pytest
import torch

from dmlnb.models import CachedBackbone, EmbeddingNet, small_resnet
from dmlnb.pooling import GeneralizedSumPooling, GlobalAveragePooling


def test_a_head_on_cached_maps_is_the_network_once_the_backbone_is_put_back():
    images = torch.randn(4, 1, 32, 32)
    backbone = small_resnet().eval()
    head = EmbeddingNet(CachedBackbone(64), GeneralizedSumPooling(8), 8, project="before").eval()
    from_maps = head(backbone(images))
    assert torch.equal(head.read(backbone(images)).embeddings, from_maps)
    head.backbone = backbone
    assert torch.equal(head(images), from_maps)


def test_it_learns_nothing_and_stores_nothing():
    net = EmbeddingNet(CachedBackbone(5), GlobalAveragePooling(), 3)
    assert set(net.state_dict()) == {"linear.weight"}


@pytest.mark.parametrize("maps", [torch.randn(2, 4, 3, 3), torch.randn(2, 5), torch.zeros(2, 5, 3, 3).int()])
def test_other_maps_are_refused(maps):
    with pytest.raises(ValueError, match=r"maps: expected floating point of shape \(B, 5, H, W\)"):
        CachedBackbone(5)(maps)


def test_no_channel_is_refused():
    with pytest.raises(ValueError, match="channels"):
        CachedBackbone(0)
