import torch

from dmlnb.models import (
    torchvision_backbone,
)


def test_what_a_layer_showed_can_be_read():
    net = torchvision_backbone("resnet18").eval()
    x, maps, scores = net.read(torch.zeros(1, 1, 64, 64))
    assert maps["6"].shape == (1, 256, 4, 4) and torch.equal(maps["7"], x) and not scores
    assert net.stages[7] is net[7] and net[:7].out_channels == 256
