import pytest
import torch
from torch import nn

from dmlnb.models import (
    Stages,
    TemplateBlock,
    from_torchvision,
    torchvision_backbone,
)
from tests.models.small import runs


@pytest.mark.parametrize(
    "name, channels, side",
    [
        ("densenet121", 1024, 2),
        ("squeezenet1_1", 512, 3),
        ("mobilenet_v3_small", 576, 2),
        ("mnasnet0_5", 1280, 2),
        ("efficientnet_b0", 1280, 2),
        ("shufflenet_v2_x0_5", 1024, 2),
        ("regnet_y_400mf", 440, 2),
        ("convnext_tiny", 768, 2),
        ("googlenet", 1024, 2),
        ("swin_t", 768, 2),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_torchvision_networks_end_in_their_last_map(name, channels, side):
    net = torchvision_backbone(name)
    runs(net, 64, channels, side)
    block = Stages(net, TemplateBlock(channels, 5))
    assert block.out_channels == channels


@pytest.mark.parametrize(
    "name, pool", [("resnet18", "avgpool"), ("densenet121", None), ("swin_t", "avgpool")]
)
def test_a_torchvision_map_pooled_and_classified_is_the_networks_own_answer(name, pool):
    from torchvision import models

    torch.manual_seed(0)
    whole = models.get_model(name, weights=None).eval()
    torch.manual_seed(0)
    net = torchvision_backbone(name).eval()
    x = torch.randn(1, 3, 64, 64)
    head = [m for m in whole.children() if isinstance(m, nn.Linear)][-1]
    with torch.inference_mode():
        assert torch.allclose(head(net(x).mean(dim=(2, 3))), whole(x), atol=1e-5)


def test_tokens_of_torchvisions_vit_are_laid_out_as_a_map():
    net = torchvision_backbone("vit_b_32").eval()
    out = runs(net, 224, 768, 7)
    vit, x = net[0].vit, torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        tokens = vit.encoder(torch.cat([vit.class_token, vit._process_input(x)], dim=1))
        out = net(x)
    for row, column in ((0, 0), (2, 5), (6, 6)):
        assert torch.equal(out[0, :, row, column], tokens[0, 1 + 7 * row + column])


def test_the_first_inceptions_see_the_range_they_were_trained_on():
    x = torch.rand(1, 3, 4, 4)
    normalised = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    assert torch.allclose(from_torchvision.InceptionInput()(normalised), 2 * x - 1, atol=1e-6)


@pytest.mark.parametrize("name, channels", [("resnet18", 512), ("resnet50", 2048)])
def test_torchvision_backbone_ends_in_the_last_map(name, channels):
    net = torchvision_backbone(name).eval()
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 64, 64)).shape == (1, channels, 2, 2)
        grey = torch.randn(1, 1, 64, 64)
        assert torch.equal(net(grey), net(grey.repeat(1, 3, 1, 1)))
    assert net.out_channels == channels


def test_torchvision_backbone_refuses_what_torchvision_does_not_have():
    with pytest.raises(ValueError, match="resnet18"):
        torchvision_backbone("resnet17")


def test_weights_are_passed_on_only_when_asked_for(monkeypatch):
    import torchvision

    seen = []
    original = torchvision.models.get_model
    monkeypatch.setattr(
        torchvision.models, "get_model", lambda name, weights: seen.append(weights) or original(name)
    )
    torchvision_backbone("resnet18")
    torchvision_backbone("resnet18", weights="IMAGENET1K_V1")
    assert seen == [None, "IMAGENET1K_V1"]
