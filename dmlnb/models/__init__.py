"""Networks: backbones that end in a feature map, and the embedding network around them."""

from dmlnb.models.assignment import Assignment, entropy_assignment, hard_assignment, quadratic_assignment
from dmlnb.models.backbone import Backbone
from dmlnb.models.backbones import small_resnet
from dmlnb.models.beside import Beside
from dmlnb.models.cached import CachedBackbone
from dmlnb.models.classifier import StagedClassifier, read_all
from dmlnb.models.embedding import embed
from dmlnb.models.from_timm import timm_backbone
from dmlnb.models.from_torchvision import torchvision_backbone
from dmlnb.models.kd_layer import KDLayer
from dmlnb.models.network import EmbeddingNet
from dmlnb.models.onnx_export import export_onnx
from dmlnb.models.pretrained import lite0_backbone
from dmlnb.models.reading import Reading, read
from dmlnb.models.saved import load_embedder, save_embedder
from dmlnb.models.stages import Stages
from dmlnb.models.template_block import CosineTemplates, Matches, TemplateBlock

__all__ = [
    "Assignment",
    "Backbone",
    "Beside",
    "CachedBackbone",
    "CosineTemplates",
    "EmbeddingNet",
    "KDLayer",
    "Matches",
    "Reading",
    "Stages",
    "StagedClassifier",
    "TemplateBlock",
    "embed",
    "entropy_assignment",
    "export_onnx",
    "hard_assignment",
    "lite0_backbone",
    "load_embedder",
    "quadratic_assignment",
    "read",
    "read_all",
    "save_embedder",
    "small_resnet",
    "timm_backbone",
    "torchvision_backbone",
]
