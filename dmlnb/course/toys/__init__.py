"""Small worlds that figures and exercises look at: made-up points, and trainings that take milliseconds."""

from dmlnb.course.toys.chance import PlaneNet, chance_states
from dmlnb.course.toys.circle import (
    CIRCLE_LOSSES,
    circle_forces,
    circle_loss,
    circle_path,
    circle_points,
    circle_proxies,
    on_circle,
)
from dmlnb.course.toys.covering import cover_points
from dmlnb.course.toys.discs import disc_projections, disc_violation
from dmlnb.course.toys.pairs import pair_energy, pair_slope
from dmlnb.course.toys.photographs import letter_photographs
from dmlnb.course.toys.recursion import recursion_world
from dmlnb.course.toys.tokens import demo_tokens, transport_tokens
from dmlnb.course.toys.transfer import fit_circle, forces, toy_source, toy_transfer

__all__ = [
    "CIRCLE_LOSSES",
    "PlaneNet",
    "chance_states",
    "circle_forces",
    "circle_loss",
    "circle_path",
    "circle_points",
    "circle_proxies",
    "cover_points",
    "demo_tokens",
    "disc_projections",
    "disc_violation",
    "fit_circle",
    "forces",
    "letter_photographs",
    "on_circle",
    "pair_energy",
    "pair_slope",
    "recursion_world",
    "toy_source",
    "toy_transfer",
    "transport_tokens",
]
