"""Networks: backbones that end in a feature map, and the embedding network around them."""

from dmlnb.models.assignment import Assignment, entropy_assignment, hard_assignment, quadratic_assignment
from dmlnb.models.attributes import AttributeNet
from dmlnb.models.backbones import small_resnet, torchvision_backbone
from dmlnb.models.embedder import EmbeddingNet, embed
from dmlnb.models.template_block import CosineTemplates, Matches, TemplateBlock

__all__ = [
    "Assignment",
    "AttributeNet",
    "CosineTemplates",
    "EmbeddingNet",
    "Matches",
    "TemplateBlock",
    "embed",
    "entropy_assignment",
    "hard_assignment",
    "quadratic_assignment",
    "small_resnet",
    "torchvision_backbone",
]
