"""Rules for what a notebook says: its parts, its headings, the length of its code, the words around it.

Every rule is `rule(nb, path) -> list[str]`: what is wrong, in words; an empty list when all is well.
"""

import re
import statistics
from pathlib import Path

from badges import badge_row, bootstrap_source, read_home
from nbformat import NotebookNode

CELLS = (35, 65)
CODE_LINES, MEDIAN_CODE_LINES = 30, 8
WORDS_PER_CODE_LINE = (4, 12)
PARTS = ("Exercises", "Limits", "Summary|In three lines", "References")
BANNED_WORDS = ("/work/", "issue #", "../shared")
BANNED_CODE = {
    r"\bOutput\(": "Output( does not work in Colab",
    r"\bplt\.show\(": "plt.show( fails in callbacks",
}
BANNED_TAGS = ("nbval-skip", "nbval-raises-exception", "raises-exception")


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cells(nb: NotebookNode) -> list[NotebookNode]:
    """Code cells that hold code."""
    return [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]


def code_lines(cell: NotebookNode) -> int:
    return sum(bool(line.strip()) for line in cell.source.split("\n"))


def prose(nb: NotebookNode) -> list[str]:
    """The text of each markdown cell without its fenced code."""
    texts = [cell.source for cell in nb.cells if cell.cell_type == "markdown"]
    return [re.sub(r"(?ms)^(```|~~~).*?^\1[^\n]*$", "", text) for text in texts]


def headings(nb: NotebookNode) -> list[tuple[int, str]]:
    """`(level, text)` of each heading, from top to bottom."""
    found = re.findall(r"(?m)^ {0,3}(#{1,6})\s+(.+?)\s*#*$", "\n".join(prose(nb)))
    return [(len(marks), text) for marks, text in found]


def word_count(text: str) -> int:
    """Words of prose: no formulas, no addresses, no HTML."""
    for noise in (r"(?s)\$\$.*?\$\$", r"\$[^$\n]*\$", r"(?<=\])\([^)\s]*\)", r"https?://\S+", r"<[^>]+>"):
        text = re.sub(noise, " ", text)
    return sum(bool(re.search(r"[^\W\d_]", word)) for word in text.split())


def name_has_number_and_topic(nb: NotebookNode, path: Path) -> list[str]:
    good = re.fullmatch(r"\d\d_[a-z0-9]+(_[a-z0-9]+)*\.ipynb", path.name)
    return [] if good else [f"{path.name}: expected a name like 03_topic_words.ipynb"]


def title_then_badges_then_promise(nb: NotebookNode, path: Path) -> list[str]:
    lines = [line for line in nb.cells[0].source.split("\n") if line.strip()] if nb.cells else []
    if not lines or nb.cells[0].cell_type != "markdown" or not re.match(r"# \S", lines[0]):
        return ["cell 0: expected markdown that begins with '# Title'"]
    if len(lines) < 2 or lines[1] != badge_row(*read_home(), path.name):
        return ["cell 0: the badge row does not belong to this path; run: make format"]
    return [] if len(lines) > 2 else ["cell 0: expected a promise after the badge row"]


def bootstrap_cell_is_exact(nb: NotebookNode, path: Path) -> list[str]:
    cells = code_cells(nb)
    if not cells or "bootstrap" not in tags(cells[0]):
        return ["the first code cell is not tagged bootstrap; run: make format"]
    if cells[0].source != bootstrap_source(*read_home()):
        return ["the bootstrap cell is not the common one; run: make format"]
    return ["more than one bootstrap cell"] if sum("bootstrap" in tags(cell) for cell in cells) > 1 else []


def headings_do_not_skip(nb: NotebookNode, path: Path) -> list[str]:
    found = headings(nb)
    wrong = [] if found and found[0][0] == 1 else ["the first heading is not the title"]
    wrong += [f"second title: {text}" for level, text in found[1:] if level == 1]
    pairs = zip(found, found[1:], strict=False)
    return wrong + [
        f"level skipped before: {text}" for (above, _), (level, text) in pairs if level > above + 1
    ]


def parts_are_in_order(nb: NotebookNode, path: Path) -> list[str]:
    opening = nb.cells[1] if len(nb.cells) > 1 else None
    wrong = []
    if opening is None or opening.cell_type != "markdown" or "you will" not in opening.source.lower():
        wrong.append("cell 1: expected markdown with what 'you will' do, learn and need")
    at = -1
    for part in PARTS:
        places = [i for i, (_, text) in enumerate(headings(nb)) if re.search(rf"\b({part})\b", text, re.I)]
        later = [place for place in places if place > at]
        if later:
            at = later[0]
        else:
            wrong.append(f"no heading '{part}'" + (" after the part before it" if places else ""))
    return wrong


def cell_count_is_right(nb: NotebookNode, path: Path) -> list[str]:
    few, many = CELLS
    return [] if few <= len(nb.cells) <= many else [f"{len(nb.cells)} cells, expected {few} to {many}"]


def code_cells_are_short(nb: NotebookNode, path: Path) -> list[str]:
    lengths = [code_lines(cell) for cell in code_cells(nb)]
    wrong = [f"a code cell of {n} lines, at most {CODE_LINES}" for n in lengths if n > CODE_LINES]
    median = statistics.median(lengths) if lengths else 0
    return wrong + (
        [f"median of {median} code lines, at most {MEDIAN_CODE_LINES}"] if median > MEDIAN_CODE_LINES else []
    )


def words_and_code_are_in_balance(nb: NotebookNode, path: Path) -> list[str]:
    lines = sum(code_lines(cell) for cell in code_cells(nb) if "bootstrap" not in tags(cell))
    words = sum(word_count(text) for text in prose(nb))
    low, high = WORDS_PER_CODE_LINE
    if lines and low <= words / lines <= high:
        return []
    return [f"{words} words for {lines} lines of code, expected {low} to {high} words a line"]


def display_math_stands_alone(nb: NotebookNode, path: Path) -> list[str]:
    wrong = []
    for text in prose(nb):
        inside = False
        for line in map(str.strip, text.split("\n")):
            if line == "$$":
                inside = not inside
            elif "$$" in line and (inside or not re.fullmatch(r"\$\$[^$]+\$\$[.,;]?", line)):
                wrong.append(f"$$ does not stand on its own line: {line}")
        if inside:
            wrong.append(f"$$ is not closed: {text[:60]!r}")
        wrong += [
            f"use aligned inside $$: {m}"
            for m in re.findall(r"\\begin\{(?:align|equation|eqnarray)\*?\}", text)
        ]
    return wrong


def words_are_for_readers(nb: NotebookNode, path: Path) -> list[str]:
    return [
        f"cell {i}: mentions {w!r}"
        for i, c in enumerate(nb.cells)
        for w in BANNED_WORDS
        if w in c.source.lower()
    ]


def code_suits_every_runner(nb: NotebookNode, path: Path) -> list[str]:
    wrong = []
    for cell in code_cells(nb):
        wrong += [why for pattern, why in BANNED_CODE.items() if re.search(pattern, cell.source)]
        wrong += [f"ends in ';': {line}" for line in cell.source.split("\n") if line.rstrip().endswith(";")]
        wrong += [
            f"comment marker: {m}" for m in re.findall(r"(?m)^\s*# ?(NBVAL_(?:SKIP|RAISES\w*))", cell.source)
        ]
    return wrong


def nothing_is_skipped(nb: NotebookNode, path: Path) -> list[str]:
    return [
        f"cell {i}: tag {tag}" for i, cell in enumerate(nb.cells) for tag in tags(cell) if tag in BANNED_TAGS
    ]


RULES = (
    name_has_number_and_topic,
    title_then_badges_then_promise,
    bootstrap_cell_is_exact,
    headings_do_not_skip,
    parts_are_in_order,
    cell_count_is_right,
    code_cells_are_short,
    words_and_code_are_in_balance,
    display_math_stands_alone,
    words_are_for_readers,
    code_suits_every_runner,
    nothing_is_skipped,
)
