"""Figures: arrays in, a matplotlib Figure out, in one look."""

import dmlnb.explore  # noqa: F401  (first: it says what to install where the course's packages are missing)
from dmlnb.course.plots.chance import draw_chance_demo
from dmlnb.course.plots.circle import draw_direction_maps, draw_force_panels, draw_forces
from dmlnb.course.plots.covering import draw_cover
from dmlnb.course.plots.curves import metric_curves, training_curve
from dmlnb.course.plots.decisions import draw_decision_steps
from dmlnb.course.plots.discs import draw_disc_projections
from dmlnb.course.plots.distill import draw_class_belief, draw_decision_matrix, draw_region, template_maps
from dmlnb.course.plots.doses import draw_doses
from dmlnb.course.plots.levels import draw_levels
from dmlnb.course.plots.lines import draw_bound, draw_curve
from dmlnb.course.plots.methods import draw_differences, draw_worlds, method_bars
from dmlnb.course.plots.mixtures import draw_mixtures
from dmlnb.course.plots.palette import METHOD_COLORS, method_color, method_marker
from dmlnb.course.plots.prototypes import (
    draw_histogram_assignment,
    draw_prototype_demo,
)
from dmlnb.course.plots.recursion import draw_recursion, draw_recursion_steps
from dmlnb.course.plots.relaxed import draw_label_maps, draw_pair_energy
from dmlnb.course.plots.retrieval import draw_ranking
from dmlnb.course.plots.setup import notebook_setup
from dmlnb.course.plots.sizes import draw_sizes
from dmlnb.course.plots.story import course_map, six_queries
from dmlnb.course.plots.templates import (
    draw_assignment_sweep,
    draw_region_match,
    match_maps,
    template_patches,
)
from dmlnb.course.plots.transfer import (
    draw_configurations,
    draw_pair_demo,
    draw_transfer_demo,
    draw_transfer_steps,
)
from dmlnb.course.plots.transport import draw_pooling_plan, draw_transport, draw_transport_demo
from dmlnb.explore.figures import class_colors, class_markers, new_figure, png_bytes, style
from dmlnb.explore.images import contact_sheet, neighbour_rows
from dmlnb.explore.maps import embedding_map, project
from dmlnb.explore.regions import assignment_maps, pooling_overlay

__all__ = [
    "METHOD_COLORS",
    "assignment_maps",
    "class_colors",
    "class_markers",
    "contact_sheet",
    "course_map",
    "draw_assignment_sweep",
    "draw_bound",
    "draw_chance_demo",
    "draw_class_belief",
    "draw_configurations",
    "draw_cover",
    "draw_curve",
    "draw_decision_matrix",
    "draw_decision_steps",
    "draw_differences",
    "draw_direction_maps",
    "draw_disc_projections",
    "draw_doses",
    "draw_force_panels",
    "draw_forces",
    "draw_histogram_assignment",
    "draw_label_maps",
    "draw_levels",
    "draw_mixtures",
    "draw_pair_demo",
    "draw_pair_energy",
    "draw_pooling_plan",
    "draw_prototype_demo",
    "draw_ranking",
    "draw_recursion",
    "draw_recursion_steps",
    "draw_region",
    "draw_region_match",
    "draw_sizes",
    "draw_transfer_demo",
    "draw_transfer_steps",
    "draw_transport",
    "draw_transport_demo",
    "draw_worlds",
    "embedding_map",
    "match_maps",
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
    "six_queries",
    "style",
    "template_maps",
    "template_patches",
    "training_curve",
]
