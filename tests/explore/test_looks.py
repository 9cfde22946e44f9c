import pytest
import torch
from torch import nn

from dmlnb.explore import pooling_map
from dmlnb.explore.looks import look_pictures
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import (
    AttentionPooling,
    GeneralizedMeanPooling,
    GeneralizedSumPooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
)

POOLINGS = {
    "GAP": GlobalAveragePooling,
    "GMP": GlobalMaxPooling,
    "GeM": GeneralizedMeanPooling,
    "GSP": lambda: GeneralizedSumPooling(64, 16),
    "attention": lambda: AttentionPooling(64),
}
IMAGES = torch.randint(0, 256, (3, 1, 32, 32), dtype=torch.uint8)


@pytest.mark.parametrize("name", POOLINGS)
def test_weights_sum_to_one_and_leave_the_network_as_it_was(name):
    net = EmbeddingNet(small_resnet(), POOLINGS[name]()).train()
    weights = pooling_map(net)(IMAGES)
    assert weights.shape == (3, 8, 8) and weights.dtype == torch.float32 and not weights.requires_grad
    assert (weights >= 0).all() and torch.allclose(weights.sum(dim=(1, 2)), torch.ones(3), atol=1e-4)
    assert net.training
    if name == "GAP":
        assert torch.allclose(weights, torch.full_like(weights, 1 / 64))


class Identity(nn.Module):
    """A network whose features are its images."""

    def __init__(self, pooling):
        super().__init__()
        self.pooling = pooling

    def features(self, images):
        return images


def test_maximum_and_generalised_mean_against_loops():
    maps = torch.rand(2, 5, 3, 4)
    winners = torch.zeros(2, 12)
    shares = torch.zeros(2, 12)
    for b in range(2):
        for channel in maps[b]:
            winners[b, int(channel.flatten().argmax())] += 1 / 5
            powers = [v.item() ** 3 for v in channel.flatten()]
            shares[b] += torch.tensor(powers) / sum(powers) / 5
    assert torch.allclose(pooling_map(Identity(GlobalMaxPooling()))(maps).flatten(1), winners)
    assert torch.allclose(
        pooling_map(Identity(GeneralizedMeanPooling(3.0)))(maps).flatten(1), shares, atol=1e-5
    )


def test_the_limits_of_the_generalised_mean():
    maps = torch.rand(2, 5, 3, 4)
    even = pooling_map(Identity(GeneralizedMeanPooling(1e-6)))(maps)
    peak = pooling_map(Identity(GeneralizedMeanPooling(3000.0)))(maps)
    assert torch.allclose(even, torch.full_like(even, 1 / 12), atol=1e-4)
    assert torch.allclose(peak, pooling_map(Identity(GlobalMaxPooling()))(maps), atol=0.05)


def test_the_transport_pooling_speaks_for_itself():
    gsp = GeneralizedSumPooling(5, 4, mass=0.3, sharpness=20.0)
    maps = torch.rand(2, 5, 3, 4)
    assert torch.equal(pooling_map(Identity(gsp))(maps), gsp.pool(maps).weights)


@pytest.mark.parametrize("net", [nn.Linear(2, 2), Identity(nn.AdaptiveAvgPool2d(1))])
def test_networks_without_weights_are_named(net):
    with pytest.raises(ValueError, match="net"):
        pooling_map(net)


def test_looks_become_pictures_with_words():
    weights, winners = lambda image: torch.ones(1, 2, 2), lambda image: torch.tensor([[[0, 1], [2, 1]]])
    found = look_pictures({'<b>"': weights, "templates": winners}, IMAGES, 1)
    assert [set(look) for look in found] == [
        {"src", "alt"}
    ] * 2  # weights in one picture, assignments in another
    assert all(look["src"].startswith("data:image/png;base64,") for look in found)
    assert found[0]["alt"].startswith("Image 1 and") and '<b>"' in found[0]["alt"]
    assert look_pictures({}, IMAGES, 1) == []
