"""The package is built in floors: a module imports from lower floors, or from beside it inside its own folder."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dmlnb"
FLOORS = (
    {"_inputs", "_files", "_ranks"},
    {"geometry"},
    {"prototypes", "data"},
    {"pooling", "losses", "retrieval"},
    {"models", "distill"},
    {"training"},
    {"explore"},
    {"course"},
)
HEIGHT = {name: height for height, floor in enumerate(FLOORS) for name in floor}
DRAWING = {"matplotlib", "seaborn", "ipywidgets", "anywidget", "traitlets", "umap"}
MAY_DRAW = {"course", "explore"}


def imports(tree, module):
    """`(dotted name, is inside a function)` of everything a module imports; `module` is its own dotted name."""
    inside = {
        id(node)
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef)
        for node in ast.walk(f)
        if node is not f
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            source = ".".join([*base, node.module] if node.module else base)
            # `from dmlnb import geometry` imports a module, `from dmlnb import __version__` does not
            names = (
                [f"dmlnb.{a.name}" for a in node.names if a.name in HEIGHT] if source == "dmlnb" else [source]
            )
            yield from ((name, id(node) in inside) for name in names)


def problems(source, relative):
    """What a module at `relative` (a path below dmlnb/) imports that it may not."""
    parts = [*Path(relative).with_suffix("").parts]
    own = parts[0]
    if own == "__init__":
        wrong = [
            n
            for n, _ in imports(ast.parse(source), "dmlnb.__init__")
            if n.split(".")[0] not in sys.stdlib_module_names
        ]
        return [f"dmlnb/__init__.py imports {name}" for name in wrong]
    if own not in HEIGHT:
        return [f"{relative}: {own} stands on no floor; add it to FLOORS"]
    wrong = []
    for name, in_function in imports(ast.parse(source), ".".join(["dmlnb", *parts])):
        first, *rest = name.split(".")
        if first == "dmlnb" and rest and rest[0] not in HEIGHT:
            wrong.append(f"{relative}: imports {name}, which stands on no floor")
        elif first == "dmlnb" and rest and rest[0] != own and HEIGHT[rest[0]] >= HEIGHT[own]:
            wrong.append(f"{relative}: imports {name}, which does not stand on a lower floor")
        elif first in DRAWING and own not in MAY_DRAW:
            # the outlines of the glyphs are read from the fonts that come with matplotlib, once, when they are made
            if not (first == "matplotlib" and relative.startswith("data/glyph") and in_function):
                wrong.append(f"{relative}: imports {name}; only explore and course do")
        elif first == "umap" and not in_function:
            wrong.append(f"{relative}: imports umap at the top, which is slow; import it inside the function")
    return wrong


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda f: f.relative_to(PACKAGE).as_posix()
)
def test_module_imports_from_lower_floors(file):
    wrong = problems(file.read_text(encoding="utf-8"), file.relative_to(PACKAGE).as_posix())
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("source, relative, message", [
    ("from dmlnb.losses import x", "geometry/norms.py", "lower floor"),
    ("from dmlnb import losses", "pooling/simple.py", "lower floor"),
    ("import dmlnb.losses.pairs", "pooling/simple.py", "lower floor"),
    ("from ..losses import x", "pooling/simple.py", "lower floor"),
    ("from ..losses import x", "pooling/__init__.py", "lower floor"),
    ("def f():\n    from dmlnb.course.plots import x", "explore/maps.py", "lower floor"),
    ("from dmlnb.nowhere import x", "training/loop.py", "no floor"),
    ("x = 1", "nowhere.py", "no floor"),
    ("import matplotlib.pyplot as plt", "training/loop.py", "only explore"),
    ("def f():\n    import umap", "retrieval/report.py", "only explore"),
    ("import seaborn", "models/gap.py", "only explore"),
    ("from ipywidgets import HTML", "models/network.py", "only explore"),
    ("import matplotlib", "data/glyphs.py", "only explore"),
    ("from umap import UMAP", "course/plots/maps.py", "inside the function"),
    ("import torch", "__init__.py", "imports torch"),
    ("from dmlnb.losses import x", "__init__.py", "imports dmlnb.losses"),
])  # fmt: skip
def test_a_violation_is_caught(source, relative, message):
    wrong = problems(source, relative)
    assert any(message in line for line in wrong), wrong


@pytest.mark.parametrize("source, relative", [
    ("from dmlnb.losses.pairs import x\nimport torch", "losses/proxies.py"),
    ("from .pairs import x\nfrom ..geometry import y\nfrom dmlnb import __version__", "losses/proxies.py"),
    ("from dmlnb.data import x\nfrom dmlnb import geometry", "training/loop.py"),
    ("import matplotlib\ndef f():\n    import umap", "course/plots/maps.py"),
    ("def f():\n    from matplotlib.ft2font import FT2Font", "data/glyph_masters.py"),
    ("from pathlib import Path", "__init__.py"),
])  # fmt: skip
def test_what_is_allowed_passes(source, relative):
    assert problems(source, relative) == []


def test_the_package_itself_imports_nothing_heavy():
    heavy = ["torch", "numpy", "faiss", "sklearn", *sorted(DRAWING)]
    program = f"import sys, dmlnb; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
