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

# what an image passes on its way to its neighbours, and the notebooks that change or teach each station
STATIONS = {
    "image": [],
    "local\nfeatures": [("05", "templates"), ("06", "a teacher's\ntemplates")],
    "pooling": [("01", "average"), ("02", "transport"), ("03", "prototypes\nthat transfer")],
    "embedding": [],
    "loss": [("09", "forces"), ("04", "chance\nconstraints"), ("07", "another\nnetwork")],
    "neighbours": [("00", "measure"), ("08", "explore"), ("10", "photographs")],
}


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
    pitch, wide, high = 1.25, 0.95, 0.42
    figure, ax = blank_figure(pitch * len(STATIONS) + 0.05, 2.35)
    for column, (station, notebooks) in enumerate(STATIONS.items()):
        x, y = 0.15 + pitch * column, 0.12
        lit = here in [number for number, _ in notebooks]
        edge = INK if lit else SOFT
        ax.add_patch(
            FancyBboxPatch((x, y), wide, high, boxstyle="round,pad=0.02", facecolor="white", edgecolor=edge)
        )
        ax.text(x + wide / 2, y + high / 2, station, ha="center", va="center", fontsize=9, color=edge)
        if column:
            ax.add_patch(
                FancyArrowPatch(
                    (x - pitch + wide + 0.04, y + high / 2),
                    (x - 0.04, y + high / 2),
                    arrowstyle="-|>",
                    mutation_scale=9,
                    color=SOFT,
                )
            )
        for row, (number, name) in enumerate(notebooks):
            top = y + high + 0.16 + 0.54 * row
            face = ACCENT if number == here else FAINT
            ax.add_patch(
                FancyBboxPatch(
                    (x - 0.06, top),
                    wide + 0.12,
                    0.42,
                    boxstyle="round,pad=0.02",
                    facecolor=face,
                    edgecolor="none",
                )
            )
            ax.text(x + 0.09, top + 0.21, number, ha="center", va="center", fontsize=9, fontweight="bold")
            ax.text(x + 0.26, top + 0.21, name, ha="left", va="center", fontsize=8, linespacing=0.95)
    return figure


@style()
def six_queries(answers: str | Tensor = "GAP") -> Figure:
    """The six letters that the course keeps asking for, and their eight nearest among all letters of the test.

    Three were taken because the network with GAP of notebook 00 answers them right, three because it is wrong: the
    median query of each kind, in each script. So any other network is expected to do better on the latter; the
    picture shows what kind of mistake there is, and measures nothing.

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
