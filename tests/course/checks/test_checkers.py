import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from dmlnb.course import checks

# --- what readers may hand in -------------------------------------------------------------------------------------


def recall(embeddings, labels):
    similarity = embeddings @ embeddings.T
    similarity.fill_diagonal_(-torch.inf)
    return (labels[similarity.argmax(dim=1)] == labels).float().mean().item()


def recall_keeps_itself(embeddings, labels):
    return (labels[(embeddings @ embeddings.T).argmax(dim=1)] == labels).float().mean()


def recall_drops_first_rank(embeddings, labels):
    second = (embeddings @ embeddings.T).topk(2, dim=1).indices[:, 1]
    return (labels[second] == labels).float().mean()


def recall_drops_duplicates(embeddings, labels):
    similarity = embeddings @ embeddings.T
    similarity[similarity > 0.99999] = -1
    return (labels[similarity.argmax(dim=1)] == labels).float().mean()


def recall_of_farthest(embeddings, labels):
    return (labels[(embeddings @ embeddings.T).argmin(dim=1)] == labels).float().mean()


def recall_percent(embeddings, labels):
    return 100 * recall(embeddings, labels)


def recall_mean_of_classes(embeddings, labels):
    similarity = (embeddings @ embeddings.T).fill_diagonal_(-torch.inf)
    hit = (labels[similarity.argmax(dim=1)] == labels).float()
    return torch.stack([hit[labels == c].mean() for c in labels.unique()]).mean()


def average_precision(hits):
    total = 0.0
    for i in range(len(hits)):
        if hits[i]:
            total += float(hits[: i + 1].sum()) / (i + 1)
    return total / len(hits)


def precision_at_ranks(hits):
    return hits.float().cumsum(0) / torch.arange(1, len(hits) + 1)


def nearest_share(tokens, prototypes):
    nearest = torch.cdist(tokens, prototypes).argmin(dim=1)
    return one_hot(nearest, len(prototypes)).float().mean(dim=0)


def winners(scores, m):
    return torch.bincount(scores.argmax(dim=1), minlength=m) / len(scores)


def soft_share(tokens, prototypes, sharpness):
    return torch.softmax(-sharpness * torch.cdist(tokens, prototypes), dim=1).mean(dim=0)


distances = torch.cdist

RIGHT = {
    "recall_at_1": recall,
    "average_precision_at_r": average_precision,
    "gap": lambda features: features.flatten(2).mean(dim=2),
    "hard_histogram": nearest_share,
    "soft_histogram": soft_share,
    "cover_radius": lambda points, centres: distances(points, centres).min(dim=1).values.max(),
}

# (exercise, wrong answer, words of the property that must be named)
WRONG = {
    "self": ("recall_at_1", recall_keeps_itself, "must not find itself"),
    "by rank": ("recall_at_1", recall_drops_first_rank, "left out by index"),
    "drops duplicates": ("recall_at_1", recall_drops_duplicates, "left out by index"),
    "farthest": ("recall_at_1", recall_of_farthest, "largest, not the smallest"),
    "percent": ("recall_at_1", recall_percent, "no percentage"),
    "mean of classes": ("recall_at_1", recall_mean_of_classes, "each counts the same"),
    "precision": ("average_precision_at_r", lambda hits: hits.float().mean(), "early hits count more"),
    "by hits": (
        "average_precision_at_r",
        lambda hits: (hits * precision_at_ranks(hits)).sum() / hits.sum(),
        "divided by R",
    ),
    "by hits, guarded": (
        "average_precision_at_r",
        lambda hits: (hits * precision_at_ranks(hits)).sum() / hits.sum().clamp(min=1),
        "divided by R",
    ),
    "all ranks": ("average_precision_at_r", lambda hits: precision_at_ranks(hits).mean(), "ranks with a hit"),
    "any": ("average_precision_at_r", lambda hits: float(hits.any()), "divided by R"),
    "NaN": (
        "average_precision_at_r",
        lambda hits: average_precision(hits) if hits.any() else float("nan"),
        "not NaN",
    ),
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
        "win no token",
    ),
    "sum over prototypes": (
        "hard_histogram",
        lambda t, p: one_hot(distances(t, p).argmin(1), len(p)).sum(1),
        "one share a prototype",
    ),
    "softmax over tokens": (
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


# --- the tests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RIGHT)
def test_accepts_a_right_answer_and_returns_it(name, capsys):
    assert getattr(checks, name)(RIGHT[name]) is RIGHT[name]
    assert capsys.readouterr().out == "right\n"


@pytest.mark.parametrize("name", RIGHT)
def test_accepts_the_package(name, capsys):
    package = getattr(checks, name)()
    assert capsys.readouterr().out == "not attempted yet\n"
    assert getattr(checks, name)(package) is package
    assert capsys.readouterr().out == "right\n"


@pytest.mark.parametrize("case", WRONG)
def test_rejects_a_wrong_answer_and_names_the_property(case, capsys):
    name, attempt, words = WRONG[case]
    returned = getattr(checks, name)(attempt)
    text = capsys.readouterr().out
    assert text.startswith("wrong, because this does not hold: ")
    assert words in text.split("\n")[0]
    assert "on this input:" in text and "expected" in text and "got" in text
    assert callable(returned) and returned is not attempt


def test_three_wrong_answers_at_least_for_each_exercise():
    names = [name for name, _, _ in WRONG.values()]
    assert all(names.count(name) >= 3 for name in RIGHT)


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("blank", [None, ..., NotImplemented])
def test_not_attempted_yet(name, blank, capsys):
    for attempt in (blank, lambda *inputs: blank):
        returned = getattr(checks, name)(attempt)
        assert callable(returned) and returned is not attempt
        assert capsys.readouterr().out == "not attempted yet\n"


def test_a_stub_that_raises_not_implemented_is_not_attempted(capsys):
    def stub(features):
        raise NotImplementedError

    checks.gap(stub)
    assert "not attempted yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda features: 1 / 0, "it raised ZeroDivisionError: division by zero"),
        (lambda: 1, "it raised TypeError"),
        (lambda features: features @ features.new_zeros(99), "it raised RuntimeError"),
        (lambda features: "text", "does not hold"),
        (lambda features: {}, "does not hold"),
        (lambda features: features.mean(dim=(2, 3)) * torch.nan, "does not hold"),
        (3.0, "a function is expected"),
        (torch.zeros(2), "a function is expected"),
    ],
)
def test_nothing_stops_the_notebook(attempt, words, capsys):
    package = checks.gap(attempt)
    text = capsys.readouterr().out
    assert text.startswith("wrong, because ") and words in text
    assert package(torch.ones(2, 3, 4, 4)).shape == (2, 3)


def test_none_after_the_first_property_is_wrong(capsys):
    checks.cover_radius(lambda points, centres: 0.0 if len(points) == 3 else None)
    assert "wrong, because" in capsys.readouterr().out


def test_an_attempt_cannot_spoil_the_inputs(capsys):
    def greedy(features):
        result = features.mean(dim=(2, 3))
        features.zero_()
        return result

    for _ in range(2):
        assert checks.gap(greedy) is greedy


def test_an_attempt_may_use_random_numbers_without_side_effects():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    checks.gap(lambda features: torch.randn(features.shape[:2]))
    assert torch.rand(1) == expected


def test_the_message_shows_the_input(capsys):
    checks.average_precision_at_r(lambda hits: 1.0)
    assert (
        "hits = [True, False, False, False]\n    expected 0.25\n    got      1.0" in capsys.readouterr().out
    )


def test_package_versions_are_the_package():
    features: Tensor = torch.randn(2, 5, 3, 3)
    assert torch.equal(checks.gap()(features), features.mean(dim=(2, 3)))
    assert checks.recall_at_1()(torch.eye(2), torch.tensor([0, 0])) == 1.0
