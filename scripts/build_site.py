"""Build the website into build/site: notebooks with their stored outputs, results, ledger, and the library's pages.

    python scripts/build_site.py            installs what is missing (PyPI: the extra `docs`; npm: KaTeX), then builds
    python scripts/build_site.py --gather   only gathers the sources in build/site-source

Pages are whole: they load nothing from elsewhere, formulas are set here, and links among them are relative, so they can
be read from any folder of any server. A warning of Sphinx fails the build.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbformat
import site_api
import site_notebooks as notes
from badges import read_home
from site_text import bibliography, cite, lead_out, references_page

ROOT = Path(__file__).resolve().parent.parent
SOURCE, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
ROOMS = (
    "data",
    "pooling",
    "losses",
    "models",
    "distill",
    "training",
    "retrieval",
    "explore",
    "prototypes",
    "geometry",
)
AS_THEY_ARE = (
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "studies/README.md",
    "notebooks/NOTATION.md",
    "notebooks/overview.png",
)


def wanted(root: Path = ROOT) -> list[str]:
    """The requirements of the extra `docs`."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r'"([^"]+)"', re.search(r"(?ms)^docs = \[(.*?)\]", text)[1])


def install() -> None:
    """Sphinx and its parts into this Python, in the versions tested; KaTeX, in its exact version, by npm."""
    try:
        for requirement in wanted():
            version(re.split(r"[>=<]", requirement)[0])
    except PackageNotFoundError:
        uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
        constraints = ["-c", str(ROOT / "constraints.txt"), "-c", str(ROOT / "docs" / "constraints.txt")]
        subprocess.run([*uv, *constraints, *wanted()], check=True)
    if not shutil.which("npm"):
        sys.exit(
            "npm was not found: formulas are set by KaTeX, which comes from npm. Install Node.js 18 or newer."
        )
    lock, kept = ROOT / "docs" / "package-lock.json", SITE.parent / "site-npm" / "package-lock.json"
    if not kept.is_file() or kept.read_bytes() != lock.read_bytes():
        kept.parent.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "docs" / name, kept.parent)
        quiet = ["--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
        if subprocess.run(["npm", "ci", *quiet], cwd=kept.parent).returncode:
            kept.unlink()
            sys.exit("npm could not install what docs/package-lock.json names")


def write(path: Path, text: str | bytes) -> None:
    """Write a file if that changes it, so that Sphinx reads again only what is new."""
    data = text.encode() if isinstance(text, str) else text
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def katex(modules: Path, target: Path) -> None:
    """KaTeX's style sheet and its fonts, in the one format that every browser reads."""
    dist = modules / "katex" / "dist"
    css = (dist / "katex.min.css").read_text(encoding="utf-8")
    write(target / "katex.min.css", re.sub(r",url\([^)]+\) format\(\"(?:woff|truetype)\"\)", "", css))
    for font in (dist / "fonts").glob("*.woff2"):
        write(target / "fonts" / font.name, font.read_bytes())


def lift_table(root: Path = ROOT) -> str:
    """Each method's file and the files that it needs, with the command that copies them."""
    package, rows = root / "dmlnb", ["| method | its file needs |", "|---|---|"]
    files = [file for room in site_api.METHODS for file in sorted((package / room).glob("*.py"))]
    for file in (file for file in files if file.stem != "__init__"):
        others = sorted(f.relative_to(package).as_posix() for f in site_api.needed(file, package))
        words = " · ".join(f"`{name}`" for name in others) or "nothing else"
        rows.append(f"| `{file.relative_to(package).as_posix()}` | {words} |")
    return "\n".join(rows)


def explorer_alive(file: Path, letters: Path = ROOT / "docs" / "letters.npz") -> None:
    """The explorer of notebook 08 as a page of its own: ten images of each letter, and the notebook's two networks.

    Args:
        file: the page to write.
        letters: what these networks say of the images, as `scripts/record_explorer.py` stores it.
    """
    import numpy as np
    import torch

    from dmlnb.data import Glyphs
    from dmlnb.explore import EmbeddingExplorer

    test = Glyphs("test", per_class=10)
    with np.load(letters) as stored:
        rows = {name: torch.from_numpy(stored[name]).float() for name in stored.files}
    file.parent.mkdir(parents=True, exist_ok=True)
    EmbeddingExplorer(test.images, rows, test.labels, class_names=test.class_names).save_html(
        file, title="Letters of unseen scripts"
    )


def gather(
    root: Path = ROOT, source: Path = SOURCE, modules: Path = SITE.parent / "site-npm" / "node_modules"
) -> None:
    """Put the sources of all pages where Sphinx will read them, in the places that they have in the repository."""
    home, branch = read_home(root)
    repository = f"https://github.com/{home}/blob/{branch}"
    keys = bibliography((root / "references.bib").read_text(encoding="utf-8"))
    names = sorted(file.stem for file in (root / "notebooks").glob("[0-9]*.ipynb"))
    notebooks = {name: nbformat.read(root / "notebooks" / f"{name}.ipynb", 4) for name in names}
    by_number = {name[:2]: name for name in names}
    pages = sorted(file.stem for file in (root / "docs").glob("*.md") if file.stem not in ("index", "lift"))
    ours = {*AS_THEY_ARE, "notebooks/CLAIMS.md", *(f"notebooks/{n}.ipynb" for n in names)}
    ours |= {f"docs/{name}.md" for name in (*pages, "lift")}
    staged = ours.__contains__
    read = lambda name: (root / name).read_text(encoding="utf-8")
    ready = lambda text, place: lead_out(cite(text, keys), place, staged, repository)

    for name in AS_THEY_ARE:
        file = root / name
        write(source / name, file.read_bytes() if file.suffix == ".png" else ready(read(name), name))
    for name, nb in notebooks.items():
        place = f"notebooks/{name}.ipynb"
        write(source / place, nbformat.writes(notes.staged_notebook(nb, keys, staged, repository, place)))
    ledger = notes.staged_ledger(read("notebooks/CLAIMS.md"), notes.claims_of(notebooks))
    write(source / "notebooks" / "CLAIMS.md", ready(ledger, "notebooks/CLAIMS.md"))
    for name in pages:
        write(source / "docs" / f"{name}.md", ready(read(f"docs/{name}.md"), f"docs/{name}.md"))
    write(
        source / "docs" / "lift.md",
        ready(read("docs/lift.md"), "docs/lift.md").replace("<!-- lift -->", lift_table(root)),
    )

    where = {number: f"../notebooks/{name}.ipynb" for number, name in by_number.items()}
    rooms = site_api.pages(root / "dmlnb", ROOMS, keys, where, repository)
    for room, text in rooms.items():
        write(source / "api" / f"{room}.md", text)
    write(source / "api" / "index.md", api_index(rooms))
    write(source / "references.md", references_page(keys))
    index = read("docs/index.md").replace("%% cards %%", notes.cards(notebooks, source / "cards"))
    listed = "\n".join(f"{name[:2]} · {notes.title(nb)} <notebooks/{name}>" for name, nb in notebooks.items())
    index = index.replace("%% rooms %%", "\n".join(f"{room} <api/{room}>" for room in rooms))
    index = index.replace("%% notebooks %%", listed).replace(
        "%% pages %%", "\n".join(f"docs/{name}" for name in pages)
    )
    write(source / "index.md", index.replace("%% repository %%", repository.split("/blob/")[0]))

    from site_results import page  # draws: imports torch and matplotlib

    write(source / "results" / "index.md", page(source / "results" / "figures", by_number, repository))
    shutil.copy(root / "docs" / "conf.py", source)
    for part in ("_ext", "_static", "_templates"):
        shutil.copytree(root / "docs" / part, source / part, dirs_exist_ok=True)
    katex(modules, source / "_static" / "katex")
    explorer_alive(source / "_static" / "explorer.html")


def api_index(rooms: dict[str, str]) -> str:
    """The page above the rooms' pages."""
    lead = {room: re.search(r"(?m)^(?!#)\S.*$", text)[0] for room, text in rooms.items()}
    rows = "\n".join(f"| [dmlnb.{room}]({room}.md) | {words} |" for room, words in lead.items())
    return (
        "# The library, room by room\n\nThe public names of each room, from their docstrings. What stands here can be "
        "imported from the room; everything else may change.\n\n"
        f"| room | what it holds |\n|---|---|\n{rows}\n"
    )


def build(home: str, branch: str) -> int:
    """Run Sphinx; its exit status, 1 for any warning."""
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-b",
        "html",
        "-W",
        "--keep-going",
        "-q",
        "-d",
        str(SITE.parent / "site-trees"),
    ]
    environment = os.environ | {
        "DMLNB_HOME": home,
        "DMLNB_BRANCH": branch,
        "DMLNB_KATEX": str(SITE.parent / "site-npm" / "node_modules" / "katex"),
    }
    return subprocess.run([*command, str(SOURCE), str(SITE)], env=environment).returncode


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gather", action="store_true", help="gather the sources, and build nothing")
    options = parser.parse_args()
    began = time.monotonic()
    install()
    for folder in (SOURCE, SITE, SITE.parent / "site-trees"):
        shutil.rmtree(folder, ignore_errors=True)
    gather()
    if options.gather:
        return 0
    status = build(*read_home())
    size = sum(file.stat().st_size for file in SITE.rglob("*") if file.is_file())
    print(
        json.dumps(
            {"site": str(SITE), "seconds": round(time.monotonic() - began), "megabytes": round(size / 1e6, 1)}
        )
    )
    return status


if __name__ == "__main__":
    raise SystemExit(main())
