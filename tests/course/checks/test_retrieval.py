import pytest
import torch

from dmlnb.course import checks


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


RIGHT = {"recall_at_1": recall, "average_precision_at_r": average_precision}

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
}


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


def test_the_message_shows_the_input(capsys):
    checks.average_precision_at_r(lambda hits: 1.0)
    assert (
        "hits = [True, False, False, False]\n    expected 0.25\n    got      1.0" in capsys.readouterr().out
    )


def test_the_package_finds_a_duplicate():
    assert checks.recall_at_1()(torch.eye(2), torch.tensor([0, 0])) == 1.0
