"""Bring notebooks into the one form in which they are stored: same bytes for same content, pictures kept.

    python scripts/clean_notebooks.py notebooks           clean in place
    python scripts/clean_notebooks.py --check notebooks   change nothing; exit status 1 if a file would change

Removed: widget state and widget views, stderr, timings, metadata of editors. Set: cell ids (name of the file and
number of the cell), kernelspec, execution counts 1, 2, 3 …, the text alternative of pictures (`alt` in the metadata of
the cell that draws them). An order of execution that is not top to bottom is left, for the structure tests to report.
"""

import argparse
import os
import re
import tempfile
from pathlib import Path

import nbformat

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "pygments_lexer": "ipython3",
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CELL_METADATA = ("alt", "tags")


def cell_id(stem: str, index: int) -> str:
    """A valid cell id that depends on nothing but the file's name and the cell's place."""
    return f"{re.sub(r'[^a-zA-Z0-9_-]', '-', stem)[:60]}-{index:03d}"


def clean_output(output: nbformat.NotebookNode, alt: str | None) -> nbformat.NotebookNode | None:
    """The output as it is stored; None if nothing of it is."""
    if output.output_type == "stream":
        return None if output.name == "stderr" else output
    if output.output_type not in ("display_data", "execute_result"):
        return output
    if WIDGET_VIEW in output.data:
        del output.data[WIDGET_VIEW]
        if set(output.data) <= {"text/plain"}:  # what is left is the widget's repr
            return None
    has_picture = alt and "image/png" in output.data
    output.metadata = nbformat.from_dict({"image/png": {"alt": alt}} if has_picture else {})
    return output


def renumber(cells: list[nbformat.NotebookNode]) -> None:
    """Execution counts 1, 2, 3 … for cells that were executed from top to bottom."""
    executed = [cell for cell in cells if cell.execution_count is not None]
    counts = [cell.execution_count for cell in executed]
    if any(later <= earlier for earlier, later in zip(counts, counts[1:], strict=False)):
        return
    for count, cell in enumerate(executed, start=1):
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count


def clean(nb: nbformat.NotebookNode, stem: str) -> nbformat.NotebookNode:
    """Clean a notebook of nbformat 4 in place, and return it."""
    nb.nbformat, nb.nbformat_minor = 4, 5
    nb.metadata = nbformat.from_dict({"kernelspec": dict(KERNELSPEC), "language_info": dict(LANGUAGE)})
    for index, cell in enumerate(nb.cells):
        cell.id = cell_id(stem, index)
        cell.metadata = nbformat.from_dict(
            {k: v for k, v in cell.metadata.items() if k in CELL_METADATA and v}
        )
        cell.source = "\n".join(line.rstrip() for line in cell.source.split("\n")).strip("\n")
        if cell.cell_type == "code":
            outputs = [clean_output(output, cell.metadata.get("alt")) for output in cell.outputs]
            cell.outputs = [output for output in outputs if output is not None]
    renumber([cell for cell in nb.cells if cell.cell_type == "code"])
    return nb


def text_of(nb: nbformat.NotebookNode) -> str:
    """The text of the file."""
    return nbformat.v4.writes(nb).rstrip("\n") + "\n"


def write_whole(file: Path, text: str) -> None:
    """Write a file in one step, so that there is never half of it."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        os.chmod(temporary, file.stat().st_mode if file.exists() else 0o644)
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def notebooks_in(paths: list[Path]) -> list[Path]:
    """The notebooks among the paths and directly inside those that are folders."""
    return [file for path in paths for file in (sorted(path.glob("*.ipynb")) if path.is_dir() else [path])]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, help="notebooks or folders of notebooks")
    parser.add_argument(
        "--check", action="store_true", help="change nothing, list the files that would change"
    )
    options = parser.parse_args()
    changed = []
    for file in notebooks_in(options.paths):
        before = file.read_text(encoding="utf-8")
        after = text_of(clean(nbformat.reader.reads(before), file.stem))
        if after != before:
            changed.append(file)
            print(f"{'would clean' if options.check else 'cleaned'} {file}")
            if not options.check:
                write_whole(file, after)
    if options.check and changed:
        print("run: make format")
    return int(options.check and bool(changed))


if __name__ == "__main__":
    raise SystemExit(main())
