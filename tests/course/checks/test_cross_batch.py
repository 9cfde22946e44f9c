import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from dmlnb.course.toys import recursion_world
from dmlnb.losses import CrossBatchLoss
from dmlnb.prototypes import recursive_fit, ridge_predictor
from tests.course.checks.exercises import Exercises

# --- what readers may hand in -------------------------------------------------------------------------------------


def ridge(z, y, eps):
    return torch.linalg.solve(z.T @ z + eps * torch.eye(z.shape[1]), z.T @ y)


def ridge_samples(z, y, eps):
    return z.T @ torch.linalg.inv(z @ z.T + eps * torch.eye(len(z))) @ y


def proximal(v, z, y, eps):
    return v + ridge(z, y - z @ v, eps)


def forget(v, p, z, y):  # another way: a Kalman update with noise of variance minus one
    gain = p @ z.T @ torch.linalg.inv(z @ p @ z.T - torch.eye(len(z), dtype=z.dtype))
    return v + gain @ (y - z @ v)


def forget_by_precision(v, p, z, y):
    return torch.linalg.inv(p.inverse() - z.T @ z) @ (p.inverse() @ v - z.T @ y)


def forget_with_wrong_gain(v, p, z, y):  # that of one more update, backwards
    return v - p @ z.T @ torch.linalg.inv(torch.eye(len(z), dtype=z.dtype) + z @ p @ z.T) @ (y - z @ v)


def halves(labels):
    return torch.isin(labels, labels.unique()[::2])


def loss(z, y, codes, first, second, eps, scale):
    predicted = torch.cat(
        [
            z[first] @ ridge(z[second], codes[y[second]], eps),
            z[second] @ ridge(z[first], codes[y[first]], eps),
        ]
    )
    return cross_entropy(scale * predicted @ codes.T, torch.cat([y[first], y[second]]))


def loss_of_own_half(z, y, codes, first, second, eps, scale):
    predicted = torch.cat([z[h] @ ridge(z[h], codes[y[h]], eps) for h in (first, second)])
    return cross_entropy(scale * predicted @ codes.T, torch.cat([y[first], y[second]]))


def loss_of_means(z, y, codes, first, second, eps, scale):
    one = cross_entropy(scale * z[first] @ ridge(z[second], codes[y[second]], eps) @ codes.T, y[first])
    two = cross_entropy(scale * z[second] @ ridge(z[first], codes[y[first]], eps) @ codes.T, y[second])
    return (one + two) / 2


def loss_of_present_classes(z, y, codes, first, second, eps, scale):
    present, labels = y.unique(return_inverse=True)
    return loss(z, labels, codes[present], first, second, eps, scale)


RIGHT = {
    "ridge_predictor": [ridge, ridge_samples],
    "proximal_step": [proximal],
    "forget_batch": [forget, forget_by_precision],
    "first_half": [
        halves,
        lambda labels: labels <= labels.unique()[(len(labels.unique()) - 1) // 2],
        lambda labels: [int(c) in labels.unique()[1::2].tolist() for c in labels],
    ],
    "cross_batch_loss": [loss],
}

# (exercise, wrong answer, words of the property that must be named)
WRONG = {
    "transposed": ("ridge_predictor", lambda z, y, e: ridge(z, y, e).T, "one row of d coordinates"),
    "no ridge": ("ridge_predictor", lambda z, y, e: torch.linalg.pinv(z) @ y, "the ridge is there"),
    "averaged": ("ridge_predictor", lambda z, y, e: ridge(z, y, e * len(z)), "the ridge is there"),
    "half": ("ridge_predictor", lambda z, y, e: ridge(z, y, e / 2), "the ridge is there"),
    "squared": ("ridge_predictor", lambda z, y, e: ridge(z, y, e**2), "the ridge is there"),
    "mean target": (
        "ridge_predictor",
        lambda z, y, e: z.T @ y / (z.sum(dim=0)[:, None] + e),
        "fewer samples",
    ),
    "memoryless": ("proximal_step", lambda v, z, y, e: ridge(z, y, e), "without error stay"),
    "stays": ("proximal_step", lambda v, z, y, e: v, "a small ridge trusts"),
    "gradient step": (
        "proximal_step",
        lambda v, z, y, e: v + z.T @ (y - z @ v) / e,
        "a small ridge trusts",
    ),
    "decays": (
        "proximal_step",
        lambda v, z, y, e: 0.9 * v + ridge(z, y - 0.9 * z @ v, e),
        "without error stay",
    ),
    "ridge over batch": (
        "proximal_step",
        lambda v, z, y, e: v + ridge(z, y - z @ v, e / len(z)),
        "a large ridge stays",
    ),
    "nothing forgotten": ("forget_batch", lambda v, p, z, y: v, "is back at zero"),
    "fitted twice": (
        "forget_batch",
        lambda v, p, z, y: torch.linalg.inv(p.inverse() + z.T @ z) @ (p.inverse() @ v + z.T @ y),
        "is back at zero",
    ),
    "back to the start": ("forget_batch", lambda v, p, z, y: 0 * v, "without two of them"),
    "gain of an update": ("forget_batch", forget_with_wrong_gain, "is back at zero"),
    "batch without its targets": (
        "forget_batch",
        lambda v, p, z, y: torch.linalg.inv(p.inverse() - z.T @ z) @ (p.inverse() @ v),
        "is back at zero",
    ),
    "transposed, forgotten": ("forget_batch", lambda *a: forget(*a).T, "one row of d coordinates"),
    "front and back": ("first_half", lambda y: torch.arange(len(y)) < len(y) // 2, "no class is in both"),
    "even and odd": ("first_half", lambda y: torch.arange(len(y)) % 2 == 0, "no class is in both"),
    "everything": ("first_half", lambda y: torch.ones(len(y)), "both halves hold"),
    "one class": ("first_half", lambda y: y == y[0], "half of the classes"),
    "row numbers": ("first_half", lambda y: torch.arange(3), "one True or False a row"),
    "parity of the label": ("first_half", lambda y: y % 2 == 0, "both halves hold"),
    "own half": ("cross_batch_loss", loss_of_own_half, "the fit of the *other* half"),
    "mean of means": ("cross_batch_loss", loss_of_means, "every image counts the same"),
    "present classes": ("cross_batch_loss", loss_of_present_classes, "over all classes"),
    "no scale": ("cross_batch_loss", lambda *a: loss(*a[:-1], 1.0), "the scale multiplies"),
    "no ridge, loss": ("cross_batch_loss", lambda *a: loss(*a[:-2], 1.0, a[-1]), "the ridge enters"),
    "sum": ("cross_batch_loss", lambda *a: 2 * loss(*a), "log C"),
}


class TestExercises(Exercises):
    """The answers above."""


# --- the predict questions' right options are true ----------------------------------------------------------------


def test_a_prototype_that_never_occurs_gets_zero():
    z = torch.rand(5, 4)
    z[:, 2] = 0
    fit = ridge_predictor(z, torch.randn(5, 3), 0.1)
    assert not fit[2].any() and fit[0].any()


@pytest.mark.parametrize("classes", [8, 30, 253])
@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_an_untrained_loss_starts_above_log_c(sharpness, classes):
    labels = torch.randperm(classes)[:64]
    starts = [
        CrossBatchLoss(classes, 64)(
            torch.softmax(sharpness * torch.randn(len(labels), 32), dim=1), labels
        ).item()
        for _ in range(20)
    ]
    assert sum(starts) / 20 > math.log(classes)


def test_without_drift_the_full_recursion_ends_nearest():
    errors = dict.fromkeys(("memoryless", "full", "forgetting"), 0.0)
    for seed in range(20):
        batches, true = recursion_world(40, seed=seed)
        for variant in errors:
            fit = recursive_fit(batches, 0.3, variant, forgetting=0.7)[-1]
            errors[variant] += float((fit.prototypes - true[-1]).norm())
    assert errors["full"] < errors["forgetting"] < errors["memoryless"]
