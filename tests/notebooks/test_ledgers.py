"""CLAIMS.md is what the studies say and agrees with the notebooks' tags, NOTATION.md with the package's names."""

from pathlib import Path

import ledger
import nbformat
import pytest
from ledgers import (
    CLAIMS,
    claim_problems,
    claim_tags,
    formulas,
    identifiers,
    letters,
    notation_problems,
    symbol_problems,
    tables,
)
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[2]
CLAIMS_HEAD = f"| {' | '.join(CLAIMS)} |\n" + "|---" * len(CLAIMS) + "|\n"
NOTATION_HEAD = "| symbol | code name | shape | notebooks | meaning |\n|:--|---|---|---|---|\n"
SHARED_HEAD = "\n| letter | meanings, by notebook |\n|---|---|\n"


def test_the_ledger_is_what_the_studies_say():
    text = (ROOT / "notebooks" / "CLAIMS.md").read_text(encoding="utf-8")
    assert text == ledger.page(), "run: python scripts/ledger.py"


def test_claims_tags_and_verdicts_agree():
    text = (ROOT / "notebooks" / "CLAIMS.md").read_text(encoding="utf-8")
    wrong = claim_problems(text, claim_tags(ROOT / "notebooks"))
    assert not wrong, "\n".join(wrong)


def test_notation_and_package_agree():
    text = (ROOT / "notebooks" / "NOTATION.md").read_text(encoding="utf-8")
    wrong = notation_problems(text, identifiers(ROOT / "dmlnb"))
    assert not wrong, "\n".join(wrong)


def test_a_letter_has_one_meaning_in_a_notebook_and_others_are_announced():
    text = (ROOT / "notebooks" / "NOTATION.md").read_text(encoding="utf-8")
    files = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    found = {f.name[:2]: formulas(nbformat.reader.reads(f.read_text(encoding="utf-8"))) for f in files}
    wrong = symbol_problems(text, found)
    assert not wrong, "\n".join(wrong)


TAGS = {"01": {"x-1"}}


def claim(verdict, letters="–", photographs="–", name="**x-1** claim", why="–", where="[01 · A](01_a.ipynb)"):
    return f"| {name} | {where} | – | {letters} | {photographs} | {why} | {verdict} |\n"


GOOD = claim("*holds exactly*")


@pytest.mark.parametrize("row", [
    GOOD,
    claim("*holds as a bound*") + claim("*inconclusive*", "one run", name="x-1: *part*", why="one seed"),
    claim("*holds here*", "+0.5 ± 0.4 (10)†", "bags: +4.1 ± 0.5 (5)"),
    claim("*holds here*", "–", "+1.0 ± 0.4 to +2.0 ± 0.3 (10)"),
    claim("*no difference seen*, ± 0.9 (letters) · *worse here* (photographs)", "+0.1 ± 0.9 (5)", "-0.9 ± 0.5 (5)"),
    claim("*no difference seen*, ± 0.9 and ± 0.1", "+0.1 ± 0.9 (5)", "+0.0 ± 0.1 (10)"),
    GOOD + claim("*inconclusive*", name="**y-1** claim", where="–", why="not tried"),
])  # fmt: skip
def test_a_good_claim_passes(row):
    assert claim_problems(CLAIMS_HEAD + row, TAGS) == []


@pytest.mark.parametrize("rows, tags, message", [
    ("", {}, "no table"),
    ("| **x-1** claim | 01 | – |", TAGS, "expected 7 columns"),
    (GOOD * 2, TAGS, "twice"),
    (claim("*proved*"), TAGS, "expected one of"),
    (claim("holds exactly"), TAGS, "expected one of"),
    (claim("*holds here*", "much better"), TAGS, "no interval"),
    (claim("*holds here*", "+0.3 ± 0.5 (10)"), TAGS, "holds here, but +0.3 ± 0.5"),
    (claim("*holds here*", "+3.0 ± 0.5 (10)", "+0.3 ± 0.5 (10)"), TAGS, "holds here, but +0.3 ± 0.5"),
    (claim("*holds here*", "+0.3 ± 0.5 to +2.0 ± 0.3 (10)"), TAGS, "holds here, but +0.3 ± 0.5"),
    (claim("*holds here*", "-3.0 ± 0.5 (10)"), TAGS, "holds here, but -3.0 ± 0.5"),
    (claim("*worse here*", "-0.3 ± 0.5 (10)"), TAGS, "worse here, but -0.3 ± 0.5"),
    (claim("*no difference seen*, ± 0.5", "+1.3 ± 0.5 (10)"), TAGS, "no difference seen, but +1.3 ± 0.5"),
    (claim("*holds here* (letters) · *worse here* (photographs)", "-1.0 ± 0.5 (5)", "-1.0 ± 0.5 (5)"), TAGS,
     "holds here, but -1.0 ± 0.5"),
    (claim("*inconclusive*"), TAGS, "nothing says what is missing"),
    (claim("*holds exactly*", why="First. Second"), TAGS, "one sentence"),
    (claim("*holds exactly*", why="word " * 31), TAGS, "31 words"),
    (GOOD, {"01": set()}, "x-1: no tag in 01"),
    (GOOD, {"01": {"x-1", "x-2"}}, "x-2: tagged in 01"),
    (GOOD, {**TAGS, "02": {"x-1"}}, "x-1: tagged in 02"),
])  # fmt: skip
def test_a_bad_claim_is_caught(rows, tags, message):
    wrong = claim_problems(CLAIMS_HEAD + rows, tags)
    assert any(message in line for line in wrong), wrong


def test_tags_are_read_from_code_cells(tmp_path):
    tagged = {"metadata": {"tags": ["claim-x-1", "other"]}}
    nb = new_notebook(
        cells=[new_code_cell("x", **tagged), new_markdown_cell("y", metadata={"tags": ["claim-z-1"]})]
    )
    nbformat.write(nb, tmp_path / "01_a.ipynb")
    assert claim_tags(tmp_path) == TAGS


@pytest.mark.parametrize("text, message", [
    ("no tables here", "no table"),
    ("| symbol | name |\n|---|---|\n| x | `x` |\n", "columns"),
    (NOTATION_HEAD + "| $x$ | x | (N,) | 00 | words |\n", "backticks"),
    (NOTATION_HEAD + "| $x$ | `nowhere` | (N,) | 00 | words |\n", "no name 'nowhere'"),
    (NOTATION_HEAD + "| $x$ | `used.nowhere` | (N,) | 00 | words |\n", "no name 'nowhere'"),
])  # fmt: skip
def test_bad_notation_is_caught(text, message):
    wrong = notation_problems(text, {"used", "x"})
    assert any(message in line for line in wrong), wrong


def test_good_notation_passes():
    assert (
        notation_problems(
            NOTATION_HEAD + "| $\\|x\\|$ | `used`, `x.used` | (N,) | 00 | words |\n", {"used", "x"}
        )
        == []
    )


@pytest.mark.parametrize("symbol, found", [
    ("$x$", ["x"]),
    ("$\\alpha,\\ \\delta_k$", ["\\alpha", "\\delta"]),
    ("$\\hat p_{k,i}$", ["\\hatp"]),
    ("$\\bar\\theta$", ["\\bar\\theta"]),
    ("$p^T_{k,i},\\ p^S_{k,i}$", ["p", "p"]),
    ("$\\Pr_x[\\ell(x) \\ge t]$", ["\\Pr"]),
    ("$s(a, b)$", ["s"]),
    ("$g^\\star$", ["g"]),
    ("R@k", []),
    ("$v / \\max(1, v)$", []),
])  # fmt: skip
def test_letters_of_a_symbol(symbol, found):
    assert letters(symbol) == found


def row(symbol, used):
    return f"| {symbol} | `x` | (N,) | {used} | words |\n"


ONE, TWO = NOTATION_HEAD + row("$x_i$", "00, 01"), NOTATION_HEAD + row("$x$", "00") + row("$x_i$", "01")


@pytest.mark.parametrize("text, found", [
    (ONE, {"00": "x", "01": "a + x^2"}),
    (ONE + row("$\\hat x$", "00"), {"00": "x = \\hat x", "01": "x"}),
    (TWO + SHARED_HEAD + "| $x$ | 00: this · 01: that |\n", {"00": "x", "01": "x"}),
    (NOTATION_HEAD + row("$\\rho_c$", "00"), {"00": "\\rho_1 + \\frac12", "01": "\\sum x"}),
    (NOTATION_HEAD + row("$x$", "–") + row("$x$", "–"), {"00": "y"}),
])  # fmt: skip
def test_good_symbols_pass(text, found):
    assert symbol_problems(text, found) == []


@pytest.mark.parametrize("text, found, message", [
    (ONE, {"00": "x", "01": "y"}, "no formula of notebook 01"),
    (ONE, {"00": "x", "01": "\\max + ax"}, "no formula of notebook 01"),
    (ONE, {"00": "x"}, "no formula of notebook 01"),
    (ONE + row("$x_j$", "01"), {"00": "x", "01": "x"}, "two meanings in notebook 01"),
    (TWO, {"00": "x", "01": "x"}, "'Same letter' says []"),
    (TWO + SHARED_HEAD + "| $x$ | 00: this · 02: that |\n", {"00": "x", "01": "x"}, "'Same letter' says"),
    (ONE + SHARED_HEAD + "| $x$ | 00, 01: this |\n", {"00": "x", "01": "x"}, "'Same letter' says"),
    (ONE, {"00": "x", "01": "x \\rho"}, "\\rho: used in notebook 01"),
])  # fmt: skip
def test_bad_symbols_are_caught(text, found, message):
    wrong = symbol_problems(text, found)
    assert any(message in line for line in wrong), wrong


def test_formulas_are_found_in_text_and_not_in_code():
    cells = [
        new_markdown_cell("cost `$a$` and $x \\text{ for } \\mathrm{d}$\n\n$$\ny\n$$ one $ sign"),
        new_code_cell("'$z$'"),
    ]
    assert set(formulas(new_notebook(cells=cells)).replace("$", " ").split()) == {"x", "y"}


def test_identifiers_are_names_and_not_words_in_strings(tmp_path):
    (tmp_path / "a.py").write_text(
        '"""word"""\ndef f(arg):\n    return arg.attribute + C\n', encoding="utf-8"
    )
    assert identifiers(tmp_path) == {"f", "arg", "attribute", "C"}


def test_tables_are_told_apart():
    assert tables("| a | b |\n|---|---|\n| 1 | 2 |\n\ntext\n\n| c |\n|---|\n| 3\\|4 |") == [
        (["a", "b"], [["1", "2"]]),
        (["c"], [["3|4"]]),
    ]
