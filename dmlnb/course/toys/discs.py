"""Alternating projections on three discs that share a small region."""

import math

import numpy as np

DISCS = ((0.0, 0.0, 1.0), (1.6, 0.1, 1.0), (0.75, 1.35, 1.0))  # x, y, radius; they share a small region


def disc_projections(strength: float, steps: int, start: tuple[float, float] = (2.6, -1.6)) -> np.ndarray:
    """Relaxed projections on the three discs in turn.

    $$ \\theta \\leftarrow \\theta + (\\Pi \\theta - \\theta) / (1 + \\lambda) $$

    Args:
        strength: λ >= 0; 0 projects fully.
        steps: number of projections.
        start: first point.

    Returns:
        `(steps + 1, 2)` points.

    Raises:
        ValueError: for a negative strength.

    Taught in notebook 04.
    """
    if not strength >= 0:
        raise ValueError(f"strength: expected a number >= 0, got {strength}")
    path = [np.array(start, dtype=float)]
    for step in range(steps):
        x, y, radius = DISCS[step % len(DISCS)]
        away = path[-1] - (x, y)
        distance = math.hypot(*away)
        projected = path[-1] if distance <= radius else (x, y) + away * (radius / distance)
        path.append(path[-1] + (projected - path[-1]) / (1 + strength))
    return np.array(path)


def disc_violation(path: np.ndarray) -> np.ndarray:
    """How far each point is outside the worst disc, `(P,)`; 0 where all three constraints hold."""
    outside = [np.hypot(path[:, 0] - x, path[:, 1] - y) - radius for x, y, radius in DISCS]
    return np.clip(np.max(outside, axis=0), 0, None)
