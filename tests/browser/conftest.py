"""A real JupyterLab and a real browser for the tests of this folder. Run them with: make test-browser"""

import shutil
from pathlib import Path

import pytest
from browser_lab import Lab, LabPage

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)


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


@pytest.fixture
def notebook(chromium, lab):
    """A fresh page on the JupyterLab; after the test, the browser must not have complained."""
    page = chromium.new_page(viewport={"width": 1500, "height": 1050})
    made = LabPage(page, lab)
    yield made
    page.close()
    assert not made.wrong, "\n".join(made.wrong)
