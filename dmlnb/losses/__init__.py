"""Losses: tensors in, a scalar tensor out; they drop into any training loop."""

from dmlnb.losses.distances import batch_distances
from dmlnb.losses.hints import AttentionTransferLoss, FitNetLoss
from dmlnb.losses.pairs import contrastive_loss, cosine_contrastive_loss, multi_similarity_loss, triplet_loss
from dmlnb.losses.proxies import (
    ProxyAnchorLoss,
    ProxyNCALoss,
    SoftTripleLoss,
    proxy_anchor_loss,
    proxy_nca_loss,
    soft_triple_loss,
)
from dmlnb.losses.relaxed import (
    RelaxedContrastiveLoss,
    RelaxedMultiSimilarityLoss,
    relative_distances,
    relaxed_contrastive_loss,
    relaxed_labels,
    relaxed_multi_similarity_loss,
)
from dmlnb.losses.representation import ContrastiveRepresentationLoss
from dmlnb.losses.transfer import (
    DarkRankLoss,
    ProbabilisticTransferLoss,
    RelationalAngleLoss,
    RelationalDistanceLoss,
)

__all__ = [
    "AttentionTransferLoss",
    "ContrastiveRepresentationLoss",
    "DarkRankLoss",
    "FitNetLoss",
    "ProbabilisticTransferLoss",
    "ProxyAnchorLoss",
    "ProxyNCALoss",
    "RelationalAngleLoss",
    "RelationalDistanceLoss",
    "RelaxedContrastiveLoss",
    "RelaxedMultiSimilarityLoss",
    "SoftTripleLoss",
    "batch_distances",
    "contrastive_loss",
    "cosine_contrastive_loss",
    "multi_similarity_loss",
    "proxy_anchor_loss",
    "proxy_nca_loss",
    "relative_distances",
    "relaxed_contrastive_loss",
    "relaxed_labels",
    "relaxed_multi_similarity_loss",
    "soft_triple_loss",
    "triplet_loss",
]
