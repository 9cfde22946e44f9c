"""Networks: backbones that end in a feature map, and the embedding network around them."""

from dmlnb.models.assignment import Assignment, entropy_assignment, hard_assignment, quadratic_assignment
from dmlnb.models.attributes import AttributeNet
from dmlnb.models.backbones import small_resnet, torchvision_backbone
from dmlnb.models.beside import Beside
from dmlnb.models.classifier import StagedClassifier, read_all
from dmlnb.models.embedding import embed
from dmlnb.models.kd_layer import KDLayer
from dmlnb.models.network import EmbeddingNet
from dmlnb.models.reading import Reading, read
from dmlnb.models.saved import export_onnx, load_embedder, save_embedder
from dmlnb.models.side_by_side import SideBySide, trace
from dmlnb.models.stages import Stages
from dmlnb.models.template_block import CosineTemplates, Matches, TemplateBlock

__all__ = [
    "Assignment",
    "AttributeNet",
    "Beside",
    "CosineTemplates",
    "EmbeddingNet",
    "KDLayer",
    "Matches",
    "Reading",
    "SideBySide",
    "Stages",
    "StagedClassifier",
    "TemplateBlock",
    "embed",
    "entropy_assignment",
    "export_onnx",
    "hard_assignment",
    "load_embedder",
    "quadratic_assignment",
    "read",
    "read_all",
    "save_embedder",
    "small_resnet",
    "torchvision_backbone",
    "trace",
]
