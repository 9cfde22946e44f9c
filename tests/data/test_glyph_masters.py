import hashlib

import numpy as np
import pytest
import torch

from dmlnb.data import Glyphs, glyph_masters


def small(split="validation", **options):
    return Glyphs(split, **({"per_class": 3} | options))


def test_the_shipped_pack_is_the_recorded_one_and_small():
    content = glyph_masters.REPOSITORY_PACK.read_bytes()
    assert hashlib.sha256(content).hexdigest() == glyph_masters.SHA256
    assert len(content) <= 2_000_000


def test_a_damaged_pack_is_refused(tmp_path, monkeypatch):
    damaged = tmp_path / "glyphs.npz"
    damaged.write_bytes(glyph_masters.REPOSITORY_PACK.read_bytes()[:-1])
    monkeypatch.setattr(glyph_masters, "REPOSITORY_PACK", damaged)
    with pytest.raises(ValueError, match=r"glyphs.npz.*glyphs build"):
        small()


@pytest.fixture
def few_letters(monkeypatch):
    pack = glyph_masters.load_masters()
    monkeypatch.setattr(glyph_masters, "draw_masters", lambda: pack)
    return pack


def test_without_the_repository_the_pack_is_built_once_into_the_cache(tmp_path, monkeypatch, few_letters):
    monkeypatch.setattr(glyph_masters, "REPOSITORY_PACK", tmp_path / "absent" / "glyphs.npz")
    monkeypatch.setenv("DMLNB_DATA", str(tmp_path / "cache"))
    first = small()
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == ["glyphs.npz", "glyphs.sha256"]
    monkeypatch.setattr(glyph_masters, "draw_masters", lambda: pytest.fail("built twice"))
    assert torch.equal(small().images, first.images)
    (tmp_path / "cache" / "glyphs.npz").write_bytes(b"broken")
    with pytest.raises(ValueError, match="damaged"):
        small()


def test_an_unwritable_cache_is_named_and_left_clean(tmp_path, monkeypatch, few_letters):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(glyph_masters, "REPOSITORY_PACK", tmp_path / "absent.npz")
    monkeypatch.setenv("DMLNB_DATA", str(tmp_path / "file"))
    with pytest.raises(OSError, match="DMLNB_DATA"):
        small()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_build_makes_what_is_shipped():
    built, shipped = glyph_masters.draw_masters(), glyph_masters.load_masters()
    assert np.array_equal(built["faces"], shipped["faces"])
    shared = np.intersect1d(
        built["code_points"], shipped["code_points"]
    )  # another FreeType may move a borderline twin
    assert len(shared) > 0.97 * len(shipped["code_points"])
    if len(built["rasters"]) == len(shipped["rasters"]):
        assert np.abs(built["rasters"].astype(int) - shipped["rasters"]).mean() < 2


@pytest.mark.parametrize("own", ["$HOME", "~"])
def test_the_cache_is_found_below_the_home_folder(own, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DMLNB_DATA", f"{own}/letters".replace("$HOME", str(tmp_path)))
    assert glyph_masters.cache_folder() == tmp_path / "letters"
    monkeypatch.delenv("DMLNB_DATA")
    assert glyph_masters.cache_folder() == tmp_path / ".cache" / "dmlnb"
