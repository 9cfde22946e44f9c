"""Checkers of notebook 07: relaxed labels and their width, relative distances, the loss, a slope, axes that suffice."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb import losses
from dmlnb.course.checks.core import Property, _verdict, check
from dmlnb.course.toys import pairs
from dmlnb.geometry import normalize


def relaxed_labels(attempt: Any = None) -> Callable:
    """Check `attempt(source (n, d), sigma) -> (n, n)`: exp(-squared distance of the unit vectors / sigma).

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 07.
    """
    corner = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    return check(
        attempt,
        _relaxed_labels,
        [
            Property(
                "one label a pair: (n, d) → (n, n)", {"source": _random(4, 3), "sigma": 1.0}, only_shape=True
            ),
            Property(
                "a row belongs to itself: 1 on the diagonal", {"source": corner, "sigma": 0.5}, of=torch.diag
            ),
            Property(
                "only directions count: rows are put on the unit sphere first",
                {"source": torch.tensor([[1.0, 0.0], [3.0, 0.0]]), "sigma": 1.0},
            ),
            Property(
                "the distance is squared, and nothing is halved: orthogonal rows have exp(−2/σ)",
                {"source": corner, "sigma": 1.0},
            ),
            Property(
                "sigma divides the squared distance and is not squared itself",
                {"source": corner, "sigma": 3.0},
            ),
            Property("it is exp(−‖ŝᵢ − ŝⱼ‖² / σ)", {"source": _random(6, 4, seed=1), "sigma": 0.7}),
        ],
    )


def relative_distances(attempt: Any = None) -> Callable:
    """Check `attempt(target (n, d)) -> (n, n)`: Euclidean distances, each row divided by its mean.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 07.
    """
    line = torch.tensor([[0.0], [1.0], [3.0]])
    return check(
        attempt,
        losses.relative_distances,
        [
            Property("one number a pair: (n, d) → (n, n)", {"target": _random(5, 3)}, only_shape=True),
            Property(
                "each row has its own mean, which counts the zero on the diagonal: every row sums to n",
                {"target": line},
                of=lambda r: r.sum(dim=1),
            ),
            Property("distances are not squared", {"target": line}),
            Property(
                "rows are not normalised: points on a ray stay apart",
                {"target": torch.tensor([[1.0], [2], [5]])},
            ),
            Property("it is dᵢⱼ / μᵢ", {"target": _random(6, 4, seed=2)}),
        ],
    )


def relaxed_contrastive(attempt: Any = None) -> Callable:
    """Check `attempt(target (n, d), source (n, d'), sigma, delta) -> scalar`, the relaxed contrastive loss.

    The gradient is checked too: held constant, the mean distance would leave the value as it is.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 07.
    """
    base = {"target": _random(5, 3), "source": _random(5, 2, seed=1), "sigma": 1.0, "delta": 1.0}
    same = {"target": _random(4, 2), "source": torch.ones(4, 2), "sigma": 1.0, "delta": 1.0}
    properties = [
        Property("one number comes out", base, only_shape=True),
        Property("source rows that coincide only pull: the loss is the sum of r² over n", same),
        Property("it is summed over partners and averaged over the n anchors only", base),
        Property("delta is the margin of the push, which ends there", base | {"delta": 1.6}),
        Property("sigma is the width of the labels", base | {"sigma": 0.3}),
    ]
    verdict = _verdict(attempt, _relaxed_contrastive, properties)
    if verdict == "right":
        flow = Property("the gradient flows through the mean distance too (nothing is detached)", base)
        verdict = _verdict(_gradient_of(attempt), _gradient_of(_relaxed_contrastive), [flow])
    print(verdict)
    return attempt if verdict == "right" else _relaxed_contrastive


def pair_slope(attempt: Any = None) -> Callable:
    """Check `attempt(r, w, delta) -> number`: the derivative in r of w r² + (1 − w) max(δ − r, 0)².

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 07.
    """
    return check(
        attempt,
        pairs.pair_slope,
        [
            Property(
                "a pair that belongs together is pulled: slope above 0", _pair(0.5, 1.0, 1.0), of=torch.sign
            ),
            Property(
                "a pair that does not is pushed apart within the margin", _pair(0.5, 0.0, 1.0), of=torch.sign
            ),
            Property("beyond the margin nothing pushes", _pair(1.5, 0.0, 1.0)),
            Property("it rests at r = δ (1 − w)", _pair(0.9, 0.4, 1.5)),
            Property("squares have the factor 2", _pair(0.5, 1.0, 1.0)),
            Property("it is 2 w r − 2 (1 − w) max(δ − r, 0)", _pair(0.3, 0.2, 0.8)),
        ],
    )


def kernel_width(attempt: Any = None) -> Callable:
    """Check `attempt(cosine, label) -> number`: the sigma that gives unit vectors of this cosine this label.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 07.
    """
    return check(
        attempt,
        _kernel_width,
        [
            Property("orthogonal vectors get the label exp(−2/σ)", _told(0.0, 0.1353353)),
            Property("a larger label needs a wider kernel", _told(0.0, 0.6)),
            Property("nearer vectors need a narrower kernel for the same label", _told(0.5, 0.1353353)),
            Property("opposite vectors are 2 apart, and the distance is squared", _told(-1.0, 0.5)),
            Property("it is the σ that solves w = exp(−2 (1 − cos)/σ)", _told(0.2, 0.37)),
        ],
    )


def axes_needed(attempt: Any = None) -> Callable:
    """Check `attempt(source (N, d), share) -> int`: how many principal axes keep this share of the unit vectors.

    What an axis keeps is the sum of the squared coordinates along it; all axes together keep N.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 07.
    """
    line = torch.tensor([[1.0, 0.0, 0.0], [5.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    sign = torch.tensor([[1.0], [-1.0]])
    c, s = 0.9, 0.19**0.5  # of unit vectors
    round_one = torch.tensor([[c, s, 0.0], [c, -s, 0.0], [c, 0.0, s], [c, 0.0, -s]])
    return check(
        attempt,
        _axes_needed,
        [
            Property(
                "rows on one line through the origin need one axis", {"source": line[:2] * sign, "share": 0.9}
            ),
            Property(
                "no mean is subtracted: a common direction is an axis too",
                {"source": round_one, "share": 0.55},
            ),
            Property(
                "rows are unit vectors first: a long row counts no more", {"source": line, "share": 0.8}
            ),
            Property("coordinates are squared", {"source": _stretched(), "share": 0.8}),
            Property("it is the least number that keeps the share", {"source": _stretched(), "share": 0.97}),
        ],
    )


def _relaxed_labels(source: Tensor, sigma: float) -> Tensor:
    return losses.relaxed_labels(source, sigma=sigma)


def _relaxed_contrastive(target: Tensor, source: Tensor, sigma: float, delta: float) -> Tensor:
    return losses.RelaxedContrastiveLoss(sigma, delta)(target, source)


def _kernel_width(cosine: Tensor, label: Tensor) -> Tensor:
    return -2 * (1 - cosine) / label.log()


def _axes_needed(source: Tensor, share: float) -> int:
    unit = normalize(source.double())
    kept = torch.linalg.svdvals(unit).square()  # falling; their sum is N
    return int((kept.cumsum(0) < share * len(unit) - 1e-9).sum()) + 1


def _gradient_of(loss: Callable) -> Callable:
    def gradient(target: Tensor, source: Tensor, sigma: float, delta: float) -> Tensor:
        target = target.clone().requires_grad_()
        return torch.autograd.grad(loss(target, source, sigma, delta), target)[0]

    return gradient


def _pair(r: float, w: float, delta: float) -> dict[str, Any]:
    return {"r": torch.tensor(r), "w": w, "delta": delta}


def _told(cosine: float, label: float) -> dict[str, Tensor]:
    return {"cosine": torch.tensor(cosine), "label": torch.tensor(label)}


def _stretched() -> Tensor:
    return _random(40, 6, seed=3) * torch.tensor([3.0, 0.3, 2.0, 1.0, 0.1, 0.5])


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
