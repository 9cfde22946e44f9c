"""Exercise checkers: they say *not attempted yet*, *wrong, because …* or *right*, and never stop a notebook."""

from dmlnb.course.checks.chance import (
    farthest_first,
    proximal_minimum,
    proxy_cover,
    samples_needed,
    spare_proxy,
)
from dmlnb.course.checks.cross_batch import (
    cross_batch_loss,
    first_half,
    forget_batch,
    proximal_step,
    ridge_predictor,
)
from dmlnb.course.checks.distill import inverse_temperature, own_subclass, start_bias
from dmlnb.course.checks.forces import batch_hard, remember, softmax_pulls, supcon
from dmlnb.course.checks.maps import inside, lay_on, neighbours_kept
from dmlnb.course.checks.photographs import cut_off, held_out
from dmlnb.course.checks.pooling import (
    collage_histogram,
    cover_radius,
    gap,
    hard_histogram,
    nearest_offset,
    soft_histogram,
)
from dmlnb.course.checks.questions import predict
from dmlnb.course.checks.relaxed import (
    axes_needed,
    kernel_width,
    pair_slope,
    relative_distances,
    relaxed_contrastive,
    relaxed_labels,
)
from dmlnb.course.checks.retrieval import blockwise_recall, gallery_recall
from dmlnb.course.checks.templates import batchnorm_relu, best_loss, full_shares, positive_templates
from dmlnb.course.checks.transport import cheapest_tokens, gate_gradient, gates, padded_gates, scores

__all__ = [
    "axes_needed",
    "batch_hard",
    "batchnorm_relu",
    "best_loss",
    "blockwise_recall",
    "cheapest_tokens",
    "collage_histogram",
    "cover_radius",
    "cross_batch_loss",
    "cut_off",
    "farthest_first",
    "first_half",
    "forget_batch",
    "full_shares",
    "gallery_recall",
    "gap",
    "gate_gradient",
    "gates",
    "hard_histogram",
    "held_out",
    "inside",
    "inverse_temperature",
    "kernel_width",
    "lay_on",
    "nearest_offset",
    "neighbours_kept",
    "own_subclass",
    "padded_gates",
    "pair_slope",
    "positive_templates",
    "predict",
    "proximal_minimum",
    "proximal_step",
    "proxy_cover",
    "relative_distances",
    "relaxed_contrastive",
    "relaxed_labels",
    "remember",
    "ridge_predictor",
    "samples_needed",
    "scores",
    "soft_histogram",
    "softmax_pulls",
    "spare_proxy",
    "start_bias",
    "supcon",
]
