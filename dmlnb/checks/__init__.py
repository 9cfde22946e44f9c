"""Exercise checkers: they say *not attempted yet*, *wrong, because …* or *right*, and never stop a notebook."""

from dmlnb.checks.maps import inside, lay_on, neighbours_kept
from dmlnb.checks.pooling import cover_radius, gap, hard_histogram, soft_histogram
from dmlnb.checks.questions import predict
from dmlnb.checks.retrieval import average_precision_at_r, recall_at_1

__all__ = [
    "average_precision_at_r",
    "cover_radius",
    "gap",
    "hard_histogram",
    "inside",
    "lay_on",
    "neighbours_kept",
    "predict",
    "recall_at_1",
    "soft_histogram",
]
