"""The README's programs do what it says: the six lines for photographs, on a folder of small generated pictures."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def programs():
    return re.findall(r"(?ms)^```python\n(.*?)^```", README)


def photographs(folder, classes, per_class=4):
    """A folder per class; pictures of a class share eight times eight blocks of colour."""
    rng = np.random.default_rng(0)
    for label in range(classes):
        blocks = rng.integers(0, 256, (8, 8, 3))
        place = folder / f"class_{label:02d}"
        place.mkdir(parents=True)
        for number in range(per_class):
            pixels = np.clip(blocks + rng.integers(-30, 31, (8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).resize((64, 64)).save(place / f"{number}.png")


def test_the_lines_for_photographs_train_and_measure(tmp_path, monkeypatch, capsys):
    pytest.importorskip("timm")
    photographs(tmp_path / "photos" / "known", 16)
    photographs(tmp_path / "photos" / "new", 3)
    monkeypatch.chdir(tmp_path)
    program = next(text for text in programs() if "image_folder" in text)
    short = re.sub(r", 400\)\)$", ", 3))", program, flags=re.M)
    assert short != program
    exec(compile(short, "README.md", "exec"), {})
    report = capsys.readouterr().out
    assert "recall_at={1: 1.0" in report and "num_queries=12" in report


def test_all_names_that_the_programs_import_exist():
    for program in programs():
        imports = "\n".join(line for line in program.splitlines() if line.startswith(("from ", "import ")))
        assert imports
        exec(compile(imports, "README.md", "exec"), {})
