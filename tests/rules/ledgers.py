"""Checks of the two ledgers: CLAIMS.md against the tags and itself, NOTATION.md against the names in the package."""

import ast
import re
from pathlib import Path

import nbformat

CLAIMS = [
    "claim",
    "where",
    "the paper's effect",
    "ours, letters",
    "ours, photographs",
    "why they may differ",
    "verdict",
]
VERDICTS = {  # what the interval must say, up to the rounding of both numbers
    "holds exactly": None,
    "holds as a bound": None,
    "inconclusive": None,
    "holds here": lambda mean, half: mean - half > -0.11,
    "worse here": lambda mean, half: mean + half < 0.11,
    "no difference seen": lambda mean, half: abs(mean) - half < 0.11,
}
LONGEST = 30  # words of a cell


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
    """`{number of a notebook: claim ids}` of the tags on code cells, for every notebook in the folder."""
    found = {}
    for file in sorted(folder.glob("*.ipynb")):
        cells = nbformat.reader.reads(file.read_text(encoding="utf-8")).cells
        tags = [tag for cell in cells if cell.cell_type == "code" for tag in cell.metadata.get("tags", [])]
        found[file.stem[:2]] = {tag.removeprefix("claim-") for tag in tags if tag.startswith("claim-")}
    return found


def claim_problems(text: str, tags: dict[str, set[str]]) -> list[str]:
    """What is wrong in the ledger's text, or between it and the tags of the notebooks."""
    rows = [row for header, body in tables(text) if header == CLAIMS for row in body]
    if not rows:
        return [f"no table with the columns {' | '.join(CLAIMS)}"]
    wrong = [f"{row[0]}: expected {len(CLAIMS)} columns" for row in rows if len(row) != len(CLAIMS)]
    rows = [row for row in rows if len(row) == len(CLAIMS)]
    names = [row[0] for row in rows]
    wrong += [f"{name}: stands twice" for name in sorted({n for n in names if names.count(n) > 1})]
    told = {(row[1][1:3], row[0].strip("*").split("*")[0].split(":")[0]) for row in rows}
    for number, claims in tags.items():
        wrong += [
            f"{c}: tagged in {number}, but the ledger has no such row"
            for c in claims
            if (number, c) not in told
        ]
    wrong += [f"{c}: no tag in {n}" for n, c in told if n.isdigit() and c not in tags.get(n, set())]
    return wrong + [f"{row[0]}: {problem}" for row in rows for problem in row_problems(row)]


def row_problems(row: list[str]) -> list[str]:
    """What is wrong in one row: cells that are too long, verdicts that are unknown or not what the interval says."""
    wrong = [
        f"{len(cell.split())} words in {cell!r}, expected {LONGEST}, one sentence"
        for cell in row[2:]
        if len(cell.split()) > LONGEST or ". " in cell
    ]
    numbers = {
        world: [(float(a), float(b)) for a, b in re.findall(r"([+-]\d+\.\d) ± (\d+\.\d)", cell)]
        for world, cell in (("letters", row[3]), ("photographs", row[4]))
    }
    for part in row[6].split(" · "):
        found = re.fullmatch(
            r"\*([a-z ]+)\*(?:, ± [\d.]+(?: and ± [\d.]+)?)?(?: \((letters|photographs)\))?", part
        )
        if not found or found[1] not in VERDICTS:
            wrong.append(f"verdict {part!r}, expected one of: {', '.join(VERDICTS)}")
            continue
        verdict, world = found.groups()
        judged = numbers[world] if world else numbers["letters"] + numbers["photographs"]
        agrees = VERDICTS[verdict]
        if agrees and not judged:
            wrong.append(f"{verdict}, but no interval")
        wrong += [f"{verdict}, but {a:+.1f} ± {b:.1f}" for a, b in judged if agrees and not agrees(a, b)]
        if verdict == "inconclusive" and row[5] == "–":
            wrong.append("inconclusive, but nothing says what is missing")
    return wrong


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
