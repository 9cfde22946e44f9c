"""Losses: tensors in, a scalar tensor out; they drop into any training loop."""

from dmlnb.losses.chance import ChanceConstrainedLoss, ProximalAnchor
from dmlnb.losses.cross_batch import (
    CrossBatchLoss,
    JointLoss,
    class_halves,
    cross_batch_loss,
    ridge_predictor,
)
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
from dmlnb.losses.templates import TemplateSupervision, class_template_loss

__all__ = [
    "AlternatingProjection",
    "ChanceConstrainedLoss",
    "CrossBatchLoss",
    "JointLoss",
    "LinearFit",
    "ProximalAnchor",
    "ProxyAnchorLoss",
    "ProxyNCALoss",
    "SoftTripleLoss",
    "TemplateSupervision",
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
    "ridge_predictor",
    "soft_triple_loss",
    "start_fit",
    "triplet_loss",
]
