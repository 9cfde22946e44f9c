import random

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

import dmlnb
from dmlnb.course.plots import notebook_setup


def draws():
    return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002


def test_seeds_everything_and_prints_one_line(capsys):
    device = notebook_setup(3)
    first = draws()
    text = capsys.readouterr().out
    assert text.count("\n") == 1 and text.startswith(f"dmlnb {dmlnb.__version__} · ") and "torch" in text
    assert device.type in ("cpu", "cuda")
    notebook_setup(3, threads=1)
    assert draws() == first and torch.get_num_threads() == 1
    notebook_setup(4)
    assert draws() != first


@pytest.mark.parametrize(
    ("arguments", "name"), [({"seed": -1}, "seed"), ({"seed": 2**32}, "seed"), ({"threads": 0}, "threads")]
)
def test_bad_arguments(arguments, name):
    with pytest.raises(ValueError, match=f"{name}: expected"):
        notebook_setup(**arguments)


CELLS = {
    "setup": "from dmlnb.course import demos, plots\ndevice = plots.notebook_setup(0)",
    "value": "plots.draw_prototype_demo(3)",
    "no value": "figure = plots.draw_prototype_demo(3)",
    "two": "from IPython.display import display\ndisplay(figure)\ndisplay(figure)",
    "demo": "demo = demos.slider_demo(plots.draw_prototype_demo, num_prototypes=(1, 9, 1, 3))\ndemo",
    "move": "demo.controls['num_prototypes'].value = 4",
    "pyplot": "import matplotlib.pyplot as plt\nlines = plt.plot([1, 2])",
    "after pyplot": "figure",
}


@pytest.mark.filterwarnings("default")  # of the client, not of this package
def test_a_notebook_shows_each_figure_once():
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS.values()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", timeout=120, store_widget_state=False).execute()
    outputs = {
        name: [o for o in cell.outputs if "data" in o]
        for name, cell in zip(CELLS, notebook.cells, strict=True)
    }
    pictures = {
        name: [o.data["image/png"] for o in found if "image/png" in o.data] for name, found in outputs.items()
    }
    number = {name: len(found) for name, found in pictures.items()}
    assert number == {
        "setup": 0, "value": 1, "no value": 0, "two": 2, "demo": 1, "move": 0, "pyplot": 1, "after pyplot": 1,
    }  # fmt: skip
    assert pictures["value"] == pictures["after pyplot"]
    assert "application/vnd.jupyter.widget-view+json" in outputs["demo"][0].data
    assert "widgets" not in notebook.metadata
