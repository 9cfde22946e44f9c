"""Explore an embedding: a map under the hand, its neighbours, where a network looks."""

try:
    from dmlnb.explore.atlas import EmbeddingAtlas, Neighbours, Selection
    from dmlnb.explore.explorer import EmbeddingExplorer
    from dmlnb.explore.looks import pooling_map
    from dmlnb.explore.pictures import as_bytes
    from dmlnb.explore.tiles import read_folder
except ModuleNotFoundError as error:
    if str(error.name).startswith("dmlnb"):
        raise
    raise ImportError(
        f'dmlnb.explore needs {error.name.split(".")[0]}: pip install "dmlnb[course]"'
    ) from error

__all__ = [
    "EmbeddingAtlas",
    "EmbeddingExplorer",
    "Neighbours",
    "Selection",
    "as_bytes",
    "pooling_map",
    "read_folder",
]
