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


def notation_problems(text: str, names: set[str]) -> list[str]:
    """What is wrong between the notation's text and the names in the package."""
    columns = ["symbol", "code name", "shape", "meaning"]
    found = tables(text)
    if not found:
        return ["no table"]
    wrong = [f"columns {header}, expected {columns}" for header, _ in found if header != columns]
    for row in (row for header, body in found if header == columns for row in body):
        codes = re.findall(r"`([^`]+)`", row[1]) if len(row) == len(columns) else []
        if not codes:
            wrong.append(f"{row[0]}: expected four columns and a code name in backticks, got {row}")
        parts = [part for code in codes for part in re.split(r"[.()\s]+", code) if part]
        wrong += [f"{row[0]}: no name {part!r} in the package" for part in parts if part not in names]
    return wrong
