import pytest
import torch

from dmlnb.course import checks
from dmlnb.course.toys import pair_slope
from dmlnb.losses import RelaxedContrastiveLoss, relative_distances, relaxed_contrastive_loss, relaxed_labels
from dmlnb.losses import relaxed_labels as package_labels
from tests.course.checks.exercises import Exercises

EPS = 1e-12


def labels(source, sigma):
    unit = source / source.norm(dim=1, keepdim=True)
    return torch.exp(-(unit[:, None] - unit).square().sum(dim=2) / sigma)


def table(target):
    return ((target[:, None] - target).square().sum(dim=2) + EPS).sqrt() * (1 - torch.eye(len(target)))


def relative(target):
    return table(target) / table(target).mean(dim=1, keepdim=True)


def loss(target, source, sigma, delta, r=None, w=None, over=None):
    r = relative(target) if r is None else r
    w = labels(source, sigma) if w is None else w
    terms = w * r**2 + (1 - w) * (delta - r).clamp(min=0) ** 2
    return terms.sum() / (over or len(target))


def detached(target, source, sigma, delta):
    return loss(
        target, source, sigma, delta, r=table(target) / table(target).mean(dim=1, keepdim=True).detach()
    )


def widths(cosine, label):
    return -2 * (1 - cosine) / torch.log(label)


def axes(source, share, power=2, centre=False, unit=True, falling=True):
    rows = source / source.norm(dim=1, keepdim=True) if unit else source
    rows = rows - rows.mean(dim=0) if centre else rows
    values = torch.linalg.eigvalsh(rows.T @ rows).clamp(min=0) ** (power / 2)
    values, kept, number = values.flip(0) if falling else values, 0.0, 0
    while kept < share * values.sum() - 1e-6:
        kept, number = kept + values[number], number + 1
    return number


RIGHT = {
    "kernel_width": widths,
    "axes_needed": axes,
    "relaxed_labels": labels,
    "relative_distances": relative,
    "relaxed_contrastive": loss,
    "pair_slope": lambda r, w, delta: 2 * w * r - 2 * (1 - w) * max(delta - r, 0),
}

# (exercise, wrong answer, words of the property that must be named)
WRONG = {
    "raw source": ("relaxed_labels", lambda s, g: torch.exp(-(torch.cdist(s, s) ** 2) / g), "unit sphere"),
    "not squared": (
        "relaxed_labels",
        lambda s, g: torch.exp(-torch.cdist(s / s.norm(dim=1)[:, None], s / s.norm(dim=1)[:, None]) / g),
        "is squared",
    ),
    "gaussian": ("relaxed_labels", lambda s, g: labels(s, 2 * g**2), "nothing is halved"),
    "sigma squared": ("relaxed_labels", lambda s, g: labels(s, g**2), "not squared itself"),
    "sigma times": ("relaxed_labels", lambda s, g: labels(s, 1 / g), "divides"),
    "distance": ("relaxed_labels", lambda s, g: 1 - labels(s, g), "1 on the diagonal"),
    "global mean": ("relative_distances", lambda t: table(t) / table(t).mean(), "own mean"),
    "n - 1": ("relative_distances", lambda t: relative(t) * (len(t) - 1) / len(t), "counts the zero"),
    "squared": (
        "relative_distances",
        lambda t: table(t) ** 2 / (table(t) ** 2).mean(dim=1, keepdim=True),
        "not squared",
    ),
    "normalised": ("relative_distances", lambda t: relative(t / t.norm(dim=1)[:, None]), "on the diagonal"),
    "absolute": ("relative_distances", table, "own mean"),
    "mean of all": ("relaxed_contrastive", lambda *a: loss(*a, over=len(a[0]) ** 2), "only pull"),
    "no mean": ("relaxed_contrastive", lambda *a: loss(*a, over=1), "only pull"),
    "absolute distance": ("relaxed_contrastive", lambda *a: loss(*a, r=table(a[0])), "only pull"),
    "margin one": ("relaxed_contrastive", lambda t, s, g, d: loss(t, s, g, 1.0), "delta is the margin"),
    "sigma one": ("relaxed_contrastive", lambda t, s, g, d: loss(t, s, 1.0, d), "sigma is the width"),
    "hard labels": (
        "relaxed_contrastive",
        lambda *a: loss(*a, w=(labels(*a[1:3]) > 0.5).float()),
        "averaged over",
    ),
    "detached mean": ("relaxed_contrastive", detached, "through the mean distance"),
    "no factor two": ("kernel_width", lambda c, w: widths(c, w) / 2, "exp(−2/σ)"),
    "wrong sign": ("kernel_width", lambda c, w: -widths(c, w), "exp(−2/σ)"),
    "upside down": ("kernel_width", lambda c, w: 1 / widths(c, w) * 1.0, "a wider kernel"),
    "cosine forgotten": ("kernel_width", lambda c, w: widths(0 * c, w), "nearer vectors"),
    "root": ("kernel_width", lambda c, w: widths(c, w) * ((1 - c) / 1) ** -0.5, "nearer vectors"),
    "long rows count more": ("axes_needed", lambda s, q: axes(s, q, unit=False), "unit vectors first"),
    "centred": ("axes_needed", lambda s, q: axes(s, q, centre=True), "no mean"),
    "smallest first": ("axes_needed", lambda s, q: axes(s, q, falling=False), "one axis"),
    "singular values": ("axes_needed", lambda s, q: axes(s, q, power=1), "squared"),
    "one too few": ("axes_needed", lambda s, q: axes(s, q) - 1, "one axis"),
    "no clamp": ("pair_slope", lambda r, w, d: 2 * w * r - 2 * (1 - w) * (d - r), "nothing pushes"),
    "sign": ("pair_slope", lambda r, w, d: -pair_slope(r, w, d), "is pulled"),
    "no factor": ("pair_slope", lambda r, w, d: pair_slope(r, w, d) / 2, "factor 2"),
    "labels exchanged": ("pair_slope", lambda r, w, d: pair_slope(r, 1 - w, d), "is pulled"),
}


class TestExercises(Exercises):
    """The answers above."""


def test_an_attempt_that_breaks_the_graph_is_only_wrong(capsys):
    checks.relaxed_contrastive(lambda *a: loss(*a).detach())
    assert "wrong, because it raised RuntimeError" in capsys.readouterr().out


# The right options of the questions are true.


def test_tiny_width_only_pushes():
    target, source = torch.randn(8, 3), torch.randn(8, 2)
    w = relaxed_labels(source, sigma=1e-7)
    assert torch.equal(w, torch.eye(8))
    push = (1 - relative_distances(target)).clamp(min=0).square()
    push.fill_diagonal_(0)
    assert relaxed_contrastive_loss(target, w).item() == pytest.approx(push.sum().item() / 8, rel=1e-5)


def test_ten_times_larger_is_ten_times_less_steep():
    source, target = torch.randn(8, 2), torch.randn(8, 3)
    results = []
    for x in (target.clone().requires_grad_(), (10 * target).requires_grad_()):
        value = RelaxedContrastiveLoss()(x, source)
        results.append((value.item(), torch.autograd.grad(value, x)[0]))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-5)
    assert torch.allclose(10 * results[1][1], results[0][1], atol=1e-5)


def test_two_images_teach_nothing():
    source = torch.randn(2, 4)
    for target in torch.randn(3, 2, 5):
        value = RelaxedContrastiveLoss()(target, source).item()
        assert value == pytest.approx(4 * package_labels(source)[0, 1].item(), rel=1e-5)
