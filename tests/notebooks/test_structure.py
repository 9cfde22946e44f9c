"""Every notebook of the course obeys every rule. That each rule can fail is shown in test_rules.py."""

from pathlib import Path

import nbformat
import pytest
import rules_outputs
import rules_text

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_the_course_is_numbered_without_gaps():
    assert NOTEBOOKS, "no notebooks"
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number:02d}" for number in range(len(NOTEBOOKS))]


@pytest.mark.parametrize("rule", [*rules_text.RULES, *rules_outputs.RULES], ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_obeys(path, rule):
    wrong = rule(nbformat.reader.reads(path.read_text(encoding="utf-8")), path)
    assert not wrong, "\n".join([path.name, *wrong])
