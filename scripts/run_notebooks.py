"""Run notebooks from top to bottom in the interpreter that runs this program.

    python scripts/run_notebooks.py                refresh: store the fresh outputs in place, cleaned
    python scripts/run_notebooks.py --out build    leave the notebooks alone; write build/NN_x.ipynb and build/NN_x.html
    python scripts/run_notebooks.py 03 05_template only notebooks whose name starts so

One progress line a notebook. A notebook that fails is reported with its error, leaves no file and changes none; the
others still run, and the exit status is 1.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from clean_notebooks import clean, text_of, write_whole
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parent.parent


class ThisPython(KernelSpecManager):
    """Every kernel is this interpreter, whatever kernels the user has installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(resource_dir=str(RESOURCES), **get_kernel_dict(["--log-level=ERROR"]))


def execute(nb: nbformat.NotebookNode, folder: Path, timeout: int) -> nbformat.NotebookNode:
    """Execute the cells in place, with `folder` as the working directory; raises at the first cell that fails."""
    kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython())
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(nb, km=kernel, timeout=timeout, store_widget_state=False, resources=resources).execute()
    return nb


def stderr_lines(nb: nbformat.NotebookNode) -> int:
    """How many lines the notebook wrote to stderr (they are not stored)."""
    outputs = [output for cell in nb.cells for output in cell.get("outputs", [])]
    return sum(len(o.text.splitlines()) for o in outputs if o.output_type == "stream" and o.name == "stderr")


def run(file: Path, out: Path | None, timeout: int) -> bool:
    """Execute one notebook and store it; True if it ran through."""
    start = time.monotonic()
    before = file.read_text(encoding="utf-8")
    nb = nbformat.reader.reads(before)
    targets = [out / file.name, (out / file.name).with_suffix(".html")] if out else [file]
    try:
        execute(nb, file.parent, timeout)
        note = f"  ({count} lines on stderr)" if (count := stderr_lines(nb)) else ""
        texts = [text_of(clean(nb, file.stem))]
        if out:
            texts.append(HTMLExporter().from_notebook_node(nb, {"metadata": {"name": file.stem}})[0])
        elif file.read_text(encoding="utf-8") != before:
            raise RuntimeError("the file was changed while it ran; run it again")
        for target, text in zip(targets, texts, strict=True):
            write_whole(target, text)
    except Exception as error:
        for target in targets if out else []:  # of an earlier run: no longer what the notebook gives
            target.unlink(missing_ok=True)
        reason = str(error) if isinstance(error, CellExecutionError) else f"{type(error).__name__}: {error}"
        print(f"FAIL {time.monotonic() - start:6.1f} s  {file.stem}\n{reason}", flush=True)
        return False
    print(f"ok   {time.monotonic() - start:6.1f} s  {file.stem}{note}", flush=True)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", help="run only notebooks whose file name starts with one of these"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "notebooks")
    parser.add_argument("--out", type=Path, help="write here, as ipynb and HTML, instead of in place")
    parser.add_argument("--jobs", type=int, default=1, help="notebooks that run at the same time")
    parser.add_argument("--timeout", type=int, default=300, help="seconds a cell may take")
    options = parser.parse_args()
    files = sorted(options.folder.glob("*.ipynb"))
    files = [f for f in files if not options.names or f.name.startswith(tuple(options.names))]
    if not files:
        print(f"no notebooks in {options.folder} that start with: {' '.join(options.names) or '(any name)'}")
        return 1
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        passed = list(pool.map(lambda file: run(file, options.out, options.timeout), files))
    if not all(passed):
        print(f"{passed.count(False)} of {len(files)} notebooks failed", file=sys.stderr)
    return 0 if all(passed) else 1


if __name__ == "__main__":
    raise SystemExit(main())
