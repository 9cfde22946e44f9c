"""Distillation: what a teacher tells a student about the regions of an image."""

from dmlnb.distill.codebook import Codebook, kmeans, perplexity
from dmlnb.distill.decisions import DecisionTemplates, decision_matrix
from dmlnb.distill.discriminants import discriminants
from dmlnb.distill.letkd import LetKDLoss
from dmlnb.losses.distillation import hinton_kd, template_kl

__all__ = [
    "Codebook",
    "DecisionTemplates",
    "LetKDLoss",
    "decision_matrix",
    "discriminants",
    "hinton_kd",
    "kmeans",
    "perplexity",
    "template_kl",
]
