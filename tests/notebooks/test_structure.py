"""Every notebook of the course obeys every rule. That each rule can fail is shown in test_rules.py."""

from pathlib import Path

import nbformat
import pytest
import rules_outputs
import rules_text

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_no_number_is_used_twice_and_the_first_is_00():
    numbers = [path.name[:2] for path in NOTEBOOKS]
    assert numbers[:1] == ["00"] and len(numbers) == len(set(numbers))


@pytest.mark.parametrize("rule", [*rules_text.RULES, *rules_outputs.RULES], ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_obeys(path, rule):
    wrong = rule(nbformat.reader.reads(path.read_text(encoding="utf-8")), path)
    assert not wrong, "\n".join([path.name, *wrong])
