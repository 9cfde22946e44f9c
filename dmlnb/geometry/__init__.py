"""Geometry that several methods share: norms, distances, covering."""

from dmlnb.geometry.covering import (
    cover_radius,
    greedy_k_center,
    interclass_distance,
    k_center_profile,
    proxy_cover,
    proxy_spread,
)
from dmlnb.geometry.distances import inner_products, pairwise_distances
from dmlnb.geometry.norms import clip_to_ball, normalize

__all__ = [
    "clip_to_ball",
    "cover_radius",
    "greedy_k_center",
    "inner_products",
    "interclass_distance",
    "k_center_profile",
    "normalize",
    "pairwise_distances",
    "proxy_cover",
    "proxy_spread",
]
