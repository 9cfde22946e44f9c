"""Checks of the two ledgers: CLAIMS.md against the notebooks' tags, NOTATION.md against the names in the package."""

import ast
import re
from pathlib import Path

import nbformat

VERDICTS = ("holds exactly", "holds here", "holds as a bound", "not seen at this scale", "not tested yet")
EVIDENCE = re.compile(r"(exact identity|bound|approximate|measured(, \d+ seeds?)?)( \([^()]+\))?")


def tables(text: str) -> list[tuple[list[str], list[list[str]]]]:
    """`(columns, rows)` of each table of a markdown text; `|` inside code or formulas is written `\\|`."""
    found: list[tuple[list[str], list[list[str]]]] = []
    lines = [line.strip() for line in text.split("\n")] + [""]
    for line, after in zip(lines, lines[1:], strict=False):
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line[1:].rstrip("|"))]
        if re.fullmatch(r"\|[\s:|-]+\|", after):
            found.append((cells, []))
            inside = True
        elif inside and not re.fullmatch(r"\|[\s:|-]+\|", line):
            found[-1][1].append(cells)
    return found


def claim_tags(folder: Path) -> dict[str, set[str]]:
    """`{notebook: claim ids}` of the tags on code cells, for every notebook in the folder."""
    found = {}
    for file in sorted(folder.glob("*.ipynb")):
        cells = nbformat.reader.reads(file.read_text(encoding="utf-8")).cells
        tags = [tag for cell in cells if cell.cell_type == "code" for tag in cell.metadata.get("tags", [])]
        found[file.stem] = {tag.removeprefix("claim-") for tag in tags if tag.startswith("claim-")}
    return found


def claim_problems(text: str, tags: dict[str, set[str]]) -> list[str]:
    """What is wrong between the ledger's text and the tags of the notebooks that exist."""
    columns = ["id", "claim", "notebook", "evidence", "verdict"]
    rows = [row for header, body in tables(text) if header == columns for row in body]
    if not rows:
        return [f"no table with the columns {' | '.join(columns)}"]
    wrong = [f"{row[0]}: expected {len(columns)} columns" for row in rows if len(row) != len(columns)]
    rows = [row for row in rows if len(row) == len(columns)]
    ids = [row[0] for row in rows]
    wrong += [f"{claim}: stands twice" for claim in sorted({c for c in ids if ids.count(c) > 1})]
    for claim, words, notebook, evidence, verdict in rows:
        verdict = verdict.replace("*", "").strip()
        untested = verdict.startswith("not tested yet")
        if not words:
            wrong.append(f"{claim}: no claim")
        if not verdict.startswith(VERDICTS):
            wrong.append(f"{claim}: verdict {verdict!r} does not begin with one of: {', '.join(VERDICTS)}")
        if not all(EVIDENCE.fullmatch(kind.strip()) for kind in evidence.split("+")):
            wrong.append(
                f"{claim}: evidence {evidence!r}, expected exact identity, bound or measured, n seeds"
            )
        if not untested and "measured" in [kind.strip() for kind in evidence.split("+")]:
            wrong.append(f"{claim}: measured, but the number of seeds is not given")
        if notebook not in tags and not untested:
            wrong.append(f"{claim}: {notebook} is not written, so the verdict must be 'not tested yet'")
        if notebook in tags and claim not in tags[notebook]:
            wrong.append(f"{claim}: no code cell of {notebook} has the tag claim-{claim}")
        if notebook in tags and claim in tags[notebook] and untested:
            wrong.append(f"{claim}: {notebook} tests it, but the verdict is 'not tested yet'")
    known = {(row[2], row[0]) for row in rows}
    return wrong + [
        f"{claim}: tagged in {notebook}, but the ledger has no such row"
        for notebook, claims in tags.items()
        for claim in sorted(claims)
        if (notebook, claim) not in known
    ]


def identifiers(folder: Path) -> set[str]:
    """Every name that the Python files below a folder define or use: functions, arguments, variables, attributes."""
    names: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for field in ("id", "name", "arg", "attr"):
                value = getattr(node, field, None)
                if isinstance(value, str):
                    names.add(value)
    return names


NOTATION = ["symbol", "code name", "shape", "notebooks", "meaning"]
SHARED = ["letter", "meanings, by notebook"]
GREEK = set(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau upsilon phi chi "
    "psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split()
)


def letters(symbol: str) -> list[str]:
    """The letters of a symbol, without indices and arguments: `$\\alpha,\\ \\theta_k$` -> `\\alpha`, `\\theta`.

    Names like R@k and whole formulas have none.
    """
    if not re.fullmatch(r"\$[^$]+\$", symbol):
        return []
    flat = re.sub(r"\([^()]*\)|\[.*\]|[_^](\{[^{}]*\}|\\?[A-Za-z]+|.)", "", symbol.strip("$"))
    parts = [part.strip() for part in re.split(r",(?:\\ )?", flat)]
    good = r"(\\(hat|bar) ?)?(\\[A-Za-z]+|[A-Za-z])"
    return (
        [part.replace(" ", "") for part in parts] if all(re.fullmatch(good, part) for part in parts) else []
    )


def notation_problems(text: str, names: set[str]) -> list[str]:
    """What is wrong between the notation's text and the names in the package."""
    found = tables(text)
    if not found:
        return ["no table"]
    wrong = [
        f"columns {header}, expected {NOTATION}" for header, _ in found if header not in (NOTATION, SHARED)
    ]
    for row in (row for header, body in found if header == NOTATION for row in body):
        codes = re.findall(r"`([^`]+)`", row[1]) if len(row) == len(NOTATION) else []
        if not codes:
            wrong.append(f"{row[0]}: expected five columns and a code name in backticks, got {row}")
        parts = [part for code in codes for part in re.split(r"[.()\s]+", code) if part]
        wrong += [f"{row[0]}: no name {part!r} in the package" for part in parts if part not in names]
    return wrong


def formulas(nb: nbformat.NotebookNode) -> str:
    """All formulas in the text of a notebook, without words and operators; code between backticks is none."""
    text = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    found = re.findall(r"(?s)\$\$.*?\$\$|\$[^$\n]+\$", re.sub(r"`[^`\n]*`", " ", text))
    return re.sub(r"\\(text|mathrm|mathbb|begin|end) ?(\{[^{}]*\}|[A-Za-z])", " ", "\n".join(found))


def stands_in(letter: str, formula: str) -> bool:
    """True if a letter, with the accent that it may have, is used in the formulas."""
    pattern = re.escape(letter).replace("hat", "hat ?").replace("bar", "bar ?")
    return bool(re.search(rf"(?<![A-Za-z\\]){pattern}(?![A-Za-z])", formula))


def symbol_problems(text: str, notebooks: dict[str, str]) -> list[str]:
    """Where a letter has two meanings that are not announced; `notebooks` holds the formulas of each by its number."""
    wrong, places = [], {}  # letter: one set of notebooks for each meaning
    for row in (row for header, body in tables(text) if header == NOTATION for row in body):
        used = set(re.findall(r"\d\d", row[3]))
        for letter in dict.fromkeys(letters(row[0]) if used else []):
            places.setdefault(letter, []).append(used)
            missing = [n for n in sorted(used) if n not in notebooks or not stands_in(letter, notebooks[n])]
            wrong += [f"{row[0]}: {letter} is in no formula of notebook {n}" for n in missing]
    for letter, meanings in sorted(places.items()):
        twice = sorted({n for n in set().union(*meanings) if sum(n in used for used in meanings) > 1})
        wrong += [f"{letter}: two meanings in notebook {n}" for n in twice]
    shared = {
        row[0].strip("$"): [set(re.findall(r"\d\d", part.split(":")[0])) for part in row[1].split(" · ")]
        for header, body in tables(text)
        if header == SHARED
        for row in body
    }
    key = lambda meanings: sorted(map(sorted, meanings))
    for letter in sorted(
        shared.keys() | {letter for letter, meanings in places.items() if len(meanings) > 1}
    ):
        if key(shared.get(letter, [])) != key(places.get(letter, [])) or len(places.get(letter, [])) < 2:
            wrong.append(
                f"{letter}: means {key(places.get(letter, []))}, but 'Same letter' says {key(shared.get(letter, []))}"
            )
    for number, formula in notebooks.items():
        greek = {name for name in re.findall(r"\\([A-Za-z]+)", formula) if name in GREEK}
        known = {
            letter.split("\\")[-1]
            for letter, meanings in places.items()
            if any(number in used for used in meanings)
        }
        wrong += [
            f"\\{name}: used in notebook {number}, but NOTATION.md does not say what for"
            for name in sorted(greek - known)
        ]
    return wrong
