import pytest
import torch
from torch.nn.functional import one_hot

from dmlnb.course import results
from dmlnb.course.plots import course_map, png_bytes, six_queries
from dmlnb.course.plots.story import STATIONS
from dmlnb.data import Glyphs
from dmlnb.explore.figures import HIT, MISS


def frames(figure, color):
    """How many frames have a colour."""
    from matplotlib.colors import to_hex

    edges = [to_hex(patch.get_edgecolor()) for ax in figure.axes for patch in ax.patches]
    return edges.count(color.lower())


def test_the_map_knows_every_notebook():
    numbers = sorted(number for notebooks in STATIONS.values() for number, _ in notebooks)
    assert numbers == [f"{n:02d}" for n in range(11)]
    png_bytes(course_map("02"))
    with pytest.raises(ValueError, match="here: expected one of 00, .*, 10, got '11'"):
        course_map("11")


def test_perfect_embeddings_answer_all_six_right():
    test = Glyphs("test")
    figure = six_queries(one_hot(test.labels).float())
    png_bytes(figure)
    assert frames(figure, HIT) >= 48 and frames(figure, MISS) == 0


def test_embeddings_are_searched_by_the_metric_that_is_asked_for():
    test = Glyphs("test")
    angle = test.labels / 139 * 2 * torch.pi
    length = 1 + torch.arange(len(test)) % 20
    rows = length[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)  # each class on a ray
    assert frames(six_queries(rows), HIT) >= 48 > frames(six_queries(rows, metric="l2"), HIT)


def test_three_of_the_six_were_wrong_with_gap():
    study, labels = results.load("queries"), Glyphs("test").labels
    queries = study["settings"]["queries"]
    first = torch.tensor([rows[0] for rows in study["runs"]["GAP"][0]["neighbours"]])
    assert (labels[first] == labels[queries]).tolist() == [True, False] * 3
    png_bytes(six_queries("GAP"))


def test_six_queries_reject():
    with pytest.raises(ValueError, match="answers: expected one of GAP, .*, got 'XYZ'"):
        six_queries("XYZ")
    with pytest.raises(ValueError, match="answers: expected 2780 embeddings, got 3"):
        six_queries(torch.zeros(3, 4))
