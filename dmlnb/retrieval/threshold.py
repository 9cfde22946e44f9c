"""When to answer "unknown": a cut-off for scores, chosen on validation data."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from dmlnb._inputs import require_positive
from dmlnb.retrieval.arguments import as_tensor, require_metric


class Threshold(NamedTuple):
    """A cut-off, and what it does on the data it was chosen on.

    Attributes:
        score: an answer is given where the score is this good or better (larger for a cosine, smaller for a distance).
        precision: share of right answers among those that are given.
        coverage: share of queries that are answered.
    """

    score: float
    precision: float
    coverage: float


def choose_threshold(
    scores: Tensor | ArrayLike,
    correct: Tensor | ArrayLike,
    precision: float = 0.95,
    *,
    metric: str = "cosine",
) -> Threshold:
    """The cut-off that answers most queries while the wanted share of its answers is right.

    $$ \\max_t\\ \\#\\{i : s_i \\ge t\\} \\quad\\text{with}\\quad
       \\frac{\\#\\{i : s_i \\ge t,\\ \\text{i right}\\}}{\\#\\{i : s_i \\ge t\\}} \\ge p $$

    Queries with equal scores are answered together or not at all. Choose it on validation classes: on other data the
    precision will be a little different, and queries of classes that the gallery lacks count as wrong answers.

    Args:
        scores: `(Q,)` score of each query's nearest neighbour.
        correct: `(Q,)` bool, whether that neighbour is of the query's class.
        precision: p, in (0, 1].
        metric: `"cosine"` (or another similarity: larger is better) or `"l2"` (smaller is better).

    Returns:
        A `Threshold`.

    Raises:
        ValueError: for shapes that do not fit, NaN, a precision out of range or one that no cut-off reaches.
    """
    require_metric(metric)
    scores, correct = as_tensor(scores, "scores"), as_tensor(correct, "correct").numpy()
    scores = (scores.float() if scores.dtype == torch.bfloat16 else scores).numpy()
    if (
        scores.ndim != 1
        or len(scores) == 0
        or scores.dtype.kind not in "fiu"
        or not np.isfinite(scores).all()
    ):
        raise ValueError(f"scores: expected (Q,) finite numbers, Q >= 1, got {scores.dtype} {scores.shape}")
    if correct.shape != scores.shape or correct.dtype != bool:
        raise ValueError(
            f"correct: expected bool of shape {scores.shape}, got {correct.dtype} {correct.shape}"
        )
    require_positive(precision=precision)
    if precision > 1:
        raise ValueError(f"precision: expected a share in (0, 1], got {precision}")
    scores = scores.astype(np.float64)  # unsigned integers have no negative
    order = np.argsort(-scores if metric == "cosine" else scores, kind="stable")
    scores, correct = scores[order], correct[order]  # the best first
    share = np.cumsum(correct) / np.arange(1, len(scores) + 1)  # precision of the first 1, 2, ... answers
    possible = np.append(scores[1:] != scores[:-1], True)  # a cut must not part equal scores
    reached = np.flatnonzero(possible & (share >= precision))
    if len(reached) == 0:
        raise ValueError(
            f"precision: expected at most {share[possible].max():.4f}, which these scores reach, got {precision}"
        )
    last = reached[-1]
    return Threshold(float(scores[last]), float(share[last]), float((last + 1) / len(scores)))
