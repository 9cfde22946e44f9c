"""Networks: backbones that end in a feature map, and the embedding network around them."""

from dmlnb.models.backbones import small_resnet, torchvision_backbone
from dmlnb.models.embedder import EmbeddingNet, embed
from dmlnb.models.side_by_side import SideBySide, trace

__all__ = ["EmbeddingNet", "SideBySide", "embed", "small_resnet", "torchvision_backbone", "trace"]
