"""CLAIMS.md and the notebooks' tags agree, NOTATION.md and the package's names agree; and the checks have teeth."""

from pathlib import Path

import nbformat
import pytest
from ledgers import (
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
CLAIMS_HEAD = "| id | claim | notebook | evidence | verdict |\n|---|---|---|---|---|\n"
NOTATION_HEAD = "| symbol | code name | shape | notebooks | meaning |\n|:--|---|---|---|---|\n"
SHARED_HEAD = "\n| letter | meanings, by notebook |\n|---|---|\n"


def test_claims_and_tags_agree():
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


TAGS = {"01_a": {"x-1"}}


@pytest.mark.parametrize("evidence, verdict", [
    ("exact identity", "*holds exactly*"),
    ("exact identity (convex sets) + measured, 5 seeds", "*holds here*, by 0.1"),
    ("bound", "*holds as a bound*"),
    ("measured, 10 seeds", "*not seen at this scale*"),
])  # fmt: skip
def test_a_good_claim_passes(evidence, verdict):
    later = "| y-1 | claim | 02_b | measured | *not tested yet* |\n"
    assert (
        claim_problems(CLAIMS_HEAD + f"| x-1 | claim | 01_a | {evidence} | {verdict} |\n" + later, TAGS) == []
    )


@pytest.mark.parametrize("rows, tags, message", [
    ("", {}, "no table"),
    ("| x-1 | claim | 01_a | bound |", TAGS, "expected 5 columns"),
    ("| x-1 |  | 01_a | bound | *holds here* |", TAGS, "no claim"),
    ("| x-1 | claim | 01_a | bound | *holds here* |\n" * 2, TAGS, "twice"),
    ("| x-1 | claim | 01_a | bound | *proved* |", TAGS, "does not begin"),
    ("| x-1 | claim | 01_a | seen | *holds here* |", TAGS, "evidence"),
    ("| x-1 | claim | 01_a | measured | *holds here* |", TAGS, "number of seeds"),
    ("| x-1 | claim | 02_b | bound | *holds here* |", {}, "not written"),
    ("| x-1 | claim | 01_a | bound | *holds here* |", {"01_a": set()}, "no code cell"),
    ("| x-1 | claim | 01_a | bound | *not tested yet* |", TAGS, "tests it"),
    ("| x-1 | claim | 01_a | bound | *holds here* |", {"01_a": {"x-1", "x-2"}}, "x-2: tagged in 01_a"),
    ("| x-1 | claim | 01_a | bound | *holds here* |", {**TAGS, "02_b": {"x-1"}}, "x-1: tagged in 02_b"),
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
