"""`python -m dmlnb.data.glyphs build`: remakes data/glyphs.npz from matplotlib's typefaces."""

import sys

from dmlnb.data.glyph_masters import REPOSITORY_PACK, cache_folder, write_pack

if __name__ == "__main__":
    if sys.argv[1:] != ["build"]:
        sys.exit("usage: python -m dmlnb.data.glyphs build")
    checkout = (REPOSITORY_PACK.parents[1] / "pyproject.toml").exists()
    pack = REPOSITORY_PACK if checkout else cache_folder() / "glyphs.npz"
    print(
        f"{pack}\nsha256 {write_pack(pack)}"
        + ("  (record it as SHA256 in glyph_masters.py)" if checkout else "")
    )
