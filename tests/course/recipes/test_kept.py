from pathlib import Path

import dmlnb
from dmlnb.course import recipes
from dmlnb.course.recipes import glyph_baseline, kept
from dmlnb.data import Glyphs
from dmlnb.pooling import GlobalAveragePooling


def test_a_checkout_keeps_trainings_in_build(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(dmlnb, "__file__", str(tmp_path / "dmlnb" / "__init__.py"))
    assert kept("gap") == tmp_path / "build" / "trainings" / "gap.safetensors" and kept("gap").parent.is_dir()


def test_without_a_checkout_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(dmlnb, "__file__", str(tmp_path / "dmlnb" / "__init__.py"))
    assert kept("gap") is None and not list(tmp_path.iterdir())


def test_a_second_notebook_only_reads_what_the_first_trained(tmp_path):
    few = Glyphs("train", per_class=2)
    runs = [
        glyph_baseline(
            GlobalAveragePooling(), steps=2, train_set=few, checkpoint=tmp_path / "gap", progress=False
        )
        for _ in range(2)
    ]
    first, again = (net.state_dict() for net, _ in runs)
    assert all(first[key].equal(again[key]) for key in first) and runs[0][1] == runs[1][1]
    assert isinstance(recipes.kept("x"), Path)  # the tests run in a checkout
