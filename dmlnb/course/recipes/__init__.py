"""Recipes: whole trainings with tested settings, one file each, that every method of the course starts from."""

from dmlnb.course.recipes.attributes import glyph_with_attributes
from dmlnb.course.recipes.bags import bag_baseline
from dmlnb.course.recipes.glyphs import glyph_baseline
from dmlnb.course.recipes.kept import kept
from dmlnb.course.recipes.letters import train_letters

__all__ = [
    "bag_baseline",
    "glyph_baseline",
    "glyph_with_attributes",
    "kept",
    "train_letters",
]
