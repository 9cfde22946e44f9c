"""What the explorer in Python and its half in the browser tell each other."""

from pathlib import Path

import anywidget
import traitlets as t

CLASS = "class"
_HERE = Path(__file__).parent


class SharedState(anywidget.AnyWidget):
    """The script and style of the browser's half, and one trait for everything that travels."""

    _ipython_display_ = None  # ipywidgets 7 would print itself and leave no room for the static picture
    _esm = (_HERE / "explorer.js").read_text(encoding="utf-8")
    _css = (_HERE / "explorer.css").read_text(encoding="utf-8")

    # Python -> browser
    sprite = t.Bytes().tag(sync=True)
    tile = t.Dict().tag(sync=True)
    labels = t.Bytes().tag(sync=True)  # float64: exact to 2^53
    class_labels = t.List().tag(sync=True)  # those that have images, in order
    class_names = t.List().tag(sync=True)  # as many
    palette = t.List().tag(sync=True)
    embeddings = t.List().tag(sync=True)
    projections = t.List().tag(sync=True)
    colorings = t.List().tag(sync=True)
    points = t.Bytes().tag(sync=True)  # float32, x and y in turn
    score = t.Bytes().tag(sync=True)  # float32; empty for colours of classes
    score_range = t.List().tag(sync=True)
    neighbours = t.List().tag(sync=True)
    hits = t.List().tag(sync=True)
    selected = t.Bytes().tag(sync=True)  # uint32
    picked_html = t.Unicode().tag(sync=True)
    row_html = t.Unicode().tag(sync=True)
    look_html = t.Unicode().tag(sync=True)
    selection_html = t.Unicode().tag(sync=True)
    sheet_html = t.Unicode().tag(sync=True)
    status = t.Unicode().tag(sync=True)
    # both ways
    embedding = t.Unicode().tag(sync=True)
    projection = t.Unicode("PCA").tag(sync=True)
    color_by = t.Unicode(CLASS).tag(sync=True)
    classes = t.List(t.Int()).tag(sync=True)
    only = t.Bool(False).tag(sync=True)
    picked = t.Int(-1).tag(sync=True)
    lasso = t.List().tag(sync=True)  # corners of a polygon, on the map
    sheet = t.Bool(False).tag(sync=True)
