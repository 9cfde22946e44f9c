"""Losses: tensors in, a scalar tensor out; they drop into any training loop."""

from dmlnb.losses.chance import ChanceConstrainedLoss, ProximalAnchor
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

__all__ = [
    "AlternatingProjection",
    "ChanceConstrainedLoss",
    "ProximalAnchor",
    "ProxyAnchorLoss",
    "ProxyNCALoss",
    "SoftTripleLoss",
    "contrastive_loss",
    "cosine_contrastive_loss",
    "multi_similarity_loss",
    "proxy_anchor_loss",
    "proxy_nca_loss",
    "soft_triple_loss",
    "triplet_loss",
]
