"""Networks: backbones that end in a feature map, and the embedding network around them."""

from dmlnb.models.attributes import AttributeNet
from dmlnb.models.backbones import small_resnet, torchvision_backbone
from dmlnb.models.embedder import EmbeddingNet, embed

__all__ = ["AttributeNet", "EmbeddingNet", "embed", "small_resnet", "torchvision_backbone"]
