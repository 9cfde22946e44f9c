"""Rules for what a notebook stores: its pictures, its outputs, its metadata, its size.

Every rule is `rule(nb, path) -> list[str]`: what is wrong, in words; an empty list when all is well.
"""

import base64
import copy
import io
import re
import warnings
from pathlib import Path

import nbformat
from clean_notebooks import KERNELSPEC, WIDGET_VIEW, clean, text_of
from nbformat import NotebookNode
from PIL import Image
from rules_text import code_cells

FILE_BYTES = 1_000_000
PICTURE_BYTES = 150_000
ALT_LENGTH = 20
MACHINE_PATH = r"(?<![\w.])/(?:work|home|root|tmp|Users)/"


def bundles(cell: NotebookNode) -> list[NotebookNode]:
    """The outputs of a code cell that show something in one or several formats."""
    return [o for o in cell.get("outputs", []) if o.output_type in ("display_data", "execute_result")]


def has_picture(cell: NotebookNode) -> bool:
    return any(mime.startswith("image/") for output in bundles(cell) for mime in output.data)


def is_valid(nb: NotebookNode, path: Path) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cell ids, which have a rule of their own
            nbformat.validate(copy.deepcopy(nb))
    except nbformat.ValidationError as error:
        return [f"not a valid notebook: {str(error).splitlines()[0]}"]
    return []


def file_is_small(nb: NotebookNode, path: Path) -> list[str]:
    size = len(text_of(nb).encode())
    return [] if size <= FILE_BYTES else [f"{size / 1e6:.2f} MB, at most {FILE_BYTES / 1e6:.0f} MB"]


def pictures_are_small_opaque_png(nb: NotebookNode, path: Path) -> list[str]:
    wrong = []
    for i, cell in enumerate(nb.cells):
        for output in bundles(cell):
            others = [mime for mime in output.data if mime.startswith("image/") and mime != "image/png"]
            wrong += [f"cell {i}: {mime}, expected image/png" for mime in others]
            if re.search(r"<svg\b|data:image/(?!png)", str(output.data.get("text/html", ""))):
                wrong.append(f"cell {i}: a picture in HTML that is not PNG")
            if "image/png" not in output.data:
                continue
            raw = base64.b64decode(output.data["image/png"])
            if len(raw) > PICTURE_BYTES:
                wrong.append(
                    f"cell {i}: a picture of {len(raw) // 1000} kB, at most {PICTURE_BYTES // 1000} kB"
                )
            if Image.open(io.BytesIO(raw)).convert("RGBA").getchannel("A").getextrema()[0] < 255:
                wrong.append(f"cell {i}: a picture with a transparent background")
    return wrong


def pictures_have_alt_text(nb: NotebookNode, path: Path) -> list[str]:
    cells = [(i, cell) for i, cell in enumerate(nb.cells) if has_picture(cell)]
    wrong = [(i, c) for i, c in cells if len(str(c.metadata.get("alt", "")).strip()) < ALT_LENGTH]
    return [
        f"cell {i}: expected metadata 'alt' of at least {ALT_LENGTH} characters for its picture"
        for i, _ in wrong
    ]


def pictures_are_explained(nb: NotebookNode, path: Path) -> list[str]:
    pairs = zip(nb.cells, [*nb.cells[1:], None], strict=True)
    wrong = [
        i
        for i, (c, after) in enumerate(pairs)
        if has_picture(c) and (after is None or after.cell_type != "markdown")
    ]
    return [f"cell {i}: no words after its picture on what to see in it" for i in wrong]


def outputs_are_neither_errors_nor_stderr(nb: NotebookNode, path: Path) -> list[str]:
    wrong = []
    for i, cell in enumerate(nb.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                wrong.append(f"cell {i}: {output.ename}: {output.evalue}")
            elif output.output_type == "stream" and output.name == "stderr":
                wrong.append(f"cell {i}: output on stderr")
    return wrong


def outputs_name_no_machine(nb: NotebookNode, path: Path) -> list[str]:
    wrong = []
    for i, cell in enumerate(nb.cells):
        for output in cell.get("outputs", []):
            texts = [
                output.get("text", ""),
                *(str(v) for k, v in output.get("data", {}).items() if k.startswith("text/")),
            ]
            wrong += [
                f"cell {i}: a path of this machine in its output" for t in texts if re.search(MACHINE_PATH, t)
            ]
    return wrong


def code_was_executed_in_order(nb: NotebookNode, path: Path) -> list[str]:
    counts = [cell.execution_count for cell in code_cells(nb)]
    if counts == list(range(1, len(counts) + 1)):
        return []
    return [
        f"not executed from top to bottom, execution counts {counts}; run: make refresh NB={path.stem[:2]}"
    ]


def no_widget_state(nb: NotebookNode, path: Path) -> list[str]:
    wrong = ["widget state in the metadata"] if "widgets" in nb.metadata else []
    cells = enumerate(nb.cells)
    return wrong + [
        f"cell {i}: a widget view" for i, c in cells if any(WIDGET_VIEW in o.data for o in bundles(c))
    ]


def kernel_is_python3(nb: NotebookNode, path: Path) -> list[str]:
    return (
        []
        if nb.metadata.get("kernelspec") == KERNELSPEC
        else ["the kernelspec is not python3; run: make format"]
    )


def cell_ids_are_unique(nb: NotebookNode, path: Path) -> list[str]:
    ids = [cell.get("id") for cell in nb.cells]
    return (
        []
        if len(set(ids)) == len(ids) and None not in ids
        else ["cell ids are missing or not unique; run: make format"]
    )


def stored_form_is_clean(nb: NotebookNode, path: Path) -> list[str]:
    same = text_of(clean(copy.deepcopy(nb), path.stem)) == text_of(nb)
    return [] if same else ["not in the stored form; run: make format"]


RULES = (
    is_valid,
    file_is_small,
    pictures_are_small_opaque_png,
    pictures_have_alt_text,
    pictures_are_explained,
    outputs_are_neither_errors_nor_stderr,
    outputs_name_no_machine,
    code_was_executed_in_order,
    no_widget_state,
    kernel_is_python3,
    cell_ids_are_unique,
    stored_form_is_clean,
)
