"""Write the badge row and the bootstrap cell of every notebook, from the home recorded in pyproject.toml.

python scripts/badges.py                                  write them
python scripts/badges.py --home owner/name --branch main  record a new home first
"""

import argparse
import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
COLAB = "https://colab.research.google.com"
# Other files in which links to the home stand.
LINKED = ("README.md", "CITATION.cff", "CONTRIBUTING.md", "pyproject.toml", "data/README.md")


def badge_row(home: str, branch: str, filename: str) -> str:
    """The line under a notebook's title: open it in Colab, or read it on GitHub or nbviewer."""
    path = f"{home}/blob/{branch}/notebooks/{filename}"
    return (
        f"[![Open In Colab]({COLAB}/assets/colab-badge.svg)]({COLAB}/github/{path}) · "
        f"[view on GitHub](https://github.com/{path}) · [view in nbviewer](https://nbviewer.org/github/{path})"
    )


def bootstrap_source(home: str, branch: str) -> str:
    """The cell that installs the package, with what the course draws with, where it is missing: only in Colab."""
    return (
        'import sys\n\nif "google.colab" in sys.modules:\n'
        f'    %pip install -q "dmlnb[course] @ git+https://github.com/{home}@{branch}"'
    )


def read_home(root: Path = ROOT) -> tuple[str, str]:
    """`(home, branch)` as recorded in `[tool.dmlnb]`."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    table = re.search(r"(?ms)^\[tool\.dmlnb\]$(.*?)(?=^\[|\Z)", text)
    found = (
        {key: re.search(rf'(?m)^{key} = "([^"]+)"', table[1]) for key in ("home", "branch")} if table else {}
    )
    if not found or None in found.values():
        raise SystemExit("pyproject.toml: expected a table [tool.dmlnb] with home = and branch =")
    return found["home"][1], found["branch"][1]


def record_home(root: Path, home: str, branch: str) -> None:
    """Write a new home into pyproject.toml and into the links of the other files."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", home) or not re.fullmatch(r"[\w./-]+", branch):
        raise SystemExit(
            f"expected a home like owner/name and a branch like main, got {home!r} and {branch!r}"
        )
    old_home, old_branch = read_home(root)
    for name in LINKED:
        file = root / name
        if not file.exists():
            continue
        text = file.read_text(encoding="utf-8")
        # github.com/<home>, nbviewer.org/github/<home>, …/github/<home>/blob/<branch>
        link = rf"(github(?:\.com)?/){re.escape(old_home)}(?![\w-])"
        link += rf"(?:(/(?:blob|tree|raw)/){re.escape(old_branch)}(?=/))?"
        text = re.sub(link, lambda m: m[1] + home + (m[2] + branch if m[2] else ""), text)
        if name == "pyproject.toml":
            text = text.replace(f'home = "{old_home}"', f'home = "{home}"', 1)
            text = text.replace(f'branch = "{old_branch}"', f'branch = "{branch}"', 1)
        file.write_text(text, encoding="utf-8")


def write_badges(nb: nbformat.NotebookNode, home: str, branch: str, filename: str) -> None:
    """Set the badge row under the title and the bootstrap cell; each is added where it is missing."""
    title = nb.cells[0]
    lines = [line for line in title.source.split("\n") if not line.startswith("[![Open In Colab]")]
    rest = "\n".join(lines[1:]).strip("\n")
    title.source = f"{lines[0]}\n\n{badge_row(home, branch, filename)}" + (f"\n\n{rest}" if rest else "")
    for cell in nb.cells:
        if "bootstrap" in cell.metadata.get("tags", []):
            cell.source = bootstrap_source(home, branch)
            return
    first = next((i for i, cell in enumerate(nb.cells) if cell.cell_type == "code"), len(nb.cells))
    cell = nbformat.v4.new_code_cell(bootstrap_source(home, branch), metadata={"tags": ["bootstrap"]})
    nb.cells.insert(first, cell)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", help="owner/name on GitHub")
    parser.add_argument("--branch", default="main")
    parser.add_argument("--root", type=Path, default=ROOT)
    options = parser.parse_args()
    if options.home:
        record_home(options.root, options.home, options.branch)
    home, branch = read_home(options.root)
    for file in sorted((options.root / "notebooks").glob("*.ipynb")):
        before = file.read_text(encoding="utf-8")
        nb = nbformat.reader.reads(before)
        write_badges(nb, home, branch, file.name)
        after = nbformat.v4.writes(nb).rstrip("\n") + "\n"
        if after != before:
            file.write_text(after, encoding="utf-8")
            print(f"wrote {file.name}")


if __name__ == "__main__":
    main()
