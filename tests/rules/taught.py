"""Docstrings that say where a thing is taught: the notebook must name it."""

import ast
import re
from pathlib import Path

import nbformat

SENTENCE = re.compile(r"Taught in notebooks? (\d\d(?:(?:, | and )\d\d)*)")


def said(tree: ast.Module) -> list[tuple[str, str]]:
    """`(name, notebook)` for each function, class and method whose docstring says where it is taught."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    found = []
    for node in (node for node in ast.walk(tree) if isinstance(node, kinds)):
        for sentence in SENTENCE.findall(" ".join((ast.get_docstring(node) or "").split())):
            found += [(node.name, number) for number in re.findall(r"\d\d", sentence)]
    return found


def untaught(package: Path, notebooks: dict[str, str]) -> list[str]:
    """Names that a notebook is said to teach and does not hold; `notebooks` is the text of each by its number."""
    return [
        f"{file.relative_to(package).as_posix()}: {name} is not named in notebook {number}"
        for file in sorted(package.rglob("*.py"))
        for name, number in said(ast.parse(file.read_text(encoding="utf-8")))
        if not re.search(rf"\b{name}\b", notebooks.get(number, ""))
    ]


def texts(folder: Path) -> dict[str, str]:
    """The text of all cells of each notebook, by its number."""
    files = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    read = lambda file: nbformat.reader.reads(file.read_text(encoding="utf-8"))
    return {file.name[:2]: "\n".join(cell.source for cell in read(file).cells) for file in files}
