"""Losses: tensors in, a scalar tensor out; they drop into any training loop."""

from dmlnb.losses.chance import ChanceConstrainedLoss, ProximalAnchor
from dmlnb.losses.cross_batch import (
    CrossBatchLoss,
    JointLoss,
    class_halves,
    cross_batch_loss,
    ridge_predictor,
)
from dmlnb.losses.distances import batch_distances
from dmlnb.losses.hints import AttentionTransferLoss, FitNetLoss
from dmlnb.losses.pairs import contrastive_loss, cosine_contrastive_loss, multi_similarity_loss, triplet_loss
from dmlnb.losses.projection import AlternatingProjection
from dmlnb.losses.proxies import (
    ProxyAnchorLoss,
    ProxyNCALoss,
    SoftTripleLoss,
    proxy_anchor_loss,
    proxy_nca_loss,
    soft_triple_loss,
)
from dmlnb.losses.recursive import LinearFit, kalman_update, prior_of, recursive_fit, start_fit
from dmlnb.losses.relaxed import (
    RelaxedContrastiveLoss,
    RelaxedMultiSimilarityLoss,
    relative_distances,
    relaxed_contrastive_loss,
    relaxed_labels,
    relaxed_multi_similarity_loss,
)
from dmlnb.losses.representation import ContrastiveRepresentationLoss
from dmlnb.losses.templates import TemplateSupervision, class_template_loss
from dmlnb.losses.transfer import (
    DarkRankLoss,
    ProbabilisticTransferLoss,
    RelationalAngleLoss,
    RelationalDistanceLoss,
)

__all__ = [
    "AlternatingProjection",
    "AttentionTransferLoss",
    "ChanceConstrainedLoss",
    "ContrastiveRepresentationLoss",
    "CrossBatchLoss",
    "DarkRankLoss",
    "FitNetLoss",
    "JointLoss",
    "LinearFit",
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
    "batch_distances",
    "class_halves",
    "class_template_loss",
    "contrastive_loss",
    "cosine_contrastive_loss",
    "cross_batch_loss",
    "kalman_update",
    "multi_similarity_loss",
    "prior_of",
    "proxy_anchor_loss",
    "proxy_nca_loss",
    "recursive_fit",
    "relative_distances",
    "relaxed_contrastive_loss",
    "relaxed_labels",
    "relaxed_multi_similarity_loss",
    "ridge_predictor",
    "soft_triple_loss",
    "start_fit",
    "triplet_loss",
]
