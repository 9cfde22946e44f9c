"""Prototypes as linear predictors: fitted at once, or batch by batch."""

from dmlnb.prototypes.recursive import LinearFit, kalman_update, prior_of, recursive_fit, start_fit
from dmlnb.prototypes.ridge import ridge_predictor

__all__ = [
    "LinearFit",
    "kalman_update",
    "prior_of",
    "recursive_fit",
    "ridge_predictor",
    "start_fit",
]
