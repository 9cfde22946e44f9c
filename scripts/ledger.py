"""Write notebooks/CLAIMS.md: the table of claims, with numbers and verdicts computed from the stored studies.

python scripts/ledger.py          write it
python scripts/ledger.py --check  say whether it is as it would be written; changes nothing
"""

import argparse
import sys
from pathlib import Path

import nbformat

from dmlnb.course.ledger import CLAIMS, Claim, Row
from dmlnb.course.ledger.claims import SOURCES

ROOT = Path(__file__).resolve().parent.parent
HEAD = "| claim | where | the paper's effect | ours, letters | ours, photographs | why they may differ | verdict |"
INTRODUCTION = """# Claims ledger

What the six papers claim, in our words, where this course tests it, and what came out. `python scripts/ledger.py`
writes this page from `dmlnb/course/ledger/claims.py` and the stored studies: no difference of ours is typed by hand. A
cell that tests a claim has the tag `claim-<id>`; continuous integration runs all of them.

**Numbers.** +4.1 ± 0.5 (10): the method minus its baseline, in points of MAP@R on unseen classes unless it says what
else; the mean of ten paired seeds and its 95 % interval. Above zero, the method is better. *Letters* are small networks
trained from nothing, *photographs* are heads on frozen ImageNet maps of birds; *bags* and *collages* are toys in which
the nuisance is known. With so many intervals, some miss zero by chance: one in twenty where nothing is to be found.

| verdict | means |
|---|---|
| *holds exactly* | an identity, asserted up to rounding |
| *holds as a bound* | an inequality, asserted on many random instances |
| *holds here* | the whole interval is above zero |
| *no difference seen* | the interval holds zero; its half width says what could have been missed |
| *worse here* | the whole interval is below zero |
| *inconclusive* | what is missing stands beside it |

**Converged.** A baseline has converged where a larger budget moves it by less than the interval. Where it moves more,
the verdict must stay the same with the larger budget, or it is *inconclusive*. † no larger budget of this baseline is
stored, so nobody knows.

**The papers' effects** are those that could be reached, and were measured in other settings than ours:

"""


def headings_of_tags(file: Path) -> dict[str, list[str]]:
    """For each claim that is tagged in a notebook, the headings under which its cells stand, from top to bottom."""
    found: dict[str, list[str]] = {}
    heading = ""
    for cell in nbformat.reader.reads(file.read_text(encoding="utf-8")).cells:
        if cell.cell_type == "markdown":
            lines = [line for line in cell.source.split("\n") if line.startswith("#")]
            heading = lines[-1].lstrip("# ") if lines else heading
        for tag in cell.metadata.get("tags", []) if cell.cell_type == "code" else []:
            if tag.startswith("claim-"):
                found.setdefault(tag.removeprefix("claim-"), []).append(heading)
    return found


def place(claim: Claim, row: Row, folder: Path) -> str:
    """A link to the notebook, with the heading under which the row's cell stands.

    Raises:
        ValueError: if no cell with the claim's tag stands under a heading that begins so.
    """
    number = row.notebook or claim.notebook
    if not number:
        return "–"
    file = next(iter(sorted(folder.glob(f"{number}_*.ipynb"))), None)
    headings = headings_of_tags(file).get(claim.name, []) if file else []
    headings = [heading for heading in headings if heading.startswith(row.at)]
    if not headings:
        raise ValueError(f"{claim.name}: no cell of notebook {number} with its tag stands under {row.at!r}")
    return f"[{number} · {headings[-1].split(':')[0]}]({file.name})"


def line(claim: Claim, row: Row, first: bool, folder: Path) -> str:
    """One row of the table."""
    words = f"**{claim.name}** {claim.words}" + (f": *{row.part}*" if row.part else "")
    cells = (
        words if first else f"{claim.name}: *{row.part}*",
        place(claim, row, folder),
        row.paper,
        str(row.letters),
        str(row.photographs),
        row.why_text(),
        row.verdict_text(),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page(claims: dict[str, list[Claim]] = CLAIMS, folder: Path = ROOT / "notebooks") -> str:
    """The whole page.

    Raises:
        ValueError: for a row whose cell is not in its notebook, or whose verdict does not follow.
    """
    parts = [INTRODUCTION + "\n".join(f"- [{key}], {what}" for key, what in SOURCES.items())]
    for title, group in claims.items():
        lines = [line(claim, row, row is claim.rows[0], folder) for claim in group for row in claim.rows]
        parts.append(f"## {title}\n\n{HEAD}\n" + "|---" * 7 + "|\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if it would change")
    parser.add_argument("--root", type=Path, default=ROOT)
    options = parser.parse_args()
    file = options.root / "notebooks" / "CLAIMS.md"
    text = page(folder=options.root / "notebooks")
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return
    if options.check:
        sys.exit("CLAIMS.md is not what the studies say; run: python scripts/ledger.py")
    file.write_text(text, encoding="utf-8")
    print("wrote CLAIMS.md")


if __name__ == "__main__":
    main()
