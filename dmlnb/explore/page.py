"""The explorer as one page of HTML, alive without Python: the same script, with stored answers in place of a kernel."""

import base64
import html
import json

import numpy as np

from dmlnb._inputs import as_int
from dmlnb.explore.state import PARTS, script, stylesheet

MOST_NEIGHBOURS = 50
TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; max-width: 1112px; padding: 8px; font: 15px system-ui, sans-serif; }}
body {{ background: #ffffff; color: #222222; }}
h1 {{ font-size: 20px; margin: 4px 6px; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #161616; color: #f0f0f0; }} }}
{style}
</style>
</head>
<body>
<main><h1>{title}</h1></main>
<script type="application/json" id="dmlnb-data">{data}</script>
<script type="module">
{script}
</script>
</body>
</html>
"""
_TRAITS = (  # what the page starts with, as the widget has it
    "tile", "class_labels", "class_names", "palette", "embeddings", "colorings", "levels", "embedding", "twin",
    "color_by", "classes", "only", "picked",
)  # fmt: skip
_EMPTY = {
    "kernel": False, "thumbs": {}, "looks": [], "stats": {}, "focused": False, "status": "", "busy": False,
    "selected": None, "found": {}, "twin_found": {}, "measures": {}, "lasso": [], "lasso_on_twin": False,
    "sheet": False, "filters": {},
}  # fmt: skip


def write_page(explorer, neighbours: int, title: str) -> str:
    """The page of an `EmbeddingExplorer`; see its `save_html`."""
    data = json.dumps(stored(explorer, as_int(neighbours, "neighbours", least=1)), allow_nan=False)
    code = script(*PARTS, "stored").replace("export default { render };", "const explorer = { render };")
    return TEMPLATE.format(
        title=html.escape(title), style=stylesheet(), data=data.replace("<", "\\u003c"), script=code
    )


def stored(explorer, neighbours: int) -> dict:
    """Everything that the page can be asked, as JSON; arrays as base64 of their bytes."""
    atlas, number = explorer.atlas, len(explorer.atlas)
    kept = min(neighbours, MOST_NEIGHBOURS, number - 1)
    umap = any(atlas.has_points(name, "UMAP") for name in atlas.names)
    projections = [name for name in atlas.projections if name != "UMAP" or umap]
    wide = number > 2**16
    tables = {name: atlas.table(name, kept) for name in atlas.names}
    kept = min(table.shape[1] for table in tables.values())
    shown = explorer.projection if explorer.projection in projections else projections[0]
    traits = {name: getattr(explorer, name) for name in _TRAITS} | _EMPTY
    traits |= {"projections": projections, "projection": shown}
    traits |= {"k": min(explorer.k, kept), "most_neighbours": kept}
    traits["colorings"] = [name for name in explorer.colorings if name != "neighbours in common"]
    if traits["color_by"] not in traits["colorings"]:
        traits["color_by"] = "class"
    hits = {name: np.where(atlas.queries, atlas.hits(name), np.nan) for name in atlas.names}
    return {
        "traits": traits,
        "sprite": _text(explorer.sprite),
        "labels": _text(explorer.labels),
        "columns": {name: _text(values) for name, values in explorer.columns.items()},
        "maps": {
            name: {p: _text(np.rint(32767 * atlas.points(name, p)), "<i2") for p in projections}
            for name in atlas.names
        },
        "measures": {
            name: {
                "hit or miss": _text(hits[name], "<f4"),
                "average precision": _text(atlas.average_precision(name), "<f4"),
            }
            for name in atlas.names
        },
        "quality": {
            name: {p: {"kept by the map": _text(atlas.kept(name, p), "<f4")} for p in projections}
            for name in atlas.names
        },
        "neighbours": {
            name: {
                "index": _text(table, "<u4" if wide else "<u2"),
                "distance": _text(np.rint(32767 * atlas.distances(name, table)).clip(0, 65535), "<u2"),
            }
            for name, table in tables.items()
        },
        "kept": kept,
        "wide": wide,
    }


def _text(values, dtype: str | None = None) -> str:
    raw = values if dtype is None else np.ascontiguousarray(values, dtype=dtype).tobytes()
    return base64.b64encode(raw).decode()
