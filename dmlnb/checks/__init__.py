"""Exercise checkers: they say *not attempted yet*, *wrong, because …* or *right*, and never stop a notebook."""

from dmlnb.checks.chance import farthest_first, markov_bound, proximal_gradient, proxy_cover
from dmlnb.checks.pooling import cover_radius, gap, hard_histogram, soft_histogram
from dmlnb.checks.questions import predict
from dmlnb.checks.retrieval import average_precision_at_r, recall_at_1

__all__ = [
    "average_precision_at_r",
    "cover_radius",
    "farthest_first",
    "gap",
    "hard_histogram",
    "markov_bound",
    "predict",
    "proximal_gradient",
    "proxy_cover",
    "recall_at_1",
    "soft_histogram",
]
