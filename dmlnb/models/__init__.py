"""Networks: backbones that end in a feature map, and the embedding network around them."""

from dmlnb.models.assignment import Assignment, entropy_assignment, hard_assignment, quadratic_assignment
from dmlnb.models.attributes import AttributeNet
from dmlnb.models.backbones import small_resnet, torchvision_backbone
from dmlnb.models.beside import SideBySide, trace
from dmlnb.models.classifier import Reading, StagedClassifier, read_all
from dmlnb.models.kd_layer import KDLayer
from dmlnb.models.network import EmbeddingNet, embed
from dmlnb.models.template_block import CosineTemplates, Matches, TemplateBlock

__all__ = [
    "Assignment",
    "AttributeNet",
    "CosineTemplates",
    "EmbeddingNet",
    "KDLayer",
    "Matches",
    "Reading",
    "SideBySide",
    "StagedClassifier",
    "TemplateBlock",
    "embed",
    "entropy_assignment",
    "hard_assignment",
    "quadratic_assignment",
    "read_all",
    "small_resnet",
    "torchvision_backbone",
    "trace",
]
