"""The website, built and read in a browser from a plain file server, in a folder below its root."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from browser_lab import PATIENCE, SCREENSHOTS
from site_rules import faults

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
AXE = ROOT / "build" / "site-npm" / "node_modules" / "axe-core" / "axe.min.js"
LOOKED_AT = (
    "index",
    "notebooks/00_start_here",
    "notebooks/02_pooling_by_optimal_transport",
    "notebooks/CLAIMS",
    "notebooks/NOTATION",
    "api/pooling",
    "results/index",
    "docs/lift",
)
SERIOUS = """async () => (await axe.run()).violations
    .filter(violation => ['serious', 'critical'].includes(violation.impact))
    .map(violation => `${violation.id}: ${violation.nodes[0].html.slice(0, 200)}`)"""
TOO_WIDE = "() => Math.max(0, document.documentElement.scrollWidth - window.innerWidth)"
SETTLED = """() => Promise.allSettled(
    document.getAnimations().filter(a => a instanceof CSSTransition).map(a => a.finished))"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def built():
    """The folder of the site, freshly built; skips where npm or Sphinx cannot be had."""
    command = [sys.executable, str(ROOT / "scripts" / "build_site.py")]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    if "npm was not found" in done.stderr:
        pytest.skip("npm is missing: the site sets its formulas with KaTeX, from npm")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return SITE


@pytest.fixture(scope="module")
def address(built):
    """Where a file server that knows nothing of the site shows it: below `/site/`."""
    handler = functools.partial(Quiet, directory=str(built.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{built.name}/"
        server.shutdown()


@pytest.fixture
def reader(request, chromium, address):
    """`open(width, scheme)` gives a page whose complaints and requests elsewhere fail the test at its end."""
    wrong, contexts = [], []

    def open_page(width=1400, scheme="light"):
        contexts.append(chromium.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.on(
            "console",
            lambda m: wrong.append(f"console: {m.text}") if m.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("response", lambda r: wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        here = (address, "data:", "blob:")
        page.on(
            "request", lambda r: None if r.url.startswith(here) else wrong.append(f"left the site: {r.url}")
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong, "\n".join(wrong)


def test_every_link_leads_somewhere_and_every_picture_has_words(built):
    assert faults(built) == []
    assert len(list((built / "notebooks").glob("[0-9]*.html"))) == len(
        list((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    )


def test_no_page_leaves_the_site_or_complains(reader, address, built):
    page = reader()
    for file in sorted(built.rglob("*.html")):
        if "_static" not in file.parts:
            page.goto(address + file.relative_to(built).as_posix(), wait_until="load")


def test_the_search_finds_a_method(reader, address):
    page = reader()
    page.goto(f"{address}search.html?q=transport")
    page.get_by_role("link", name="Choose what to pool, by optimal transport").first.wait_for()


def test_formulas_are_set_and_notebooks_lead_to_ledger_notation_and_colab(reader, address):
    page = reader()
    page.goto(f"{address}notebooks/02_pooling_by_optimal_transport.html")
    assert page.locator(".katex").count() > 20 and page.locator("script[src*=mathjax]").count() == 0
    assert page.evaluate("document.fonts.ready.then(() => document.fonts.check('16px KaTeX_Main'))")
    for name in ("Notation", "Claims ledger", "Open in Colab"):
        assert page.get_by_role("link", name=name, exact=True).count() >= 1
    page.locator(".claim a").first.click()
    page.wait_for_url("**/CLAIMS.html#gsp-*")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_clipped_on_a_telephone_and_figures_stay_on_white(reader, address, scheme):
    page = reader(390, scheme)
    for name in LOOKED_AT:
        page.goto(f"{address}{name}.html")
        assert page.evaluate(TOO_WIDE) == 0, name
        figures = page.locator("article img")
        if figures.count():
            look = "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).filter]"
            assert figures.first.evaluate(look) == ["rgb(255, 255, 255)", "none"], name
    assert page.evaluate("document.documentElement.dataset.theme") == scheme


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(reader, address, scheme):
    page = reader(scheme=scheme)
    found = {}
    for name in LOOKED_AT:
        page.goto(f"{address}{name}.html")
        page.evaluate(SETTLED)  # a colour that fades in has too little contrast for a moment
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found[name] = page.evaluate(SERIOUS)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(SCREENSHOTS / f"site-{name.replace('/', '-')}-{scheme}.png"))
    assert {name: words for name, words in found.items() if words} == {}
