"""A real JupyterLab and a real browser for the tests of this folder. Run them with: make test-browser"""

import pytest
from browser_lab import BROWSERS, PATIENCE, Lab, LabPage, find_browser

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


def pytest_terminal_summary(terminalreporter):
    """What tests have measured."""
    for report in terminalreporter.getreports("passed"):
        for name, words in report.user_properties:
            terminalreporter.write_line(f"{name}: {words}")


@pytest.fixture(scope="session")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is missing: make test-browser")
    program = find_browser()
    if program is None:
        pytest.skip(f"no browser on the path (looked for {', '.join(BROWSERS)})")
    arguments = ["--no-sandbox", "--disable-gpu"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments, timeout=1000 * PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A JupyterLab on this machine with a home of its own; yields a `Lab`."""
    with Lab(tmp_path_factory.mktemp("lab"), "jupyterlab") as running:
        yield running


@pytest.fixture(scope="module")
def pages(chromium, lab):
    """The open page of a file's tests, if there is one."""
    opened = []
    yield opened
    for page in opened:
        page.close()


@pytest.fixture
def notebook(request, chromium, lab, pages):
    """A fresh page. In a file that says `ONE_PAGE = True` tests share it, with its kernel, until one of them fails.

    After the test, the browser must not have complained.
    """
    if not pages:
        pages.append(LabPage(chromium.new_page(viewport={"width": 1500, "height": 1050}), lab))
    page = pages[0]
    page.wrong.clear()
    yield page
    wrong, failed = list(page.wrong), request.node.stash.get(FAILED, False)
    try:
        if wrong or failed:
            page.shoot(f"failed-{request.node.name}")
    finally:
        if wrong or failed or not getattr(request.module, "ONE_PAGE", False):
            pages.remove(page)
            page.close()
    assert not wrong, "\n".join(wrong)
