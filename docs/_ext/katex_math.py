"""Formulas are set by KaTeX when the site is built: pages carry HTML and MathML, no script, and ask nobody.

A formula that KaTeX does not understand is a warning of Sphinx, and fails the build with its page and line.
"""

import os
from functools import lru_cache
from html import escape
from pathlib import Path

from docutils import nodes
from katex_process import Katex, in_lines
from sphinx.util import logging

log = logging.getLogger(__name__)


def set_formula(translator, node: nodes.Node, display: bool) -> None:
    formula = node.astext().strip()
    try:
        html = translator.builder.app.katex(in_lines(formula) if display else formula, display)
    except ValueError as error:
        log.warning("formula: %s", error, location=node, type="katex")
        html = f"<code>{escape(formula)}</code>"
    translator.body.append(f'<div class="math-block" tabindex="0">{html}</div>' if display else html)
    raise nodes.SkipNode


def setup(app):
    katex = Katex(Path(os.environ["DMLNB_KATEX"]))
    app.katex = lru_cache(maxsize=None)(katex)
    inline = (lambda translator, node: set_formula(translator, node, False), None)
    block = (lambda translator, node: set_formula(translator, node, True), None)
    app.add_html_math_renderer("katex", inline, block)
    app.add_css_file("katex/katex.min.css")
    app.connect("build-finished", lambda app, error: katex.close())
    return {"parallel_read_safe": True, "parallel_write_safe": False}
