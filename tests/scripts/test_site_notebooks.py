"""`scripts/site_notebooks.py`: a notebook and the ledger as the site shows them."""

import base64
import io

import nbformat
import pytest
from badges import badge_row
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from site_notebooks import cards, claims_of, face, promise, small, staged_ledger, staged_notebook, title


def picture(color, size=(8, 4)):
    Image.new("RGB", size, color).save(file := io.BytesIO(), "PNG")
    return base64.b64encode(file.getvalue()).decode()


def drawing(source, color, **metadata):
    output = new_output("display_data", data={"image/png": picture(color)})
    return new_code_cell(source, outputs=[output], metadata=metadata)


@pytest.fixture
def notebook():
    top = f"# See an average\n\n{badge_row('o/n', 'main', '01_a.ipynb')}\n\n**In this notebook an average is seen.**"
    return new_notebook(
        cells=[
            new_markdown_cell(top),
            new_code_cell("%pip install", metadata={"tags": ["bootstrap"]}),
            drawing('plots.course_map("01")', "red"),
            drawing("draw()", "blue", alt="A blue box", tags=["claim-gap-1"]),
            new_code_cell("1", metadata={"tags": ["claim-gap-1", "claim-gap-2"]}),
            new_markdown_cell("See [doe2020a] and [data](../data/README.md)."),
        ]
    )


def staged(notebook):
    ours = ("notebooks/NOTATION.md", "notebooks/CLAIMS.md").__contains__
    return staged_notebook(notebook, {"doe2020a"}, ours, "https://g/o/n", "notebooks/01_a.ipynb")


def test_badges_become_links_without_a_picture_from_elsewhere(notebook):
    first = staged(notebook).cells[0].source
    assert (
        "badge" not in first
        and "![" not in first
        and first.startswith("# See an average\n\n::::{div} page-links")
    )
    colab = "https://colab.research.google.com/github/o/n/blob/main/notebooks/01_a.ipynb"
    assert (
        f"[Open in Colab]({colab})" in first and "[View on GitHub](https://github.com/o/n/blob/main/" in first
    )
    assert "[Notation](NOTATION.md)" in first and "[Claims ledger](CLAIMS.md)" in first


def test_cells_that_test_a_claim_say_so_and_the_first_is_its_target(notebook):
    nb = staged(notebook)
    notes = [cell.source for cell in nb.cells if "{div} claim" in cell.source]
    assert [note.split("\n")[0] for note in notes] == ["(gap-1-in-01)=", "::::{div} claim", "(gap-2-in-01)="]
    assert all("](#gap-" in note for note in notes)
    nbformat.validate(nb)


def test_the_rest_stays_and_the_original_is_untouched(notebook):
    before = nbformat.writes(notebook)
    nb = staged(notebook)
    sources = [cell.source for cell in nb.cells]
    assert "%pip install" not in sources and "draw()" in sources
    assert nb.cells[sources.index("draw()")].metadata.mystnb.image.alt == "A blue box"
    assert sources[-1] == "See [\\[doe2020a\\]](#doe2020a) and [data](https://g/o/n/data/README.md)."
    assert nbformat.writes(notebook) == before


def test_the_ledger_links_to_the_cells_and_can_be_linked_to(notebook):
    head = "# L\n\n| id | claim | notebook | verdict |\n|---|---|---|---|\n"
    table = head + "| gap-1 | c | 01_a | so, see 01_a.py |\n| et-5 | c | – | no |\n\nend"
    text = staged_ledger(table, claims_of({"01_a": notebook}))
    assert "| [gap-1]{#gap-1 .claim-id} | c | [01](#gap-1-in-01) | so, see 01_a.py |" in text
    assert "| [et-5]{#et-5 .claim-id} | c | – | no |\n::::\n\nend" in text
    assert "# L\n\n::::{div} ledger\n| id |" in text


def test_a_ledger_of_several_tables_keeps_its_headings_and_one_target_a_claim():
    head = "| claim | where |\n|---|---|\n"
    words = "| verdict | means |\n|---|---|\n| *holds* | so |\n\n"
    rows = "| **a-1** GAP is | [01 · Idea](01_a.ipynb) |\n| a-1: *of birds* | [01 · End](01_a.ipynb) |\n"
    text = f"# L\n\n{words}## A\n\n{head}{rows}\n## B\n\n{head}| **b-2** x | [02](02_b.ipynb) |"
    found = staged_ledger(text, {"a-1": ["01_a"]})
    assert found.startswith(f"# L\n\n{words}## A\n\n::::{{div}} ledger\n| claim")
    assert "| [a-1]{#a-1 .claim-id} GAP is | [01 · Idea](#a-1-in-01) |\n" in found
    assert "| [a-1]{.claim-id}: *of birds* | [01 · End](#a-1-in-01) |\n::::\n\n## B" in found
    assert found.endswith("| [b-2]{#b-2 .claim-id} x | [02](02_b.ipynb) |\n::::\n")


def test_a_card_shows_the_first_figure_of_its_own(notebook, tmp_path):
    assert face(notebook) == base64.b64decode(picture("blue"))
    assert face(new_notebook(cells=[new_code_cell("1")])) is None
    assert title(notebook) == "See an average" and promise(notebook) == "An average is seen."
    grid = cards({"01_a": notebook}, tmp_path / "cards")
    assert (
        ":link: notebooks/01_a\n" in grid
        and ":img-top: cards/01.png" in grid
        and "An average is seen." in grid
    )
    assert (tmp_path / "cards" / "01.png").exists()


def test_pictures_are_made_small_and_never_large():
    wide = small(base64.b64decode(picture("green", (1000, 500))), 640)
    assert Image.open(io.BytesIO(wide)).size == (640, 320)
    assert Image.open(io.BytesIO(small(base64.b64decode(picture("green"))))).size == (8, 4)


def test_the_explorer_stands_above_the_first_cell_that_makes_one():
    cells = [
        new_markdown_cell("# Title"),
        *(new_code_cell("EmbeddingExplorer(images, rows, labels)") for _ in "ab"),
    ]
    nb = new_notebook(cells=cells)
    shown = staged_notebook(nb, {}, lambda name: False, "r", "notebooks/08_x.ipynb")
    assert ["iframe" in cell.source for cell in shown.cells] == [False, True, False, False]
