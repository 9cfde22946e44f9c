"""What the explorer in Python and its half in the browser tell each other."""

import re
from pathlib import Path

import anywidget
import traitlets as t

CLASS = "class"
_FRONT = Path(__file__).parent / "front"
PARTS = ("marks", "images", "panels", "filters", "hand", "scatter", "explorer")  # each needs those before it


def script(*parts: str) -> str:
    """Modules of `front/` as one, in this order: a widget's script cannot import another file."""
    code = "\n".join((_FRONT / f"{part}.js").read_text(encoding="utf-8") for part in parts)
    return re.sub(r"(?m)^import .*\n|^export (?!default)", "", code)


def stylesheet() -> str:
    """The style of the browser's half."""
    return (_FRONT / "explorer.css").read_text(encoding="utf-8")


class SharedState(anywidget.AnyWidget):
    """The script and style of the browser's half, and one trait for everything that travels."""

    _ipython_display_ = None  # ipywidgets 7 would print itself and leave no room for the static picture
    _esm = script(*PARTS)
    _css = stylesheet()

    # Python -> browser, once
    kernel = t.Bool(True).tag(sync=True)  # whether someone can compute
    sprite = t.Bytes().tag(sync=True)
    tile = t.Dict().tag(sync=True)
    labels = t.Bytes().tag(sync=True)  # float64: exact to 2^53
    class_labels = t.List().tag(sync=True)  # those that have images, in order
    class_names = t.List().tag(sync=True)  # as many
    palette = t.List().tag(sync=True)
    embeddings = t.List().tag(sync=True)
    projections = t.List().tag(sync=True)
    colorings = t.List().tag(sync=True)
    columns = t.Dict().tag(sync=True)  # by name float32 bytes: numbers, or places among the levels
    levels = t.Dict().tag(sync=True)  # by name the words of a category
    most_neighbours = t.Int().tag(sync=True)
    # Python -> browser, again and again
    points = t.Bytes().tag(sync=True)  # float32, x and y in turn; NaN for images that are not on the map
    twin_points = t.Bytes().tag(sync=True)
    measures = t.Dict().tag(sync=True)  # like columns, but of this embedding and this map
    found = t.Dict().tag(sync=True)  # neighbours of the picked image: index, distance, cosine, hit
    twin_found = t.Dict().tag(sync=True)
    thumbs = t.Dict().tag(sync=True)  # by number of the image, of those in sight
    looks = t.List().tag(sync=True)
    selected = t.Bytes().tag(sync=True)  # uint32
    stats = t.Dict().tag(sync=True)
    focused = t.Bool(False).tag(sync=True)
    status = t.Unicode().tag(sync=True)
    busy = t.Bool(False).tag(sync=True)
    # both ways
    embedding = t.Unicode().tag(sync=True)
    twin = t.Unicode().tag(sync=True)
    projection = t.Unicode("PCA").tag(sync=True)
    color_by = t.Unicode(CLASS).tag(sync=True)
    classes = t.List(t.Int()).tag(sync=True)
    only = t.Bool(False).tag(sync=True)
    filters = t.Dict().tag(sync=True)
    k = t.Int(10).tag(sync=True)
    picked = t.Int(-1).tag(sync=True)
    lasso = t.List().tag(sync=True)  # corners of a polygon, on the map
    lasso_on_twin = t.Bool(False).tag(sync=True)
    sheet = t.Bool(False).tag(sync=True)
    request = t.List().tag(sync=True)  # "focus", "everything" or "cancel", and a number that makes it new
