"""Data: letters in clutter, collages of two, token bags with known nuisance, and batches for metric learning."""

from dmlnb.data.augment import augment, to_float
from dmlnb.data.bags import TokenBags
from dmlnb.data.batches import ClassBatches, DisjointHalves
from dmlnb.data.collage import Collages
from dmlnb.data.glyphs import Glyphs
from dmlnb.data.letters import Letters, cyrillic_letters

__all__ = [
    "ClassBatches",
    "Collages",
    "DisjointHalves",
    "Glyphs",
    "Letters",
    "TokenBags",
    "augment",
    "cyrillic_letters",
    "to_float",
]
