"""Exercise checkers: they say *not attempted yet*, *wrong, because …* or *right*, and never stop a notebook."""

from dmlnb.checks.distill import decision_matrix, soft_codes, template_divergence, template_scores
from dmlnb.checks.pooling import cover_radius, gap, hard_histogram, soft_histogram
from dmlnb.checks.questions import predict
from dmlnb.checks.retrieval import average_precision_at_r, recall_at_1

__all__ = [
    "average_precision_at_r",
    "cover_radius",
    "decision_matrix",
    "gap",
    "hard_histogram",
    "predict",
    "recall_at_1",
    "soft_codes",
    "soft_histogram",
    "template_divergence",
    "template_scores",
]
