"""A docstring that says "Taught in notebook 03." is right: notebook 03 names the thing."""

import ast
from pathlib import Path

import pytest
from taught import said, texts, untaught

ROOT = Path(__file__).parents[2]


def test_what_is_said_to_be_taught_is_named_there():
    wrong = untaught(ROOT / "dmlnb", texts(ROOT / "notebooks"))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("docstring, numbers", [
    ("One line. Taught in notebook 03.", ["03"]),
    ("One line.\n\n    Taught in notebooks 00\n    and 01.", ["00", "01"]),
    ("One line.\n\n    Taught in notebooks 00, 03 and 12.", ["00", "03", "12"]),
    ("Used in notebook 03.", []),
])  # fmt: skip
def test_the_sentence_is_found(docstring, numbers):
    source = f'class A:\n    def f():\n        """{docstring}"""\n'
    assert said(ast.parse(source)) == [("f", number) for number in numbers]


def test_a_thing_that_its_notebook_does_not_name_is_found(tmp_path):
    (tmp_path / "a.py").write_text(
        'def gap():\n    """Taught in notebooks 00, 01 and 02."""\n', encoding="utf-8"
    )
    assert untaught(tmp_path, {"00": "call `gap(x)`", "01": "gaps and my_gap"}) == [
        "a.py: gap is not named in notebook 01",
        "a.py: gap is not named in notebook 02",
    ]
