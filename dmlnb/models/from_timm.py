"""Any network of timm as a backbone, with its weights where asked for.

    net = Stages(timm_backbone("vit_small_patch16_224"), TemplateBlock(384, num_templates=100))

Tokens are laid out as a map, so what works on the map of a CNN works on a transformer's.
"""

import difflib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dmlnb.models.backbone import Backbone, as_map, make_backbone, require_timm


class TimmMap(nn.Module):
    """A timm network up to its last map; tokens are laid out as a map, prefix tokens (class, registers) are dropped."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model: Any = model

    def forward(self, images: Tensor) -> Tensor:  # (B, 3, H, W) -> (B, C, h, w)
        features = self.model.forward_features(images)
        if features.ndim == 4:
            return (
                features.permute(0, 3, 1, 2) if getattr(self.model, "output_fmt", "") == "NHWC" else features
            )
        return as_map(features[:, getattr(self.model, "num_prefix_tokens", 0) :], images)


def timm_backbone(name: str, weights: str | None = None, **options: Any) -> Backbone:
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
    timm = require_timm()
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
        return make_backbone(
            f"timm:{name}", OrderedDict(features=TimmMap(model)), options.get("img_size", size)
        )
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
