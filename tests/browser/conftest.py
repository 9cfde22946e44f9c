"""A real JupyterLab and a real browser for the tests of this folder. Run them with: make test-browser"""

import shutil

import pytest
from browser_lab import Lab, LabPage

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is missing: make test-browser")
    program = next((p for p in map(shutil.which, BROWSERS) if p), None)
    if program is None:
        pytest.skip(f"no browser on the path (looked for {', '.join(BROWSERS)})")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A JupyterLab on this machine with a home of its own; yields a `Lab`."""
    with Lab(tmp_path_factory.mktemp("lab"), "jupyterlab") as running:
        yield running


@pytest.fixture(scope="module")
def page(chromium, lab):
    """One page on the JupyterLab for the tests of a file."""
    made = chromium.new_page(viewport={"width": 1500, "height": 1050})
    yield LabPage(made, lab)
    made.close()


@pytest.fixture
def notebook(page):
    """The page; after the test, the browser must not have complained."""
    page.wrong.clear()
    yield page
    assert not page.wrong, "\n".join(page.wrong)
