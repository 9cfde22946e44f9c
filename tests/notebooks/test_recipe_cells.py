"""Notebook 00 writes the course's recipe out in cells; the recipe takes up what those cells have trained."""

from pathlib import Path
from types import SimpleNamespace

import nbformat
import torch

from dmlnb.course.recipes import glyph_baseline
from dmlnb.data import Glyphs
from dmlnb.pooling import GlobalAveragePooling

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "00_start_here.ipynb"


def test_the_cells_of_notebook_00_are_the_recipe(tmp_path):
    cells = nbformat.reader.reads(NOTEBOOK.read_text(encoding="utf-8")).cells
    imports, *recipe = [
        cell.source
        for cell in cells
        if "import train" in cell.source or "gap-recipe" in cell.metadata.get("tags", [])
    ]
    code = "\n".join(recipe)
    assert "steps, seed = 700, 0" in code and 'kept("glyphs_gap")' in code
    few, file = Glyphs("train", per_class=2), tmp_path / "gap.safetensors"
    names = {"train_set": few, "test": Glyphs("test", per_class=1)}
    exec(imports[: imports.index("device =")], names)
    names |= {"device": None, "recipes": SimpleNamespace(kept=lambda name: file)}
    exec(code.replace("700", "2"), names)

    in_cells = {key: value.clone() for key, value in names["net"].state_dict().items()}
    read, history = glyph_baseline(
        GlobalAveragePooling(), steps=2, train_set=few, checkpoint=file, progress=False
    )
    assert history == names["history"]
    anew, _ = glyph_baseline(GlobalAveragePooling(), steps=2, train_set=few, progress=False)
    for net in (read, anew):
        assert all(torch.equal(value, in_cells[key]) for key, value in net.state_dict().items())
