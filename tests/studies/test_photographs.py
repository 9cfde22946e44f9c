import torch
from torch import nn

from dmlnb.losses import contrastive_loss
from dmlnb.models import CachedBackbone, EmbeddingNet
from dmlnb.pooling import GlobalAveragePooling
from studies import photographs


def head(channels):
    torch.manual_seed(0)
    return EmbeddingNet(CachedBackbone(channels), GlobalAveragePooling(), 4)


def test_averaged_maps_train_the_same_head(few_birds):
    few_birds(photographs)
    kept, nets = [], []
    for maps, labels in (photographs.birds(), photographs.averaged()):
        nets.append(head(6).double())
        wide = {split: values.double() for split, values in maps.items()}
        kept.append(photographs.fit(nets[-1], contrastive_loss, wide, labels, [torch.arange(40)] * 3, seed=0))
    assert kept[0] == kept[1]
    assert torch.allclose(nets[0].linear.weight, nets[1].linear.weight, atol=1e-12)


def test_the_loss_may_observe_validation_and_may_read(few_birds):
    few_birds(photographs)
    maps, labels = photographs.birds()
    seen = []
    net = head(6)
    photographs.fit(
        net,
        lambda reading, labels: contrastive_loss(reading.embeddings, labels),
        maps,
        labels,
        [torch.arange(40)] * 3,
        seed=0,
        read=True,
        each_validation=lambda value: seen.append(value) or {},
    )
    assert len(seen) == 3 and all(0 <= value <= 1 for value in seen)


def test_a_split_is_measured_under_its_name(few_birds):
    few_birds(photographs)
    maps, labels = photographs.birds()
    found = photographs.measure(nn.Flatten(), maps, labels, "test")
    assert set(found) == {"test_recall_at_1", "test_map_at_r"}
