import torch

from dmlnb.course import checks
from tests.course.checks.exercises import Exercises


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
    "within the block": ("blockwise_recall", searches_within_the_block, "not in the block alone"),
    "by rank": ("blockwise_recall", drops_the_first, "left out by its index"),
}


class TestExercises(Exercises):
    """The answers above."""


def test_the_message_shows_the_input(capsys):
    checks.blockwise_recall(lambda *inputs: 0.5)
    assert "block = 4\n    expected 1.0\n    got      0.5" in capsys.readouterr().out


def test_the_package_finds_a_duplicate():
    assert checks.blockwise_recall()(torch.eye(2)[[0, 0, 1, 1]], torch.tensor([0, 0, 1, 1]), 3) == 1.0
