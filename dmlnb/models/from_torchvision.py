"""Any classifier of torchvision as a backbone."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from dmlnb.models.backbone import Backbone, as_map, make_backbone


class TorchvisionTokens(nn.Module):
    """A torchvision ViT up to its last tokens, laid out as a map; the class token is dropped."""

    def __init__(self, vit: nn.Module):
        super().__init__()
        self.vit: Any = vit
        vit.heads = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:  # (B, 3, S, S) -> (B, C, S/p, S/p)
        tokens = self.vit._process_input(images)
        tokens = torch.cat([self.vit.class_token.expand(len(tokens), -1, -1), tokens], dim=1)
        return as_map(self.vit.encoder(tokens)[:, 1:], images)


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
    """
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise ValueError(f"name: expected one of {', '.join(known)}; got {name!r}")
    # these two warn unless they are told whether to draw their weights
    options = {"init_weights": True} if weights is None and name in ("googlenet", "inception_v3") else {}
    net = models.get_model(name, weights=weights, **options)
    layers = OrderedDict((str(i), layer) for i, layer in enumerate(_map_layers(net)))
    return make_backbone(f"torchvision:{name}", layers, getattr(net, "image_size", 224))


def _map_layers(net: Any) -> list[nn.Module]:
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
