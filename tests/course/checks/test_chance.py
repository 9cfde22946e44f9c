import pytest
import torch

from dmlnb.course import checks


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


RIGHT = {
    "farthest_first": farthest_first,
    "proximal_gradient": lambda g, w, a, s: g + s * (w - a),
    "proxy_cover": cover,
    "markov_bound": lambda losses, t: min(1.0, losses.mean().item() / t),
}
WRONG = {
    "the points": ("farthest_first", lambda p, k: p[farthest_first(p, k)], "one index a pick"),
    "no first": ("farthest_first", lambda p, k: farthest_first(p, k + 1)[1:], "begins with point 0"),
    "nearest": ("farthest_first", lambda p, k: torch.cdist(p, p[:1]).flatten().argsort()[:k], "second pick"),
    "sum": ("farthest_first", from_the_sum, "nearest centre"),
    "from the first": ("farthest_first", from_the_first, "nearest centre"),
    "from the last": ("farthest_first", may_repeat, "later pick"),
    "decay": ("proximal_gradient", lambda g, w, a, s: g + s * w, "nothing is added"),
    "sign": ("proximal_gradient", lambda g, w, a, s: g - s * (w - a), "points away"),
    "only the pull": ("proximal_gradient", lambda g, w, a, s: s * (w - a), "nothing is added"),
    "half": ("proximal_gradient", lambda g, w, a, s: g + s / 2 * (w - a), "factor"),
    "replaced": ("proximal_gradient", lambda g, w, a, s: (1 - s) * g + s * (w - a), "nothing is added"),
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
    "squared": ("proxy_cover", lambda x, y, p: cover(x, y, p) ** 2, "maximum|squared"),
    "one number": ("proxy_cover", lambda x, y, p: cover(x, y, p).max(), "one radius a class"),
    "share": ("markov_bound", lambda losses, t: (losses >= t).float().mean().item(), "not the share"),
    "product": ("markov_bound", lambda losses, t: min(1.0, losses.mean().item() * t), "from the mean|divide"),
    "unclipped": ("markov_bound", lambda losses, t: losses.mean().item() / t, "never above 1"),
    "sum of losses": ("markov_bound", lambda losses, t: min(1.0, losses.sum().item() / t), "the mean|divide"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_accepts_a_right_answer_and_the_package(name, capsys):
    assert getattr(checks, name)(RIGHT[name]) is RIGHT[name]
    assert capsys.readouterr().out == "right\n"
    package = getattr(checks, name)()
    assert capsys.readouterr().out == "not attempted yet\n"
    assert getattr(checks, name)(package) is package


@pytest.mark.parametrize("case", WRONG)
def test_rejects_a_wrong_answer_and_names_the_property(case, capsys):
    name, attempt, words = WRONG[case]
    returned = getattr(checks, name)(attempt)
    text = capsys.readouterr().out
    assert text.startswith("wrong, because this does not hold: "), text
    assert any(word in text.split("\n")[0] for word in words.split("|")), text
    assert callable(returned) and returned is not attempt


def test_three_wrong_answers_at_least_for_each_exercise():
    names = [name for name, _, _ in WRONG.values()]
    assert all(names.count(name) >= 3 for name in RIGHT)


@pytest.mark.parametrize("name", RIGHT)
def test_a_stub_is_not_attempted(name, capsys):
    assert callable(getattr(checks, name)(lambda *inputs: None))
    assert capsys.readouterr().out == "not attempted yet\n"
