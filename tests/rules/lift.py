"""How many other files of the package a file needs: what somebody copies who lifts a method into a project."""

import ast
from pathlib import Path

METHODS = ("pooling", "losses", "distill", "prototypes")  # the rooms in which a file is a method


def target(module: str, name: str | None, package: Path) -> Path | None:
    """The file that `from module import name` reads; a name that a folder hands on comes from the file it is in."""
    if module.split(".")[0] != package.name:
        return None
    place = package.joinpath(*module.split(".")[1:])
    if place.with_suffix(".py").is_file():
        return place.with_suffix(".py")
    if name is None or not place.is_dir():
        return None
    if (place / f"{name}.py").is_file():
        return place / f"{name}.py"
    if (place / name).is_dir():
        return place / name / "__init__.py"
    for node in ast.walk(ast.parse((place / "__init__.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and name in {alias.asname or alias.name for alias in node.names}:
            return target(node.module or "", name, package)
    return place / "__init__.py"


def imported(file: Path, package: Path) -> set[Path]:
    """The files of the package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {target(alias.name, None, package) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {target(node.module or "", alias.name, package) for alias in node.names}
    return found - {None, file}


def needed(file: Path, package: Path) -> set[Path]:
    """The other files that a file needs, with those that they need."""
    found: set[Path] = set()
    todo = [file]
    while todo:
        new = imported(todo.pop(), package) - found - {file}
        found |= new
        todo += new
    return found


def methods(package: Path) -> dict[str, int]:
    """`{file: number of other files that it needs}` of every method."""
    files = [
        file for room in METHODS for file in sorted((package / room).glob("*.py")) if file.stem != "__init__"
    ]
    return {file.relative_to(package).as_posix(): len(needed(file, package)) for file in files}
