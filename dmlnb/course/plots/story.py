"""What every notebook opens with: its place in the course, and the six queries that the course keeps asking for."""

import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor

from dmlnb.course import results
from dmlnb.data import Glyphs
from dmlnb.explore.figures import ACCENT, FAINT, INK, SOFT, blank_figure, style
from dmlnb.explore.images import neighbour_rows
from dmlnb.retrieval import nearest

# what an image passes on its way to its neighbours, and the notebooks that change or teach each station; the loss
# stands beside the way: it is there in training only
STATIONS = {
    "image": [],
    "local\nfeatures": [("05", "templates"), ("06", "a teacher's\ntemplates")],
    "pooling": [("01", "average"), ("02", "transport"), ("03", "prototypes\nthat transfer")],
    "embedding": [],
    "neighbours": [("00", "measure"), ("08", "explore"), ("10", "photographs")],
    "loss\n(in training)": [
        ("09", "compare\nlosses"),
        ("04", "chance\nconstraints"),
        ("07", "another\nnetwork"),
    ],
}
_PITCH, _ROW, _WIDE, _HIGH = 1.5, 0.58, 1.2, 0.42  # of the boxes, inches


@style()
def course_map(here: str) -> Figure:
    """The way from an image to its neighbours, with the notebooks of the course under the station that each is about.

    Args:
        here: number of the notebook that is read, `"00"` .. `"10"`; it is marked.

    Returns:
        The figure.

    Raises:
        ValueError: for a number that is not on the map.

    Taught in notebook 00.
    """
    numbers = [number for notebooks in STATIONS.values() for number, _ in notebooks]
    if here not in numbers:
        raise ValueError(f"here: expected one of {', '.join(sorted(numbers))}, got {here!r}")
    *way, loss = STATIONS
    places = {station: (column, 0) for column, station in enumerate(way)}
    places[loss] = (way.index("embedding"), 1)
    figure, ax = blank_figure(_PITCH * (len(way) - 1) + _WIDE + 0.3, 5 * _ROW + 0.06)
    for station, (column, row) in places.items():
        notebooks = STATIONS[station]
        lit = here in [number for number, _ in notebooks]
        x, y = _box(
            ax,
            column,
            row,
            facecolor="white",
            edgecolor=INK if lit else SOFT,
            linestyle=":" if station == loss else "-",
        )
        ax.text(x + _WIDE / 2, y + _HIGH / 2, station, ha="center", va="center", fontsize=9)
        if station == loss:
            above = y - _ROW + _HIGH
            ax.plot([x + _WIDE / 2] * 2, [above + 0.02, y - 0.02], color=SOFT, linestyle=":", zorder=0)
        elif column:
            _arrow(ax, (x - _PITCH + _WIDE, y + _HIGH / 2), (x, y + _HIGH / 2), arrowstyle="-|>")
        for below, (number, name) in enumerate(notebooks, start=1):
            face = ACCENT if number == here else FAINT
            x, y = _box(ax, column, row + below, facecolor=face, edgecolor="none")
            ax.text(x + 0.06, y + _HIGH / 2, number, va="center", fontsize=9, fontweight="bold")
            ax.text(x + 0.34, y + _HIGH / 2, name, va="center", fontsize=8, linespacing=0.95)
    return figure


def _box(ax, column: int, row: int, **look) -> tuple[float, float]:
    """Draw a box of the map; returns its upper left corner."""
    x, y = 0.15 + _PITCH * column, 0.1 + _ROW * row
    ax.add_patch(FancyBboxPatch((x, y), _WIDE, _HIGH, boxstyle="round,pad=0.02", **look))
    return x, y


def _arrow(ax, start: tuple[float, float], end: tuple[float, float], **look) -> None:
    ax.add_patch(FancyArrowPatch(start, end, mutation_scale=8, color=SOFT, shrinkA=2.5, shrinkB=2.5, **look))


@style()
def six_queries(answers: str | Tensor = "GAP") -> Figure:
    """The six letters that the course keeps asking for, and their eight nearest among all letters of the test.

    Three were taken because the network with GAP of notebook 00 answers them right, three because it is wrong: the
    median query of each kind, in each script. So any other network is expected to do better on the latter; the
    picture shows what kind of mistake there is, and measures nothing. The control is `"GAP, another seed"`.

    Args:
        answers: name of a network of the stored study `queries`; or embeddings `(2780, d)` of `Glyphs("test")`.

    Returns:
        The figure.

    Raises:
        ValueError: for a name that is not stored, or embeddings of another number.

    Taught in notebook 00.
    """
    study = results.load("queries")
    queries = torch.tensor(study["settings"]["queries"])
    test = Glyphs("test")
    if isinstance(answers, str):
        if answers not in study["runs"]:
            raise ValueError(f"answers: expected one of {', '.join(study['runs'])}, got {answers!r}")
        found = torch.tensor(study["runs"][answers][0]["neighbours"])  # (6, 8)
    else:
        if len(answers) != len(test):
            raise ValueError(f"answers: expected {len(test)} embeddings, got {len(answers)}")
        found = nearest(answers, k=8)[0][queries]
    hits = test.labels[found] == test.labels[queries][:, None]
    return neighbour_rows(test.images[queries], test.images[found], hits)
