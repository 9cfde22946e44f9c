"""`scripts/run_notebooks.py`: fresh outputs in place or elsewhere, and what a failing notebook leaves."""

import subprocess
import sys

import nbformat
import run_notebooks
from clean_notebooks import clean, text_of
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.scripts import call as in_process


def call(*arguments):
    command = [sys.executable, run_notebooks.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def notebooks(folder):
    """One notebook that runs and one that fails in its second cell, both with outputs of an earlier run."""
    folder.mkdir()
    sources = {
        "00_good": "import os, sys\nprint(os.path.basename(os.getcwd()), sys.executable)",
        "01_bad": "1 / 0",
    }
    for name, source in sources.items():
        old = new_output("stream", text="old")
        cells = [
            new_code_cell("x = 1"),
            new_code_cell(source, outputs=[old]),
            new_code_cell("print('after')"),
        ]
        (folder / f"{name}.ipynb").write_text(text_of(new_notebook(cells=cells)), encoding="utf-8")


def test_running_into_a_folder_and_in_place(tmp_path):
    folder, out = tmp_path / "notebooks", tmp_path / "build"
    notebooks(folder)
    out.mkdir()
    (out / "01_bad.html").write_text("of an earlier run")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    done = call("--folder", folder, "--out", out, "--jobs", 2)
    assert done.returncode == 1, done.stderr
    assert "FAIL" in done.stdout and "ZeroDivisionError" in done.stdout and "ok" in done.stdout
    assert sorted(file.name for file in out.iterdir()) == ["00_good.html", "00_good.ipynb"]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before

    done = call("--folder", folder, "00")
    assert done.returncode == 0, done.stderr
    cells = nbformat.reader.reads((folder / "00_good.ipynb").read_text(encoding="utf-8")).cells
    assert cells[1].outputs[0].text.strip() == f"notebooks {sys.executable}"
    assert [cell.execution_count for cell in cells] == [1, 2, 3]
    assert (folder / "00_good.ipynb").read_bytes() == (out / "00_good.ipynb").read_bytes()
    stored = (folder / "00_good.ipynb").read_text(encoding="utf-8")
    assert text_of(clean(nbformat.reader.reads(stored), "00_good")) == stored


def test_a_number_without_a_notebook_is_named(tmp_path):
    notebooks(tmp_path / "notebooks")
    done = in_process.call(run_notebooks.__file__, "--folder", tmp_path / "notebooks", "09")
    assert done.returncode == 1 and "no notebooks" in done.stdout
