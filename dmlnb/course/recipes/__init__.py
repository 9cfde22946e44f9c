"""Recipes: whole trainings with tested settings, one file each, that every method of the course starts from."""

from dmlnb.recipes.attributes import glyph_with_attributes
from dmlnb.recipes.bags import bag_baseline
from dmlnb.recipes.glyphs import glyph_baseline
from dmlnb.recipes.letters import Letters, cyrillic_letters, train_letters
from dmlnb.recipes.transfer import glyph_transfer

__all__ = [
    "Letters",
    "bag_baseline",
    "cyrillic_letters",
    "glyph_baseline",
    "glyph_transfer",
    "glyph_with_attributes",
    "train_letters",
]
