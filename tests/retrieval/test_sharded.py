"""Parts of a gallery on two processes answer as one index: the same rows, to the bit the same scores."""

import pytest
import torch

from dmlnb.retrieval import evaluate, evaluate_shards, nearest, nearest_in_shards
from tests.processes import fork, together

ROWS = 301
CUTS = {"two": [0, 120, ROWS], "three, one of them a single row": [0, 1, 201, ROWS]}


def drawn(kind: str) -> torch.Tensor:
    """Rows as they come: single precision; with many equal ones; in a narrow cone; some without a direction."""
    x = torch.randn(ROWS, 6, generator=torch.Generator().manual_seed(0))
    if kind == "equal rows":
        x = (2 * x).round()
    if kind == "narrow cone":
        x = 1 + 1e-4 * x
    if kind == "zeros":
        x[::50] = 0
    return x


KINDS = ("single precision", "equal rows", "narrow cone", "zeros")
LABELS = torch.arange(ROWS) * 7 % 40
QUERIES = torch.randn(23, 6, generator=torch.Generator().manual_seed(1))
WORLDS = [(kind, metric) for kind in KINDS for metric in ("cosine", "l2")]
KS = (1, 7, 250)


def asked(rank, cuts):
    """Neighbours of other queries and of the rows themselves, and the reports of both."""
    part, step = slice(cuts[rank], cuts[rank + 1]), len(cuts) - 1
    found = {}
    for kind, metric in WORLDS:
        x, own = drawn(kind), torch.arange(ROWS)
        for k in KS:
            found[kind, metric, k] = (
                nearest_in_shards(QUERIES, x[part], k=k, metric=metric),
                nearest_in_shards(x, x[part], k=k, metric=metric, own=own),
            )
        mine, gallery = slice(rank, len(QUERIES), step), {"gallery": x[part], "gallery_labels": LABELS[part]}
        found[kind, metric] = (
            evaluate_shards(x[part], LABELS[part], metric=metric),
            evaluate_shards(QUERIES[mine], LABELS[mine], **gallery, metric=metric),
        )
    return found


def of_one_index(ranks):
    """The same by one index; queries stand in the order of the ranks."""
    found = {}
    order = torch.cat([torch.arange(len(QUERIES))[rank::ranks] for rank in range(ranks)])
    for kind, metric in WORLDS:
        x = drawn(kind)
        for k in KS:
            found[kind, metric, k] = nearest(QUERIES, x, k=k, metric=metric), nearest(x, k=k, metric=metric)
        found[kind, metric] = (
            evaluate(x, LABELS, metric=metric),
            evaluate(QUERIES[order], LABELS[order], gallery=x, gallery_labels=LABELS, metric=metric),
        )
    return found


def require_same(one, other):
    assert one.keys() == other.keys()
    for name, expected in one.items():
        if len(name) == 2:
            assert other[name] == expected, name
            continue
        for (rows, scores), (found, seen) in zip(expected, other[name], strict=True):
            assert torch.equal(rows, found), name
            assert torch.equal(scores, seen), name


@fork
@pytest.mark.parametrize("cut", CUTS)
def test_parts_answer_as_one_index(cut, tmp_path):
    cuts = CUTS[cut]
    one = of_one_index(len(cuts) - 1)
    for end in together(asked, tmp_path, cuts, size=len(cuts) - 1):
        assert (end.code, end.said) == (0, "")
        require_same(one, end.result)


def test_alone_the_part_is_the_whole():
    require_same(of_one_index(1), asked(0, [0, ROWS]))


def empty(rank):
    evaluate_shards(QUERIES[: 5 * rank], LABELS[: 5 * rank])


@fork
def test_an_empty_part_is_one_error_on_one_rank(tmp_path):
    failed, waiting = together(empty, tmp_path)
    assert failed.said == "ValueError: embeddings: expected shape (N, d) with N, d >= 1, got (0, 6)"
    assert (failed.code, waiting.code, waiting.said) == (1, 1, "")


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="part: expected as many coordinates as on the other side, 6, got 5"):
        nearest_in_shards(QUERIES, QUERIES[:, :5])
    with pytest.raises(ValueError, match=r"k: expected 1 .. 23, got 24"):
        nearest_in_shards(QUERIES, QUERIES, k=24)
    with pytest.raises(ValueError, match="gallery, gallery_labels: expected both or neither"):
        evaluate_shards(QUERIES, LABELS[:23], gallery=QUERIES)
    with pytest.raises(ValueError, match="metric: expected"):
        evaluate_shards(QUERIES, LABELS[:23], metric="inner")
