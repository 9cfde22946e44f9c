"""Exercise checkers: they say *not attempted yet*, *wrong, because …* or *right*, and never stop a notebook."""

from dmlnb.checks.pooling import cover_radius, gap, hard_histogram, soft_histogram
from dmlnb.checks.questions import predict
from dmlnb.checks.retrieval import average_precision_at_r, recall_at_1
from dmlnb.checks.templates import add_matches, batchnorm_relu, dense_loss, softmax_with_no_match

__all__ = [
    "add_matches",
    "average_precision_at_r",
    "batchnorm_relu",
    "cover_radius",
    "dense_loss",
    "gap",
    "hard_histogram",
    "predict",
    "recall_at_1",
    "soft_histogram",
    "softmax_with_no_match",
]
