"""`scripts/clean_notebooks.py`: what is removed, what is kept, and that nothing changes twice."""

import clean_notebooks
import nbformat
from clean_notebooks import WIDGET_VIEW, clean, text_of
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.scripts.call import call


def messy():
    nb = new_notebook(
        metadata={"widgets": {"a": 1}, "kernelspec": {"name": "my-env", "display_name": "Mine"}, "colab": {}},
        cells=[
            new_markdown_cell("# Title  \nwords\n"),
            new_code_cell(
                "draw()",
                execution_count=3,
                metadata={
                    "alt": "a curve that rises",
                    "tags": ["claim-x"],
                    "execution": {"t": "2026"},
                    "scrolled": True,
                },
                outputs=[
                    new_output("stream", name="stderr", text="warning"),
                    new_output("stream", name="stdout", text="printed"),
                    new_output("display_data", data={"image/png": "AAAA", "text/plain": "<Figure>"}),
                    new_output("display_data", data={WIDGET_VIEW: {}, "text/plain": "VBox()"}),
                    new_output(
                        "display_data", data={WIDGET_VIEW: {}, "text/html": "<b>x</b>"}, metadata={"k": 1}
                    ),
                    new_output("execute_result", data={"text/plain": "5"}, execution_count=3),
                ],
            ),
            new_code_cell("", metadata={"tags": []}),
            new_code_cell("x", execution_count=8),
        ],
    )
    nb.cells[3].id = nb.cells[1].id
    return nb


def test_cleaning_removes_what_changes_and_keeps_what_is_read():
    nb = clean(messy(), "03_topic")
    assert set(nb.metadata) == {"kernelspec", "language_info"} and nb.metadata.kernelspec.name == "python3"
    assert [cell.id for cell in nb.cells] == [f"03_topic-00{i}" for i in range(4)]
    assert nb.cells[0].source == "# Title\nwords"
    cell = nb.cells[1]
    assert cell.metadata == {"alt": "a curve that rises", "tags": ["claim-x"]}
    printed, picture, widget, result = cell.outputs
    assert printed.text == "printed"
    assert (
        picture.metadata == {"image/png": {"alt": "a curve that rises"}}
        and picture.data["image/png"] == "AAAA"
    )
    assert widget.data == {"text/html": "<b>x</b>"} and widget.metadata == {}
    assert [cell.execution_count, result.execution_count, nb.cells[3].execution_count] == [1, 1, 2]
    assert nb.cells[2].execution_count is None and nb.cells[2].metadata == {}
    nbformat.validate(nb)


def test_cleaning_twice_changes_nothing():
    once = text_of(clean(messy(), "03_topic"))
    assert text_of(clean(nbformat.reader.reads(once), "03_topic")) == once


def test_a_wrong_order_of_execution_is_not_hidden():
    nb = messy()
    nb.cells[3].execution_count = 2
    assert [cell.execution_count for cell in clean(nb, "x").cells if cell.cell_type == "code"] == [3, None, 2]


def test_cell_ids_are_valid_for_any_name():
    nb = clean(messy(), "03 ü " + "long" * 40)
    nbformat.validate(nb)


def test_check_lists_files_and_changes_none(tmp_path):
    file = tmp_path / "03_topic.ipynb"
    file.write_text(text_of(messy()), encoding="utf-8")
    before = file.read_bytes()
    checked = call(clean_notebooks.__file__, "--check", tmp_path)
    assert checked.returncode == 1 and "03_topic.ipynb" in checked.stdout and file.read_bytes() == before
    assert call(clean_notebooks.__file__, tmp_path).returncode == 0 and file.read_bytes() != before
    checked = call(clean_notebooks.__file__, "--check", tmp_path)
    assert checked.returncode == 0 and checked.stdout == ""
    assert [item.name for item in tmp_path.iterdir()] == [file.name]
