"""Checkers of notebook 03: the ridge fit, its recursion forwards and backwards, halves, and the cross-batch loss."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmlnb import losses
from dmlnb.course.checks.core import Property, check
from dmlnb.prototypes import LinearFit, kalman_update, prior_of, recursive_fit


def ridge_predictor(attempt: Any = None) -> Callable:
    """Check `attempt(attributes (N, m), targets (N, d), ridge) -> (m, d)`.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 03.
    """
    ones = {"attributes": torch.ones(4, 1), "targets": torch.full((4, 1), 6.0)}
    few = {"attributes": _shares(3, 5), "targets": _random(3, 2), "ridge": 0.1}
    return check(
        attempt,
        losses.ridge_predictor,
        [
            Property("one row of d coordinates for each of the m prototypes: (m, d)", few, only_shape=True),
            Property(
                "the ridge is there: four times the target 6 and ridge 4 give 24 / (4 + 4) = 3",
                ones | {"ridge": 4.0},
            ),
            Property(
                "the error is summed over the samples, not averaged, beside the ridge",
                ones | {"ridge": 0.5},
            ),
            Property(
                "a prototype that never occurs has a row of zeros",
                {"attributes": torch.eye(2, 3), "targets": _random(2, 2), "ridge": 0.1},
            ),
            Property("it minimises ‖ZW − Y‖² + ε‖W‖² with fewer samples than prototypes", few),
            Property(
                "it minimises ‖ZW − Y‖² + ε‖W‖² with more samples than prototypes",
                {"attributes": _shares(9, 3), "targets": _random(9, 2), "ridge": 0.1},
            ),
        ],
    )


def proximal_step(attempt: Any = None) -> Callable:
    """Check `attempt(prototypes (m, d), attributes (N, m), targets (N, d), ridge) -> (m, d)`, the proximal variant.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 03.
    """
    last = _random(4, 2, seed=2)
    z = _shares(6, 4)
    new = {"prototypes": last, "attributes": z, "targets": _random(6, 2)}
    return check(
        attempt,
        _proximal_step,
        [
            Property(
                "prototypes that explain the batch without error stay",
                new | {"targets": z @ last, "ridge": 0.1},
            ),
            Property(
                "a prototype that does not occur in the batch stays where it was",
                {"prototypes": last, "attributes": torch.eye(2, 4), "targets": _random(2, 2), "ridge": 0.1},
                of=lambda v: v[2:],
            ),
            Property(
                "a small ridge trusts the batch: one prototype, seen four times at 6, goes to 6",
                {
                    "prototypes": torch.zeros(1, 1),
                    "attributes": torch.ones(4, 1),
                    "targets": torch.full((4, 1), 6.0),
                    "ridge": 1e-6,
                },
            ),
            Property("a large ridge stays near the last fit", new | {"ridge": 1e5}),
            Property("it minimises ‖ZV − Y‖² + ε‖V − V_last‖²", new | {"ridge": 0.3}),
        ],
    )


def forget_batch(attempt: Any = None) -> Callable:
    """Check `attempt(prototypes (m, d), covariance (m, m), attributes (N, m), targets (N, d)) -> (m, d)`.

    The full fit, as if one of the batches that it has seen had never come: its prototypes without that batch.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 03.
    """
    batches = [(_shares(n, 3, seed=n).double(), _random(n, 2, seed=n).double()) for n in (6, 2, 4)]
    told = lambda fit, batch: {**fit._asdict(), "attributes": batch[0], "targets": batch[1]}
    alone, three = recursive_fit(batches[:1], 0.3)[-1], recursive_fit(batches, 0.3)[-1]
    one = LinearFit(torch.tensor([[3.0]]), torch.tensor([[1 / 8]]))  # four times 6, and ridge 4
    ones = torch.ones(4, 1)
    return check(
        attempt,
        _forget_batch,
        [
            Property(
                "one row of d coordinates for each prototype: (m, d)",
                told(three, batches[1]),
                only_shape=True,
            ),
            Property("with its only batch forgotten, a fit is back at zero", told(alone, batches[0])),
            Property(
                "one prototype, fitted to four times the target 6 with ridge 4: without two of them 12 / (2 + 4) = 2",
                told(one, (ones[:2], 6 * ones[:2])),
            ),
            Property("the batch that came last can be forgotten", told(three, batches[2])),
            Property("so can one that came before others", told(three, batches[0])),
        ],
    )


def first_half(attempt: Any = None) -> Callable:
    """Check `attempt(labels (N,)) -> (N,) bool`: True for the rows of one half; the halves must share no class.

    Any split by whole classes with about half of the classes on each side is right.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 03.
    """
    cases = {
        "classes that stand together": torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
        "classes in turn": torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2]),
        "classes with different numbers of samples": torch.tensor([5, 5, 5, 5, 5, 5, 5, 2, 9, 9]),
        "classes with even numbers": torch.tensor([4, 4, 2, 8, 2, 6]),
        "only two classes": torch.tensor([7, 7, 7, 4]),
    }
    rules = [Property("one True or False a row", {"labels": cases["classes in turn"]}, only_shape=True)]
    for name, labels in cases.items():
        rules += [
            Property(f"both halves hold something ({name})", {"labels": labels}, of=_both_hold),
            Property(f"no class is in both halves ({name})", {"labels": labels}, of=_shared(labels)),
            Property(
                f"each half has half of the classes, or one more or less ({name})",
                {"labels": labels},
                of=_balanced(labels),
            ),
        ]
    return check(attempt, _first_half, rules)


def cross_batch_loss(attempt: Any = None) -> Callable:
    """Check `attempt(attributes (N, m), labels (N,), codes (C, d), first (A,), second (B,), ridge, scale) -> scalar`.

    Returns:
        The attempt if it is right, else the package's function.

    Taught in notebook 03.
    """
    pair = {"first": torch.tensor([0]), "second": torch.tensor([1])}
    codes = torch.tensor([[1.0], [-1.0]])
    two = {"attributes": torch.ones(2, 1), "labels": torch.tensor([0, 1]), "codes": codes} | pair
    absent = two | {"codes": torch.cat([codes, torch.zeros(6, 1)])}
    batch = {
        "attributes": _shares(7, 5),
        "labels": torch.tensor([0, 3, 0, 2, 3, 5, 2]),
        "codes": _random(6, 3, seed=3),
        "first": torch.tensor([0, 1, 2, 4]),
        "second": torch.tensor([3, 5, 6]),
    }
    return check(
        attempt,
        _cross_batch_loss,
        [
            Property(
                "where all scores are equal, the mean over the images is log C",
                two | {"codes": torch.zeros(2, 1), "ridge": 1.0, "scale": 1.0},
            ),
            Property(
                "each half is predicted with the fit of the *other* half: these two images get each other's code",
                two | {"ridge": 1.0, "scale": 1.0},
            ),
            Property(
                "the softmax runs over all classes, also those that are not in the batch",
                absent | {"ridge": 1.0, "scale": 1.0},
            ),
            Property("the ridge enters the fit", two | {"ridge": 7.0, "scale": 1.0}),
            Property("the scale multiplies the scores", two | {"ridge": 1.0, "scale": 9.5}),
            Property(
                "every image counts the same: a mean over images, though the halves differ in size",
                batch | {"ridge": 0.05, "scale": 2.0},
            ),
        ],
    )


def _proximal_step(prototypes: Tensor, attributes: Tensor, targets: Tensor, ridge: float) -> Tensor:
    last = LinearFit(prototypes, torch.eye(len(prototypes)))
    return kalman_update(prior_of(last, "proximal", ridge), attributes, targets).prototypes


def _forget_batch(prototypes: Tensor, covariance: Tensor, attributes: Tensor, targets: Tensor) -> Tensor:
    precision = torch.linalg.inv(covariance)  # P⁻¹ = Σ Zᵀ Z + ε I, and P⁻¹ V = Σ Zᵀ Y
    return torch.linalg.solve(
        precision - attributes.T @ attributes, precision @ prototypes - attributes.T @ targets
    )


def _first_half(labels: Tensor) -> Tensor:
    return torch.isin(torch.arange(len(labels)), losses.class_halves(labels)[0])


def _cross_batch_loss(
    attributes: Tensor,
    labels: Tensor,
    codes: Tensor,
    first: Tensor,
    second: Tensor,
    ridge: float,
    scale: float,
) -> Tensor:
    return losses.cross_batch_loss(attributes, labels, codes, (first, second), ridge=ridge, scale=scale)


def _both_hold(mask: Tensor) -> bool:
    return bool(mask.bool().any() and not mask.bool().all())


def _shared(labels: Tensor) -> Callable[[Tensor], int]:
    return lambda mask: len(set(labels[mask.bool()].tolist()) & set(labels[~mask.bool()].tolist()))


def _balanced(labels: Tensor) -> Callable[[Tensor], bool]:
    return lambda mask: abs(len(labels[mask.bool()].unique()) - len(labels[~mask.bool()].unique())) <= 1


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _shares(*shape: int, seed: int = 1) -> Tensor:
    return torch.softmax(2 * _random(*shape, seed=seed), dim=1)
