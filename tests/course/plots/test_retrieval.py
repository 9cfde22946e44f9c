import re

import pytest
import torch

from dmlnb.course.plots import draw_ranking, png_bytes
from dmlnb.retrieval import evaluate


def six(angle=62.0):
    radians = torch.deg2rad(torch.tensor([15.0, 34.0, angle, 48.0, 95.0, 130.0]))
    return torch.stack([radians.cos(), radians.sin()], dim=1), torch.tensor([0, 0, 0, 1, 1, 1])


def numbers(figure):
    found = re.search(r"R@\d+ = (\d).*P@R = ([\d.]+).*AP@R = ([\d.]+)", figure.get_suptitle())
    return [float(n) for n in found.groups()]


@pytest.mark.parametrize("angle", [0.0, 62.0, 200.0])
@pytest.mark.parametrize("k", [1, 3])
def test_the_mean_over_queries_is_the_packages_answer(angle, k):
    embeddings, labels = six(angle)
    table = torch.tensor([numbers(draw_ranking(embeddings, labels, q, k)) for q in range(6)])
    report = evaluate(embeddings, labels, ks=(k,))
    expected = [report.recall_at[k], report.precision_at_r, report.map_at_r]
    assert table.mean(dim=0).tolist() == pytest.approx(expected, abs=6e-3)


def test_ranks_are_in_the_order_of_similarity():
    figure = draw_ranking(*six(), 0, 2)
    texts = [t.get_text() for t in figure.axes[1].texts][4:]
    assert texts[1::4] == ["1", "3", "2", "4", "5"] and texts[3::4] == ["✓", "✗", "✓", "✗", "✗"]
    png_bytes(figure)


def test_a_duplicate_is_a_neighbour_and_the_query_is_not():
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    for query in (0, 1):
        texts = [
            t.get_text() for t in draw_ranking(embeddings, torch.tensor([0, 1, 0]), query).axes[1].texts
        ][4:]
        assert texts[1::4] == [str(1 - query), "2"]


def test_a_query_alone_in_its_class_is_not_counted():
    assert "not counted" in draw_ranking(torch.eye(2), torch.tensor([0, 1]), 0).get_suptitle()


def test_lengths_do_not_matter():
    embeddings, labels = six()
    scaled = embeddings * torch.rand(6, 1).add(0.1)
    assert png_bytes(draw_ranking(embeddings, labels, 2, 3)) == png_bytes(draw_ranking(scaled, labels, 2, 3))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((torch.randn(4, 3), torch.zeros(4, dtype=torch.long), 0), "embeddings"),
        ((torch.randn(1, 2), torch.zeros(1, dtype=torch.long), 0), "embeddings"),
        ((torch.randn(4, 2), torch.zeros(3, dtype=torch.long), 0), "labels"),
        ((torch.randn(4, 2), torch.zeros(4, dtype=torch.long), 4), "query: expected 0 .. 3"),
        ((torch.randn(4, 2), torch.zeros(4, dtype=torch.long), 0, 4), "k: expected 1 .. 3"),
        ((torch.randn(4, 2), torch.zeros(4, dtype=torch.long), 0, 0), "k: expected 1 .. 3"),
    ],
)
def test_bad_inputs(arguments, words):
    with pytest.raises(ValueError, match=words):
        draw_ranking(*arguments)
