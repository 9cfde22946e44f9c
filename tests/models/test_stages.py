import pytest
import torch
from torch import nn

from dmlnb.models import EmbeddingNet, KDLayer, Stages, TemplateBlock, small_resnet
from dmlnb.pooling import GlobalAveragePooling


def test_it_is_a_sequence_of_its_layers():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh()]
    x = torch.randn(2, 1, 6, 6)
    found, maps, scores = Stages(*layers).eval().read(x)
    wanted = nn.Sequential(*layers).eval()(x)
    assert torch.equal(found, wanted) and torch.equal(Stages(*layers).eval()(x), wanted)
    assert list(maps) == ["0", "1", "2"] and torch.equal(maps["2"], wanted) and scores == {}
    assert torch.equal(maps["0"], layers[0](x))


def test_names_of_nested_layers_and_named_layers():
    stages = Stages()
    stages.add_module("stem", Stages(nn.Conv2d(1, 4, 3), Stages(TemplateBlock(4, 3))))
    stages.add_module("match", KDLayer(4, 5))
    x, maps, scores = stages.eval().read(torch.randn(2, 1, 6, 6))
    assert list(maps) == ["stem.0", "stem.1.0", "stem.1", "stem", "match"]
    assert list(scores) == ["stem.1.0", "match"] and torch.equal(maps["match"], x)


def test_plain_sequences_are_looked_into():
    torch.manual_seed(0)
    block, layer = TemplateBlock(4, 3), KDLayer(4, 5)
    stages = Stages(nn.Conv2d(1, 4, 3), nn.Sequential(nn.Conv2d(4, 4, 1), nn.Sequential(block, layer))).eval()
    x = torch.randn(2, 1, 6, 6)
    found, maps, scores = stages.read(x)
    assert list(maps) == ["0", "1.0", "1.1.0", "1.1.1", "1.1", "1"] and list(scores) == ["1.1.0", "1.1.1"]
    wanted = layer(block(stages[1][0](stages[0](x))))[0]
    assert torch.equal(found, wanted) and torch.equal(stages(x), wanted)


class Twice(nn.Sequential):
    def forward(self, x):
        return super().forward(super().forward(x))


def test_a_sequence_with_a_forward_pass_of_its_own_is_one_layer():
    stages, x = Stages(Twice(nn.Conv2d(1, 1, 1))), torch.randn(2, 1, 6, 6)
    found, maps, _ = stages.read(x)
    assert list(maps) == ["0"] and torch.equal(found, stages[0](x)) and torch.equal(stages(x), found)


@pytest.mark.parametrize("part", [slice(None, 5), slice(0, 4), slice(3, None), slice(None, 2)])
def test_a_slice_is_stages_with_the_channels_of_its_last_layer(part):
    whole = small_resnet(1, (4, 5, 6, 8))
    cut = whole[part]
    x = torch.randn(2, 1, 16, 16) if part.start != 3 else torch.randn(2, 4, 8, 8)
    assert isinstance(cut, Stages) and cut.out_channels == cut(x).shape[1]
    net = EmbeddingNet(cut, GlobalAveragePooling(), 3)
    assert net(x).shape == (2, 3)
    assert list(net.read(x).maps) == ["0", "1", "2", "3", "4", "5"][part]  # the names stay


def test_appended_layers_keep_the_channels():
    assert small_resnet().append(TemplateBlock(64, 9)).out_channels == 64
    assert Stages(small_resnet()[:5], KDLayer(48, 7)).out_channels == 48
    with pytest.raises(ValueError, match="backbone: expected a module with .out_channels"):
        EmbeddingNet(Stages(nn.ReLU()), GlobalAveragePooling())
