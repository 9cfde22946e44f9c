"""Exercise checkers: give them your function, they answer back."""

from dmlnb.checks.gap import cover_radius, gap, hard_histogram, predict_bound, soft_histogram
from dmlnb.checks.retrieval import average_precision_at_r, predict_more_classes, predict_seen_classes, recall_at_1

__all__ = [
    "average_precision_at_r",
    "cover_radius",
    "gap",
    "hard_histogram",
    "predict_bound",
    "predict_more_classes",
    "predict_seen_classes",
    "recall_at_1",
    "soft_histogram",
]
