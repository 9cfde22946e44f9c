import pytest
import torch

from dmlnb.models import (
    timm_backbone,
)
from tests.models.small import runs


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
    timm = pytest.importorskip("timm", reason="the extra `photos` is not installed")
    if name not in timm.list_models():
        pytest.skip(f"timm {timm.__version__} has no {name}")
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
