from collections import OrderedDict

import pytest
import torch

from dmlnb.models import torchvision_backbone
from dmlnb.models.backbone import make_backbone


def test_what_a_layer_showed_can_be_read():
    net = torchvision_backbone("resnet18").eval()
    x, maps, scores = net.read(torch.zeros(1, 1, 64, 64))
    assert maps["6"].shape == (1, 256, 4, 4) and torch.equal(maps["7"], x) and not scores
    assert net.stages[7] is net[7] and net[:7].out_channels == 256


@pytest.mark.parametrize("size", [64, (64, 32), [64, 32]])  # a file of an embedder gives lists
def test_a_size_may_be_a_number_or_a_pair(size):
    backbone = make_backbone("one", OrderedDict(conv=torch.nn.Conv2d(3, 5, 8, 8)), size)
    assert backbone.out_channels == 5 and backbone(torch.zeros(2, 3, 64, 32)).shape == (2, 5, 8, 4)
