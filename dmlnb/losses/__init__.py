"""Losses: tensors in, a scalar tensor out; they drop into any training loop."""

from dmlnb.losses.pairs import contrastive_loss, cosine_contrastive_loss, multi_similarity_loss, triplet_loss
from dmlnb.losses.proxies import (
    ProxyAnchorLoss,
    ProxyNCALoss,
    SoftTripleLoss,
    proxy_anchor_loss,
    proxy_nca_loss,
    soft_triple_loss,
)
from dmlnb.losses.templates import TemplateSupervision, class_template_loss

__all__ = [
    "ProxyAnchorLoss",
    "ProxyNCALoss",
    "SoftTripleLoss",
    "TemplateSupervision",
    "class_template_loss",
    "contrastive_loss",
    "cosine_contrastive_loss",
    "multi_similarity_loss",
    "proxy_anchor_loss",
    "proxy_nca_loss",
    "soft_triple_loss",
    "triplet_loss",
]
