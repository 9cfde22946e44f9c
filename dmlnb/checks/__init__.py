"""Exercise checkers: they say *not attempted yet*, *wrong, because …* or *right*, and never stop a notebook."""

from dmlnb.checks.pooling import cover_radius, gap, hard_histogram, soft_histogram
from dmlnb.checks.questions import predict
from dmlnb.checks.retrieval import average_precision_at_r, recall_at_1
from dmlnb.checks.transport import cheapest_tokens, gated_sum, gates, scores

__all__ = [
    "average_precision_at_r",
    "cheapest_tokens",
    "cover_radius",
    "gap",
    "gated_sum",
    "gates",
    "hard_histogram",
    "predict",
    "recall_at_1",
    "scores",
    "soft_histogram",
]
