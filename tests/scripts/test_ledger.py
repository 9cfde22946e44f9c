"""`scripts/ledger.py`: the page of claims is written from the table, and every row leads to its cell."""

import ledger
import pytest
from clean_notebooks import text_of
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dmlnb.course.ledger import Claim, Row
from tests.scripts.call import call


@pytest.fixture
def folder(tmp_path):
    tagged = lambda *names: {"metadata": {"tags": [f"claim-{name}" for name in names]}}
    cells = [
        new_markdown_cell("# Title"),
        new_markdown_cell("## Idea 1: words\n\ntext"),
        new_code_cell("x", **tagged("x-1", "x-2")),
        new_markdown_cell("no heading"),
        new_code_cell("x", **tagged("x-1")),
        new_markdown_cell("## The experiment\n\n### Deeper: more"),
        new_code_cell("x", **tagged("x-1")),
    ]
    (tmp_path / "01_topic.ipynb").write_text(text_of(new_notebook(cells=cells)), encoding="utf-8")
    return tmp_path


def test_headings_of_tags(folder):
    found = ledger.headings_of_tags(folder / "01_topic.ipynb")
    assert found == {"x-1": ["Idea 1: words", "Idea 1: words", "Deeper: more"], "x-2": ["Idea 1: words"]}


def test_a_row_leads_to_the_last_cell_or_to_the_one_it_names(folder):
    claim = Claim("x-1", "words", "01", [])
    assert ledger.place(claim, Row(), folder) == "[01 · Deeper](01_topic.ipynb)"
    assert ledger.place(claim, Row(at="Idea"), folder) == "[01 · Idea 1](01_topic.ipynb)"
    assert ledger.place(Claim("x-3", "words", "", []), Row(), folder) == "–"
    for row, name in ((Row(at="Limits"), "x-1"), (Row(), "x-9"), (Row(notebook="02"), "x-1")):
        with pytest.raises(ValueError, match=f"{name}: no cell of notebook 0"):
            ledger.place(Claim(name, "words", "01", []), row, folder)


def test_a_page_has_a_line_for_each_row(folder):
    rows = [
        Row("first", verdict="holds exactly", why="a | b"),
        Row("second", verdict="inconclusive", why="why"),
    ]
    text = ledger.page({"A paper": [Claim("x-1", "words", "01", rows)]}, folder)
    lines = text.split("## A paper")[1].strip().split("\n")
    assert lines[0] == ledger.HEAD
    assert lines[2] == (
        "| **x-1** words: *first* | [01 · Deeper](01_topic.ipynb) | – | – | – | a \\| b | *holds exactly* |"
    )
    assert lines[3] == "| x-1: *second* | [01 · Deeper](01_topic.ipynb) | – | – | – | why | *inconclusive* |"


def test_check_changes_nothing_and_says_so(tmp_path):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    for file in (ledger.ROOT / "notebooks").glob("*.ipynb"):
        (notebooks / file.name).write_bytes(file.read_bytes())
    assert call(ledger.__file__, "--root", tmp_path, "--check").returncode == 1
    assert not (notebooks / "CLAIMS.md").exists()
    assert call(ledger.__file__, "--root", tmp_path).returncode == 0
    assert call(ledger.__file__, "--root", tmp_path, "--check").returncode == 0
