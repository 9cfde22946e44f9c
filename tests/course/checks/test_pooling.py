import torch
from torch.nn.functional import one_hot

from dmlnb.course import checks
from tests.course.checks.exercises import Exercises

distances = torch.cdist


def nearest_share(regions, prototypes):
    nearest = torch.cdist(regions, prototypes).argmin(dim=1)
    return one_hot(nearest, len(prototypes)).float().mean(dim=0)


def winners(scores, m):
    return torch.bincount(scores.argmax(dim=1), minlength=m) / len(scores)


def soft_share(regions, prototypes, sharpness):
    return torch.softmax(-sharpness * torch.cdist(regions, prototypes), dim=1).mean(dim=0)


RIGHT = {
    "gap": lambda features: features.flatten(2).mean(dim=2),
    "hard_histogram": nearest_share,
    "soft_histogram": soft_share,
    "cover_radius": lambda points, centres: distances(points, centres).min(dim=1).values.max(),
    "collage_histogram": lambda a, n, b, k: a * (n / (n + k)) + b * (k / (n + k)),
    "nearest_offset": lambda v: 7.0 - 0.5 * torch.diagonal(v @ v.T),
}

# (exercise, wrong answer, words of the property that must be named)
WRONG = {
    "gap sum": ("gap", lambda f: f.sum(dim=(2, 3)), "not a sum"),
    "gap max": ("gap", lambda f: f.amax(dim=(2, 3)), "every region counts the same"),
    "gap batch": ("gap", lambda f: f.mean(dim=(0, 2, 3)).expand(f.shape[:2]), "not over the batch"),
    "gap channels": ("gap", lambda f: f.mean(dim=1), "d channels an image"),
    "gap keepdim": ("gap", lambda f: f.mean(dim=(2, 3), keepdim=True), "d channels an image"),
    "gap last axis": ("gap", lambda f: f.mean(dim=3), "d channels an image"),
    "inner product": ("hard_histogram", lambda t, p: winners(t @ p.T, len(p)), "Euclidean distance"),
    "counts": ("hard_histogram", lambda t, p: len(t) * nearest_share(t, p), "no counts"),
    "wrong axis": ("hard_histogram", lambda t, p: winners(-distances(p, t), len(p)), "no counts"),
    "forgets empty": (
        "hard_histogram",
        lambda t, p: torch.bincount(distances(t, p).argmin(dim=1)) / len(t),
        "win no region",
    ),
    "sum over prototypes": (
        "hard_histogram",
        lambda t, p: one_hot(distances(t, p).argmin(1), len(p)).sum(1),
        "one share a prototype",
    ),
    "softmax over regions": (
        "soft_histogram",
        lambda t, p, s: torch.softmax(-s * distances(t, p), dim=0).mean(dim=0),
        "runs over prototypes",
    ),
    "no mean": (
        "soft_histogram",
        lambda t, p, s: torch.softmax(-s * distances(t, p), dim=1).sum(dim=0),
        "not a sum",
    ),
    "no mean at all": (
        "soft_histogram",
        lambda t, p, s: torch.softmax(-s * distances(t, p), dim=1),
        "one share a prototype",
    ),
    "no sharpness": ("soft_histogram", lambda t, p, s: soft_share(t, p, 1.0), "sharpness 0"),
    "plus sign": ("soft_histogram", lambda t, p, s: soft_share(t, p, -s), "minus the distance"),
    "squared": (
        "soft_histogram",
        lambda t, p, s: torch.softmax(-s * distances(t, p) ** 2, dim=1).mean(dim=0),
        "not squared",
    ),
    "square maps only": (
        "gap",
        lambda f: f.sum(dim=(2, 3)) / f.shape[-1] ** 2,
        "every region counts the same",
    ),
    "collage: plain mean": ("collage_histogram", lambda a, n, b, k: (a + b) / 2, "nine against three"),
    "collage: other way round": (
        "collage_histogram",
        lambda a, n, b, k: (k * a + n * b) / (n + k),
        "nine against three",
    ),
    "collage: counts": ("collage_histogram", lambda a, n, b, k: n * a + k * b, "sum to 1"),
    "collage: sum": ("collage_histogram", lambda a, n, b, k: a + b, "sum to 1"),
    "collage: side by side": (
        "collage_histogram",
        lambda a, n, b, k: torch.cat([a, b]),
        "one share per prototype",
    ),
    "offset: none": ("nearest_offset", lambda v: torch.zeros(len(v)), "a longer prototype"),
    "offset: plus": ("nearest_offset", lambda v: v.square().sum(dim=1) / 2, "a longer prototype"),
    "offset: not halved": ("nearest_offset", lambda v: -v.square().sum(dim=1), "on the scale"),
    "offset: length": ("nearest_offset", lambda v: -v.norm(dim=1) / 2, "on the scale"),
    "offset: sum of coordinates": ("nearest_offset", lambda v: -v.sum(dim=1), "equal length"),
    "mean of distances": (
        "cover_radius",
        lambda p, c: distances(p, c).min(dim=1).values.mean(),
        "not their mean",
    ),
    "farthest centre": ("cover_radius", lambda p, c: distances(p, c).max(), "its nearest centre"),
    "over centres": ("cover_radius", lambda p, c: distances(p, c).min(dim=0).values.max(), "does no harm"),
    "squared radius": (
        "cover_radius",
        lambda p, c: (distances(p, c).min(dim=1).values ** 2).max(),
        "not squared",
    ),
}


class TestExercises(Exercises):
    """The answers above."""


def test_the_package_averages():
    features = torch.randn(2, 5, 3, 3)
    assert torch.equal(checks.gap()(features), features.mean(dim=(2, 3)))


def test_the_offset_makes_the_largest_inner_product_the_nearest_prototype():
    regions, prototypes = torch.randn(500, 3), 2 * torch.randn(8, 3)
    offset = checks.nearest_offset()(prototypes)
    winner = (regions @ prototypes.T + offset).argmax(dim=1)
    assert torch.equal(winner, distances(regions, prototypes).argmin(dim=1))
    assert not torch.equal(winner, (regions @ prototypes.T).argmax(dim=1))


def test_the_collage_is_the_histogram_of_all_regions_together():
    first, second, prototypes = torch.randn(49, 3), torch.randn(16, 3), torch.randn(5, 3)
    together = nearest_share(torch.cat([first, second]), prototypes)
    parts = nearest_share(first, prototypes), 49, nearest_share(second, prototypes), 16
    assert torch.allclose(checks.collage_histogram()(*parts), together)
