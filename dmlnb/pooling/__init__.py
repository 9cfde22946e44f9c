"""Pooling: from a map of local features to one vector an image."""

from dmlnb.pooling.attention import AttentionPooling
from dmlnb.pooling.costs import prototype_costs
from dmlnb.pooling.gates import gates_of_mass
from dmlnb.pooling.gsp import GeneralizedSumPooling
from dmlnb.pooling.histogram import HistogramPooling, hard_histogram, soft_assignment, soft_histogram
from dmlnb.pooling.pooled import PooledFeatures
from dmlnb.pooling.simple import (
    GeneralizedMeanPooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    generalized_mean_pool,
    global_average_pool,
    global_max_pool,
)
from dmlnb.pooling.transport import TransportPlan, partial_transport, token_scores

__all__ = [
    "AttentionPooling",
    "GeneralizedMeanPooling",
    "GeneralizedSumPooling",
    "GlobalAveragePooling",
    "GlobalMaxPooling",
    "HistogramPooling",
    "PooledFeatures",
    "TransportPlan",
    "gates_of_mass",
    "generalized_mean_pool",
    "global_average_pool",
    "global_max_pool",
    "hard_histogram",
    "partial_transport",
    "prototype_costs",
    "soft_assignment",
    "soft_histogram",
    "token_scores",
]
