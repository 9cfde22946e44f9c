import math

import torch

from tests.course.checks.exercises import Exercises


def farthest_first(points, k):
    picks = [0]
    while len(picks) < k:
        nearest = torch.cdist(points, points[picks]).min(dim=1).values
        nearest[picks] = -1
        picks.append(int(nearest.argmax()))
    return torch.tensor(picks)


def from_the_sum(points, k):
    picks = [0]
    while len(picks) < k:
        far = torch.cdist(points, points[picks]).sum(dim=1)
        far[picks] = -1
        picks.append(int(far.argmax()))
    return torch.tensor(picks)


def from_the_first(points, k):
    return (points - points[0]).norm(dim=1).argsort(descending=True).roll(1)[:k]


def may_repeat(points, k):
    picks = [0]
    while len(picks) < k:
        picks.append(int(torch.cdist(points, points[picks[-1:]]).squeeze(1).argmax()))
    return torch.tensor(picks)


def distances(x, y, proxies):
    return torch.cdist(x[:, None], proxies[y]).squeeze(1)  # (N, K)


def by_class(values, y, classes, reduce=torch.max):
    return torch.stack([reduce(values[y == c]) for c in range(classes)])


def cover(x, y, p):
    return by_class(distances(x, y, p).min(dim=1).values, y, len(p))


def proximal(a, m, anchor, s):
    w = anchor.clone().double()
    for _ in range(5000):  # gradient descent, not the closed form
        w = w - 0.05 * (a * (w - m) + s * (w - anchor))
    return w


def spare(points, proxies, reduce=max):
    radii = []
    for k in range(len(proxies)):
        rest = [p for j, p in enumerate(proxies) if j != k]
        radii.append(reduce([min((x - p).norm().item() for p in rest) for x in points]))
    return radii.index(min(radii))


def cover_without(points, proxies, k):
    rest = torch.cat([proxies[:k], proxies[k + 1 :]])
    return torch.cdist(points, rest).amin(dim=1).max().item()


def fewest_samples(points, proxies):
    return int(torch.bincount(torch.cdist(points, proxies).argmin(dim=1), minlength=len(proxies)).argmin())


def nearest_pair(points, proxies):
    between = torch.cdist(proxies, proxies).fill_diagonal_(torch.inf)
    return int(between.amin(dim=1).argmin())


def needed(largest, slack):
    n = 1
    while largest * math.sqrt(math.log(20) / (2 * n)) > slack:
        n += 1
    return n


RIGHT = {
    "farthest_first": farthest_first,
    "proximal_minimum": proximal,
    "proxy_cover": cover,
    "spare_proxy": spare,
    "samples_needed": needed,
}
WRONG = {
    "the points": ("farthest_first", lambda p, k: p[farthest_first(p, k)], "one index a pick"),
    "no first": ("farthest_first", lambda p, k: farthest_first(p, k + 1)[1:], "begins with point 0"),
    "nearest": ("farthest_first", lambda p, k: torch.cdist(p, p[:1]).flatten().argsort()[:k], "second pick"),
    "sum": ("farthest_first", from_the_sum, "nearest centre"),
    "from the first": ("farthest_first", from_the_first, "nearest centre"),
    "from the last": ("farthest_first", may_repeat, "later pick"),
    "the minimum": ("proximal_minimum", lambda a, m, w, s: m, "halfway"),
    "swapped": ("proximal_minimum", lambda a, m, w, s: (a * w + s * m) / (a + s), "without an anchor"),
    "no curvature": ("proximal_minimum", lambda a, m, w, s: (m + s * w) / (1 + s), "steeper"),
    "a step": ("proximal_minimum", lambda a, m, w, s: w - a * (w - m) / (1 + s), "steeper"),
    "half λ": ("proximal_minimum", lambda a, m, w, s: (a * m + s / 2 * w) / (a + s / 2), "halfway"),
    "mean": (
        "proxy_cover",
        lambda x, y, p: by_class(distances(x, y, p).min(dim=1).values, y, len(p), torch.mean),
        "not the mean",
    ),
    "farthest proxy": (
        "proxy_cover",
        lambda x, y, p: by_class(distances(x, y, p).max(dim=1).values, y, len(p)),
        "nearest proxy",
    ),
    "any class": (
        "proxy_cover",
        lambda x, y, p: by_class(torch.cdist(x, p.flatten(0, 1)).min(dim=1).values, y, len(p)),
        "own class",
    ),
    "squared": ("proxy_cover", lambda x, y, p: cover(x, y, p) ** 2, "not squared"),
    "one number": ("proxy_cover", lambda x, y, p: cover(x, y, p).max(), "one radius a class"),
    "few samples": ("spare_proxy", fewest_samples, "covers few samples"),
    "nearest pair": ("spare_proxy", nearest_pair, "near two proxies are"),
    "mean of samples": (
        "spare_proxy",
        lambda x, p: spare(x, p, reduce=lambda d: sum(d) / len(d)),
        "not their mean",
    ),
    "the most needed": (
        "spare_proxy",
        lambda x, p: max(range(len(p)), key=lambda k: cover_without(x, p, k)),
        "not spare",
    ),
    "the radius": (
        "spare_proxy",
        lambda x, p: cover_without(x, p, spare(x, p)),
        "how well the others cover",
    ),
    "rounded down": ("samples_needed", lambda top, slack: needed(top, slack) - 1, "rounded up"),
    "not rounded": ("samples_needed", lambda top, slack: math.log(20) / 2 * (top / slack) ** 2, "rounded up"),
    "no square": (
        "samples_needed",
        lambda top, slack: math.ceil(math.log(20) / 2 * top / slack),
        "root of n",
    ),
    "largest forgotten": ("samples_needed", lambda top, slack: needed(1.0, slack), "twice the loss"),
}


class TestExercises(Exercises):
    """The answers above."""
