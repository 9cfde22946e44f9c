"""Formulas set by KaTeX when the site is built: pages carry HTML and MathML, no script, and ask nobody.

One node process sets all formulas of a build. One that KaTeX does not understand is a warning of Sphinx, so that it
fails the build with the page and the line.
"""

import json
import os
import subprocess
from functools import lru_cache
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

HERE = Path(__file__).parent
log = logging.getLogger(__name__)


class Katex:
    """A node process that answers formulas; started by the first one."""

    def __init__(self, module: Path):
        self.module, self.process = module, None

    def __call__(self, formula: str, display: bool) -> str:
        """The HTML of a formula; raises `ValueError` with KaTeX's words if it cannot be set."""
        if self.process is None:
            command = ["node", str(HERE / "katex_lines.mjs"), str(self.module)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self.process = subprocess.Popen(command, text=True, encoding="utf-8", **pipes)
        self.process.stdin.write(json.dumps({"formula": formula, "display": display}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["html"]

    def close(self) -> None:
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process.stdout.close()
            self.process = None


def lines_of(formula: str) -> str:
    """A formula of several lines (`\\\\`) without an environment of its own gets one, as MathJax would set it."""
    return rf"\begin{{gathered}}{formula}\end{{gathered}}" if r"\\" in formula and "\\begin" not in formula else formula


def set_formula(translator, node: nodes.Node, display: bool) -> None:
    formula = node.astext().strip()
    try:
        html = translator.builder.app.katex(lines_of(formula) if display else formula, display)
    except ValueError as error:
        log.warning("formula: %s", error, location=node, type="katex")
        html = f"<code>{escape(formula)}</code>"
    translator.body.append(f'<div class="math-block" tabindex="0">{html}</div>' if display else html)
    raise nodes.SkipNode


def setup(app):
    app.katex = lru_cache(maxsize=None)(closing := Katex(Path(os.environ["DMLNB_KATEX"])))
    inline = (lambda translator, node: set_formula(translator, node, False), None)
    block = (lambda translator, node: set_formula(translator, node, True), None)
    app.add_html_math_renderer("katex", inline, block)
    app.add_css_file("katex/katex.min.css")
    app.connect("build-finished", lambda app, error: closing.close())
    return {"parallel_read_safe": True, "parallel_write_safe": False}
