"""Interactive demos: thin shells of widgets around pure functions."""

from dmlnb.explore.atlas import EmbeddingAtlas, Neighbours, Selection
from dmlnb.explore.explorer import EmbeddingExplorer
from dmlnb.explore.looks import pooling_map
from dmlnb.explore.sliders import SliderDemo, slider_demo
from dmlnb.explore.tiles import read_folder

__all__ = [
    "EmbeddingAtlas",
    "EmbeddingExplorer",
    "Neighbours",
    "Selection",
    "SliderDemo",
    "pooling_map",
    "read_folder",
    "slider_demo",
]
