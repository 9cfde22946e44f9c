"""Figures: arrays in, a matplotlib Figure out, in one look."""

from dmlnb.plots.assignment import assignment_maps
from dmlnb.plots.curves import draw_reconstruction_curve, method_bars, metric_curves, training_curve
from dmlnb.plots.images import contact_sheet, neighbour_rows, pooling_overlay
from dmlnb.plots.lines import draw_bound, draw_curve
from dmlnb.plots.maps import embedding_map, project
from dmlnb.plots.prototypes import demo_tokens, draw_histogram_assignment, draw_prototype_demo
from dmlnb.plots.relaxed import (
    draw_configurations,
    draw_label_maps,
    draw_pair_demo,
    draw_pair_energy,
    draw_transfer_demo,
    toy_source,
    toy_transfer,
)
from dmlnb.plots.retrieval import draw_ranking, draw_retrieval_toy, retrieval_toy
from dmlnb.plots.setup import notebook_setup
from dmlnb.plots.style import (
    METHOD_COLORS,
    class_colors,
    class_markers,
    method_color,
    method_marker,
    new_figure,
    png_bytes,
    style,
)

__all__ = [
    "METHOD_COLORS",
    "assignment_maps",
    "class_colors",
    "class_markers",
    "contact_sheet",
    "demo_tokens",
    "draw_bound",
    "draw_configurations",
    "draw_curve",
    "draw_histogram_assignment",
    "draw_label_maps",
    "draw_pair_demo",
    "draw_pair_energy",
    "draw_prototype_demo",
    "draw_ranking",
    "draw_reconstruction_curve",
    "draw_retrieval_toy",
    "draw_transfer_demo",
    "embedding_map",
    "method_bars",
    "method_color",
    "method_marker",
    "metric_curves",
    "neighbour_rows",
    "new_figure",
    "notebook_setup",
    "png_bytes",
    "pooling_overlay",
    "project",
    "retrieval_toy",
    "style",
    "toy_source",
    "toy_transfer",
    "training_curve",
]
