"""Data: letters in clutter, token bags with known nuisance, and batches for metric learning."""

from dmlnb.data.augment import augment, to_float
from dmlnb.data.bags import TokenBags
from dmlnb.data.batches import ClassBatches, DisjointHalves
from dmlnb.data.glyphs import Glyphs

__all__ = ["ClassBatches", "DisjointHalves", "Glyphs", "TokenBags", "augment", "to_float"]
