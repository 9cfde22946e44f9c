"""`docs/_ext/katex_process.py`: one node process sets formula after formula, and says what it cannot set."""

import importlib.util
import shutil
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "docs" / "_ext" / "katex_process.py"
STAND_IN = """exports.renderToString = (formula, settings) => {
    if (formula.includes("wrong")) throw new Error("not a formula: " + formula);
    return `<b>${formula}</b>` + settings.displayMode;
};"""


@pytest.fixture(scope="module")
def module():
    spec = importlib.util.spec_from_file_location("katex_process", FILE)
    spec.loader.exec_module(found := importlib.util.module_from_spec(spec))
    return found


def test_formulas_of_several_lines_get_an_environment(module):
    assert module.in_lines(r"a \\ b") == r"\begin{gathered}a \\ b\end{gathered}"
    for whole in (r"a + b", r"\begin{aligned} a \\ b \end{aligned}"):
        assert module.in_lines(whole) == whole


@pytest.mark.skipif(not shutil.which("node"), reason="node is missing")
def test_a_formula_that_cannot_be_set_is_named_and_the_next_one_is_set(module, tmp_path):
    (tmp_path / "index.js").write_text(STAND_IN)
    katex = module.Katex(tmp_path)
    assert katex("α\nβ", False) == "<b>α\nβ</b>false"
    with pytest.raises(ValueError, match="not a formula: wrong"):
        katex("wrong", True)
    assert katex("c", True) == "<b>c</b>true"
    process = katex.process
    katex.close()
    assert process.returncode == 0
    katex.close()
