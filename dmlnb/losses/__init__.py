"""Losses: tensors in, a scalar tensor out; they drop into any training loop."""

from dmlnb.losses.arcface import ArcFaceLoss, arcface_loss
from dmlnb.losses.chance import ChanceConstrainedLoss, ProximalAnchor
from dmlnb.losses.constraints import pair_terms, violation_rate
from dmlnb.losses.cross_batch import (
    CrossBatchLoss,
    JointLoss,
    class_halves,
    cross_batch_loss,
)
from dmlnb.losses.distillation import hinton_kd, template_kl
from dmlnb.losses.hints import AttentionTransferLoss, FitNetLoss
from dmlnb.losses.memory import CrossBatchMemory
from dmlnb.losses.pairs import contrastive_loss, cosine_contrastive_loss, multi_similarity_loss, triplet_loss
from dmlnb.losses.projection import AlternatingProjection
from dmlnb.losses.proxies import (
    ProxyAnchorLoss,
    ProxyNCALoss,
    proxy_anchor_loss,
    proxy_nca_loss,
)
from dmlnb.losses.relational import RelationalAngleLoss, RelationalDistanceLoss
from dmlnb.losses.relaxed import (
    RelaxedContrastiveLoss,
    RelaxedMultiSimilarityLoss,
    relative_distances,
    relaxed_contrastive_loss,
    relaxed_labels,
    relaxed_multi_similarity_loss,
)
from dmlnb.losses.soft_triple import SoftTripleLoss, soft_triple_loss
from dmlnb.losses.supcon import supcon_loss
from dmlnb.losses.templates import TemplateSupervision, class_template_loss
from dmlnb.losses.transfer import (
    DarkRankLoss,
    ProbabilisticTransferLoss,
)
from dmlnb.prototypes import ridge_predictor

__all__ = [
    "AlternatingProjection",
    "ArcFaceLoss",
    "AttentionTransferLoss",
    "ChanceConstrainedLoss",
    "CrossBatchLoss",
    "CrossBatchMemory",
    "DarkRankLoss",
    "FitNetLoss",
    "JointLoss",
    "ProbabilisticTransferLoss",
    "ProximalAnchor",
    "ProxyAnchorLoss",
    "ProxyNCALoss",
    "RelationalAngleLoss",
    "RelationalDistanceLoss",
    "RelaxedContrastiveLoss",
    "RelaxedMultiSimilarityLoss",
    "SoftTripleLoss",
    "TemplateSupervision",
    "arcface_loss",
    "class_halves",
    "class_template_loss",
    "contrastive_loss",
    "cosine_contrastive_loss",
    "cross_batch_loss",
    "hinton_kd",
    "multi_similarity_loss",
    "pair_terms",
    "proxy_anchor_loss",
    "proxy_nca_loss",
    "relative_distances",
    "relaxed_contrastive_loss",
    "relaxed_labels",
    "relaxed_multi_similarity_loss",
    "ridge_predictor",
    "soft_triple_loss",
    "supcon_loss",
    "template_kl",
    "triplet_loss",
    "violation_rate",
]
