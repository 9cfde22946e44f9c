"""Exercise checkers: they say *not attempted yet*, *wrong, because …* or *right*, and never stop a notebook."""

from dmlnb.checks.pooling import cover_radius, gap, hard_histogram, soft_histogram
from dmlnb.checks.questions import predict
from dmlnb.checks.relaxed import pair_slope, relative_distances, relaxed_contrastive, relaxed_labels
from dmlnb.checks.retrieval import average_precision_at_r, recall_at_1

__all__ = [
    "average_precision_at_r",
    "cover_radius",
    "gap",
    "hard_histogram",
    "pair_slope",
    "predict",
    "recall_at_1",
    "relative_distances",
    "relaxed_contrastive",
    "relaxed_labels",
    "soft_histogram",
]
