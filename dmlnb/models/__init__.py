"""Networks: backbones that end in a feature map, and what is built around them."""

from dmlnb.models.backbones import small_resnet, torchvision_backbone
from dmlnb.models.classifier import Reading, StagedClassifier, read_all
from dmlnb.models.embedder import EmbeddingNet, embed
from dmlnb.models.kd_layer import KDLayer

__all__ = [
    "EmbeddingNet",
    "KDLayer",
    "Reading",
    "StagedClassifier",
    "embed",
    "read_all",
    "small_resnet",
    "torchvision_backbone",
]
