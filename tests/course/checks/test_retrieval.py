import pytest
import torch

from dmlnb.course import checks


def gallery_recall(queries, query_labels, gallery, gallery_labels):
    hits = []
    for query, label in zip(queries, query_labels.tolist(), strict=True):
        if label in gallery_labels.tolist():
            similarity = [float(query @ item) for item in gallery]
            hits.append(int(gallery_labels[similarity.index(max(similarity))]) == label)
    return sum(hits) / len(hits)


def found_labels(queries, gallery, labels):
    return labels[(queries @ gallery.T).argmax(dim=1)]


def leaves_out_the_diagonal(queries, query_labels, gallery, gallery_labels):
    similarity = (queries @ gallery.T).fill_diagonal_(-torch.inf)
    answerable = torch.isin(query_labels, gallery_labels)
    return (gallery_labels[similarity.argmax(dim=1)] == query_labels)[answerable].double().mean()


def labels_of_the_queries(queries, query_labels, gallery, gallery_labels):
    found = (queries @ gallery.T).argmax(dim=1) % len(query_labels)
    return (query_labels[found] == query_labels).double().mean()


def counts_all(queries, query_labels, gallery, gallery_labels):
    return (found_labels(queries, gallery, gallery_labels) == query_labels).double().mean()


def mean_of_classes(queries, query_labels, gallery, gallery_labels):
    hits = (found_labels(queries, gallery, gallery_labels) == query_labels).double()
    classes = [c for c in query_labels.unique() if c in gallery_labels]
    return torch.stack([hits[query_labels == c].mean() for c in classes]).mean()


def share_of_items(queries, query_labels, gallery, gallery_labels):
    return gallery_recall(gallery, gallery_labels, queries, query_labels)


def blockwise(embeddings, labels, block):
    right = 0
    for start in range(0, len(labels), block):
        similarity = embeddings[start : start + block] @ embeddings.T
        for row in range(len(similarity)):
            similarity[row, start + row] = -2.0
        right += int((labels[similarity.argmax(dim=1)] == labels[start : start + block]).sum())
    return right / len(labels)


def blocks(embeddings, labels, block, leave_out):
    found = []
    for start in range(0, len(labels), block):
        similarity = embeddings[start : start + block] @ embeddings.T
        leave_out(similarity, start)
        found.append((labels[similarity.argmax(dim=1)] == labels[start : start + block]).double())
    return found


def by_the_corner(similarity, start):
    similarity.fill_diagonal_(-torch.inf)


def by_index(similarity, start):
    similarity[:, start:].fill_diagonal_(-torch.inf)


def as_it_stands_in_the_notebook(embeddings, labels, block):
    means = [hits.mean() for hits in blocks(embeddings, labels, block, by_the_corner)]
    return sum(means) / len(means)


def mends_the_mean_only(embeddings, labels, block):
    return torch.cat(blocks(embeddings, labels, block, by_the_corner)).mean()


def mends_the_diagonal_only(embeddings, labels, block):
    return torch.stack([hits.mean() for hits in blocks(embeddings, labels, block, by_index)]).mean()


def searches_within_the_block(embeddings, labels, block):
    found = []
    for part, own in zip(embeddings.split(block), labels.split(block), strict=True):
        found.append(own[(part @ part.T).fill_diagonal_(-torch.inf).argmax(dim=1)] == own)
    return torch.cat(found).double().mean()


def drops_the_first(embeddings, labels, block):
    second = [(part @ embeddings.T).topk(2, dim=1).indices[:, 1] for part in embeddings.split(block)]
    return (labels[torch.cat(second)] == labels).double().mean()


RIGHT = {"gallery_recall": gallery_recall, "blockwise_recall": blockwise}

# (exercise, wrong answer, words of the property that must be named)
WRONG = {
    "diagonal": ("gallery_recall", leaves_out_the_diagonal, "nothing is left out"),
    "labels of the queries": ("gallery_recall", labels_of_the_queries, "one of the gallery's labels"),
    "counts all": ("gallery_recall", counts_all, "not counted"),
    "mean of classes": ("gallery_recall", mean_of_classes, "each query counts the same"),
    "sides swapped": ("gallery_recall", share_of_items, "each query counts the same"),
    "percent": ("gallery_recall", lambda *sides: 100 * gallery_recall(*sides), "one of the gallery's labels"),
    "both bugs": ("blockwise_recall", as_it_stands_in_the_notebook, "in the second block"),
    "diagonal of the corner": ("blockwise_recall", mends_the_mean_only, "in the second block"),
    "mean of means": ("blockwise_recall", mends_the_diagonal_only, "last block is shorter"),
    "within the block": ("blockwise_recall", searches_within_the_block, ""),
    "by rank": ("blockwise_recall", drops_the_first, "left out by its index"),
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
    checks.blockwise_recall(lambda *inputs: 0.5)
    assert "block = 4\n    expected 1.0\n    got      0.5" in capsys.readouterr().out


def test_the_package_finds_a_duplicate():
    assert checks.blockwise_recall()(torch.eye(2)[[0, 0, 1, 1]], torch.tensor([0, 0, 1, 1]), 3) == 1.0
