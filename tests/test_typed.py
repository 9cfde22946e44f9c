"""The library's public names say their types: arguments and what is returned. mypy checks that they are true."""

import ast
from pathlib import Path

import pytest

import dmlnb

LIBRARY = Path(dmlnb.__file__).parent
ROOMS = {"data", "distill", "geometry", "losses", "models", "pooling", "prototypes", "retrieval", "training"}
CALLED = {"__init__", "__call__", "__getitem__"}


def untyped(source):
    """Public functions and methods that leave out a type, as `name: what is missing`."""
    found = []

    def walk(body, prefix=""):
        for node in body:
            name = getattr(node, "name", "_")
            if name.startswith("_") and name not in CALLED:
                continue
            if isinstance(node, ast.ClassDef):
                walk(node.body, f"{name}.")
            elif isinstance(node, ast.FunctionDef):
                a = node.args
                given = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
                missing = [x.arg for x in given if not x.annotation and x.arg not in ("self", "cls")]
                missing += ["return"] if node.returns is None and name != "__init__" else []
                found.extend(f"{prefix}{name}: {what}" for what in missing)

    walk(ast.parse(source).body)
    return found


def test_every_public_name_is_typed():
    files = [file for file in LIBRARY.rglob("*.py") if file.relative_to(LIBRARY).parts[0] in ROOMS]
    assert len(files) > 60
    wrong = {str(file.relative_to(LIBRARY)): untyped(file.read_text(encoding="utf-8")) for file in files}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("source, missing", [
    ("def f(x) -> int: ...", ["f: x"]),
    ("def f(x: int): ...", ["f: return"]),
    ("class A:\n    def g(self, *, y) -> int: ...", ["A.g: y"]),
    ("class A:\n    def __init__(self, **how): ...", ["A.__init__: how"]),
    ("def _f(x): ...\nclass _A:\n    def g(self, y): ...", []),
    ("def f(x: int, *rest: int) -> int: ...", []),
])  # fmt: skip
def test_a_missing_type_is_caught(source, missing):
    assert untyped(source) == missing


def test_the_types_travel_with_the_package():
    assert (LIBRARY / "py.typed").is_file()
