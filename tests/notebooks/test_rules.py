"""Each rule accepts a good notebook and rejects a bad one made here, so that no rule passes for want of teeth."""

import base64
import copy
import io
from pathlib import Path

import badges
import clean_notebooks
import pytest
import rules_outputs
import rules_text
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

PATH = Path("notebooks/03_topic.ipynb")
RULES = {rule.__name__: rule for rule in (*rules_text.RULES, *rules_outputs.RULES)}
HOME = badges.read_home()


def png(size=(8, 8), colour="white", mode="RGB"):
    stream = io.BytesIO()
    picture = Image.new(mode, size, colour) if colour else Image.effect_noise(size, 200)
    picture.save(stream, "png")
    return base64.b64encode(stream.getvalue()).decode()


def picture(data=None):
    return new_output("display_data", data={"image/png": data or png(), "text/plain": "<Figure>"})


def good():
    """A notebook that obeys every rule: cell 4 draws a picture, the last four cells are the closing parts."""
    words = "These words stand around one line."
    cells = [
        new_markdown_cell("# See the idea\n\nA promise."),
        new_markdown_cell("You will do this, learn that, and need nothing."),
        new_code_cell("", metadata={"tags": ["bootstrap"]}, execution_count=1),
        new_markdown_cell(
            f"## The question\n\n{words}\n\n$$\na = b\n$$\n\n```\n# not a heading; $$ not math\n```"
        ),
        new_code_cell("draw()", metadata={"alt": "a white square on white ground"}, execution_count=2),
        new_markdown_cell("What to see: nothing, it is white."),
    ]
    for count in range(3, 18):
        cells += [new_markdown_cell(words), new_code_cell(f"x = {count}", execution_count=count)]
    cells += [
        new_markdown_cell(f"## {part}\n\n{words}")
        for part in ("Exercises", "Limits", "Summary", "References")
    ]
    cells[4].outputs = [picture()]
    nb = new_notebook(cells=cells)
    badges.write_badges(nb, *HOME, PATH.name)
    return clean_notebooks.clean(nb, PATH.stem)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_good_notebook_passes(rule):
    nb = good()
    before = copy.deepcopy(nb)
    assert rule(nb, PATH) == []
    assert nb == before


def source(index, text):
    return lambda nb: nb.cells[index].update(source=text)


def append(index, text):
    return lambda nb: nb.cells[index].update(source=nb.cells[index].source + text)


def outputs(index, *made):
    return lambda nb: nb.cells[index].update(outputs=list(made))


def metadata(index, **values):
    return lambda nb: nb.cells[index].metadata.update(values)


# rule, what is wrong (a part of the message), how the good notebook is spoilt
BAD = [
    ("title_then_badges_then_promise", "# Title", source(0, "See the idea")),
    (
        "title_then_badges_then_promise",
        "badge row",
        source(0, "# See\n\n[![Open In Colab](x)](y)\n\nA promise."),
    ),
    ("title_then_badges_then_promise", "promise", source(0, "# T\n\n" + badges.badge_row(*HOME, PATH.name))),
    ("bootstrap_cell_is_exact", "not tagged", metadata(2, tags=[])),
    ("bootstrap_cell_is_exact", "common one", source(2, badges.bootstrap_source("some/where", "main"))),
    ("bootstrap_cell_is_exact", "more than one", metadata(7, tags=["bootstrap"])),
    ("headings_do_not_skip", "not the title", source(0, "## See the idea")),
    ("headings_do_not_skip", "second title", append(8, "\n# Another")),
    ("headings_do_not_skip", "skipped", append(8, "\n#### Deep")),
    ("parts_are_in_order", "you will", source(1, "Nothing of that.")),
    ("parts_are_in_order", "no heading 'Limits'", source(-3, "no heading")),
    ("parts_are_in_order", "after the part before", lambda nb: nb.cells.insert(6, nb.cells.pop())),
    ("cell_count_is_right", "cells", lambda nb: nb.cells.__delitem__(slice(6, 20))),
    ("cell_count_is_right", "cells", lambda nb: nb.cells.extend([new_markdown_cell("x")] * 30)),
    ("code_cells_are_short", "31 lines", source(7, "x = 1\n" * 31)),
    (
        "code_cells_are_short",
        "median",
        lambda nb: [c.update(source="x = 1\n" * 9) for c in rules_text.code_cells(nb)],
    ),
    ("words_and_code_are_in_balance", "words", append(8, " word" * 500)),
    ("words_and_code_are_in_balance", "words", source(7, "x = 1\n" * 300)),
    ("display_math_stands_alone", "own line", append(8, "\nwhere $$a$$ is b")),
    ("display_math_stands_alone", "own line", append(8, "\n$$\na = $$b")),
    ("display_math_stands_alone", "not closed", append(8, "\n$$\na = b")),
    ("display_math_stands_alone", "aligned", append(8, "\n\\begin{align}a\\end{align}")),
    ("words_are_for_readers", "/work/", append(8, " see /work/main")),
    ("words_are_for_readers", "issue #", append(8, " see Issue #3")),
    ("words_are_for_readers", "../shared", append(7, "\nopen('../shared/x')")),
    ("code_suits_every_runner", "Colab", source(7, "out = widgets.Output()")),
    ("code_suits_every_runner", "callbacks", source(7, "plt.show()")),
    ("code_suits_every_runner", "';'", source(7, "plt.plot(x);")),
    ("code_suits_every_runner", "NBVAL_SKIP", source(7, "# NBVAL_SKIP\nx = 1")),
    ("nothing_is_skipped", "nbval-skip", metadata(7, tags=["nbval-skip"])),
    ("nothing_is_skipped", "raises-exception", metadata(7, tags=["raises-exception"])),
    ("is_valid", "not a valid", lambda nb: nb.cells[7].update(outputs="none")),
    ("file_is_small", "MB", outputs(7, new_output("stream", text="x" * 1_100_000))),
    ("pictures_are_small_opaque_png", "kB", outputs(4, picture(png((600, 600), colour=None)))),
    (
        "pictures_are_small_opaque_png",
        "transparent",
        outputs(4, picture(png(mode="RGBA", colour=(9, 9, 9, 0)))),
    ),
    (
        "pictures_are_small_opaque_png",
        "svg",
        outputs(4, new_output("display_data", data={"image/svg+xml": "<svg/>"})),
    ),
    (
        "pictures_are_small_opaque_png",
        "HTML",
        outputs(4, new_output("display_data", data={"text/html": "<svg />"})),
    ),
    ("pictures_have_alt_text", "alt", metadata(4, alt="a square")),
    ("pictures_have_alt_text", "cell 7", outputs(7, picture())),
    ("pictures_are_explained", "no words", lambda nb: nb.cells.insert(5, new_code_cell("x"))),
    ("pictures_are_explained", "no words", lambda nb: nb.cells.append(nb.cells[4])),
    (
        "outputs_are_neither_errors_nor_stderr",
        "stderr",
        outputs(7, new_output("stream", name="stderr", text="x")),
    ),
    (
        "outputs_are_neither_errors_nor_stderr",
        "KeyError",
        outputs(7, new_output("error", ename="KeyError", evalue="x")),
    ),
    ("outputs_name_no_machine", "path", outputs(7, new_output("stream", text="saved in /tmp/x"))),
    (
        "outputs_name_no_machine",
        "path",
        outputs(7, new_output("display_data", data={"text/html": "'/home/me'"})),
    ),
    ("code_was_executed_in_order", "top to bottom", lambda nb: nb.cells[7].update(execution_count=None)),
    ("code_was_executed_in_order", "top to bottom", lambda nb: nb.cells[7].update(execution_count=5)),
    ("no_widget_state", "metadata", lambda nb: nb.metadata.update(widgets={})),
    (
        "no_widget_state",
        "view",
        outputs(7, new_output("display_data", data={clean_notebooks.WIDGET_VIEW: {}})),
    ),
    ("kernel_is_python3", "kernelspec", lambda nb: nb.metadata.kernelspec.update(name="my-env")),
    ("cell_ids_are_unique", "ids", lambda nb: nb.cells[7].update(id=nb.cells[8].id)),
    ("stored_form_is_clean", "stored form", metadata(7, execution={"iopub.execute_input": "2026"})),
]


@pytest.mark.parametrize("name, message, spoil", BAD, ids=[f"{name}-{message}" for name, message, _ in BAD])
def test_a_bad_notebook_is_caught(name, message, spoil):
    nb = good()
    spoil(nb)
    wrong = RULES[name](nb, PATH)
    assert any(message in line for line in wrong), wrong


@pytest.mark.parametrize(
    "name", ["3_topic.ipynb", "03.ipynb", "03-topic.ipynb", "03_Topic.ipynb", "topic_03.ipynb"]
)
def test_a_bad_name_is_caught(name):
    assert RULES["name_has_number_and_topic"](good(), Path(name))


def test_every_rule_has_a_bad_notebook():
    assert {name for name, _, _ in BAD} | {"name_has_number_and_topic"} == set(RULES)


def test_words_of_formulas_and_links_do_not_count():
    assert (
        rules_text.word_count(
            "See [the paper](https://x.org/a b) and $a + b$, then <b>look</b> at 3 of\n$$\nc d\n$$"
        )
        == 9
    )
