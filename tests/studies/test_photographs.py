from types import SimpleNamespace

import pytest
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


@pytest.fixture
def lists(tmp_path, monkeypatch):
    """Lists of CUB of six photographs of three species, the maps in their order."""
    (tmp_path / "image_class_labels.txt").write_text("1 1\n2 1\n3 2\n4 3\n5 2\n6 3\n")
    (tmp_path / "train_test_split.txt").write_text("1 1\n2 0\n3 0\n4 1\n5 1\n6 0\n")
    made = SimpleNamespace(labels=torch.tensor([0, 0, 1, 2, 1, 2]))
    monkeypatch.setattr(photographs, "FeatureMaps", SimpleNamespace(load=lambda path: made))
    photographs.learned_by_image.cache_clear()
    yield str(tmp_path), made
    photographs.learned_by_image.cache_clear()


def test_the_published_split_by_image_is_read_line_by_line(lists):
    assert photographs.learned_by_image("maps", lists[0]).tolist() == [True, False, False, True, True, False]


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 2], [0, 0, 1]])
def test_maps_in_another_order_are_refused(lists, labels):
    lists[1].labels = torch.tensor(labels)  # of a folder, species after species; or of other photographs
    with pytest.raises(ValueError, match="^maps: expected the maps of cub200.*in the order of its list"):
        photographs.learned_by_image("maps", lists[0])


def test_each_fifth_photograph_of_a_species_chooses():
    labels = torch.tensor([0, 1] * 6 + [1] * 5)
    assert photographs.fifths(labels).nonzero()[:, 0].tolist() == [0, 1, 10, 11, 16]
