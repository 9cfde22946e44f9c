"""The explorer in a real browser: what a hand does there, and what the page then says."""

import re

import pytest
from browser_lab import Map

pytestmark = pytest.mark.browser
ONE_PAGE = True

SMALL = """
import os, tempfile
os.environ["DMLNB_DATA"] = tempfile.mkdtemp()  # no map is kept there yet
import torch
from dmlnb.explore import EmbeddingExplorer
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GeneralizedSumPooling
from dmlnb.course.plots import notebook_setup
notebook_setup(seed=0)
labels = torch.arange(400) % 20
images = (40 + 10 * labels).view(-1, 1, 1, 1).expand(-1, 1, 32, 32).to(torch.uint8)
centres = torch.randn(20, 8)
rows = {name: centres[labels] + spread * torch.randn(400, 8) for name, spread in (("tight", 0.2), ("loose", 1.5))}
net = EmbeddingNet(small_resnet(), GeneralizedSumPooling(64, 16))
explorer = EmbeddingExplorer(images, rows, labels, scores={"number": range(400)}, looks={"tight": net},
    metadata={"kind": ["<b>even</b>", "odd"] * 200})
explorer.picked = 0; explorer.picked = -1  # imports what the first picture needs
"""


RESET = """
explorer.lasso = [[0, 0]]; explorer.lasso = []
explorer.focus(None); explorer.filters = {}; explorer.twin = ""; explorer.k = 10
explorer.embedding, explorer.projection, explorer.color_by = "tight", "PCA", "class"
explorer.classes, explorer.only, explorer.sheet, explorer.picked = list(range(8)), False, False, -1
"""


@pytest.fixture
def explorer(notebook):
    """The explorer as it was at the start, at rest, with the mouse elsewhere."""
    if not notebook.page.locator(".dmlnb-explorer").count():
        notebook.lab.notebook("small.ipynb", SMALL, "explorer")
        notebook.run_all("small.ipynb")
    notebook.page.mouse.move(1, 1)
    notebook.quiet()
    notebook.execute(RESET)
    found = Map(notebook)
    if found.button("lasso").get_attribute("aria-pressed") == "true":
        found.button("lasso").click()
    found.button("clear").click()
    found.button("whole map").click()
    notebook.page.mouse.move(1, 1)
    found.rest()
    return found


def test_a_tour_with_the_mouse(explorer, notebook):
    page = notebook.page
    explorer.hover(43)
    tip = explorer.root.locator(".dmlnb-tip")
    tip.wait_for()
    seen = int(tip.get_attribute("data-index"))
    assert (
        f"class {seen % 20}\nimage {seen}" in tip.inner_text() and seen % 20 == 3
    )  # points of a class lie close
    pixel = tip.locator("canvas").evaluate("c => [...c.getContext('2d').getImageData(48, 48, 1, 1).data]")
    assert abs(pixel[0] - 70) < 6 and pixel[3] == 255  # the grey of class 3, cut out of the sheet

    explorer.click(43)
    explorer.wait("picked", seen)
    tiles = explorer.root.locator(".dmlnb-neighbours .dmlnb-tile")
    tiles.first.wait_for()
    assert tiles.count() == 10 and explorer.root.locator(".dmlnb-neighbours .hit").count() == 10
    assert f"Image {seen}" in explorer.text(".dmlnb-picked")
    explorer.root.locator(".dmlnb-look img").wait_for()
    notebook.shoot("explorer-picked")

    before = explorer.where(43)
    explorer.button("loose").click()  # the same pick in another embedding: points move, neighbours change
    explorer.wait("embedding", "loose")
    page.wait_for_function("() => document.querySelectorAll('.dmlnb-neighbours .miss').length > 0")
    assert explorer.data("picked") == str(seen) and explorer.where(43) != before
    notebook.shoot("explorer-switched")

    tiles.nth(2).click()  # a neighbour becomes the pick
    page.wait_for_function(
        "i => document.querySelector('.dmlnb-explorer').dataset.picked !== i", arg=str(seen)
    )
    explorer.button("clear").click()
    explorer.wait("picked", -1)
    tiles.first.wait_for(state="detached")


def test_lasso_statistics_and_contact_sheet(explorer, notebook):
    x, y = explorer.where(5)
    explorer.lasso((x - 14, y - 14), (x + 14, y - 14), (x + 14, y + 14), (x - 14, y + 14))
    notebook.page.wait_for_function("() => +document.querySelector('.dmlnb-explorer').dataset.selected > 0")
    text = explorer.text(".dmlnb-selection")
    number = int(explorer.data("selected"))
    assert f"{number} image" in text and "R@1" in text and number < 400
    explorer.button("contact sheet").click()
    explorer.root.locator(".dmlnb-contact .dmlnb-tile").first.wait_for()
    assert explorer.root.locator(".dmlnb-contact .dmlnb-tile").count() == min(number, 60)
    notebook.shoot("explorer-lasso")

    explorer.button("lasso").click()  # the same with the button, round everything
    left, top, right, bottom = explorer.box()
    left, top, right, bottom = left + 2, top + 2, right - 2, bottom - 2
    explorer.lasso((left, top), (right, top), (right, bottom), (left, bottom), shift=False)
    explorer.wait("selected", 400)
    assert "400 images of 20 classes, 20 of them completely" in explorer.text(".dmlnb-selection")


def test_everything_by_keyboard(explorer, notebook):
    page = notebook.page
    explorer.canvas.focus()
    status = explorer.root.locator(".dmlnb-status")
    page.keyboard.press("ArrowRight")  # the point in the middle
    page.keyboard.press("ArrowRight")  # the next one to its right
    said = status.inner_text()
    assert re.fullmatch(r"image \d+, class \d+", said)
    page.keyboard.press("Enter")
    explorer.wait("picked", re.search(r"\d+", said)[0])
    page.keyboard.press("v")
    explorer.wait("selected", 400)
    for key in ("+", "+", "+", "+"):
        page.keyboard.press(key)
    page.keyboard.press("v")
    page.wait_for_function("() => +document.querySelector('.dmlnb-explorer').dataset.selected < 400")
    before = explorer.where(0)
    page.keyboard.press("Shift+ArrowLeft")
    assert explorer.where(0)[0] == pytest.approx(before[0] + 40, abs=0.5)
    page.keyboard.press("Escape")
    explorer.wait("selected", 0)
    explorer.wait("picked", -1)
    cells = page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex")
    assert cells == 1 or cells == 2  # the notebook did not take the keys for its own
    reached = set()
    for _ in range(24):
        page.keyboard.press("Shift+Tab")
        reached.add(
            page.evaluate("() => document.activeElement.dataset.do || document.activeElement.dataset.k")
        )
    assert {"lasso", "view", "home", "only", "color_by"} <= reached


def test_colour_filter_search_and_umap(explorer, notebook):
    page, root = notebook.page, explorer.root
    assert root.locator("button.dmlnb-chip").count() == 8
    find = root.locator(".dmlnb-find")
    find.fill("17")
    find.press("Enter")
    page.wait_for_function("() => document.querySelector('.dmlnb-chip').dataset.class === '17'")
    assert root.locator("button.dmlnb-chip").count() == 8
    for left in range(7, 0, -1):
        root.locator("button.dmlnb-chip").last.click()
        page.wait_for_function(
            "left => document.querySelectorAll('button.dmlnb-chip').length === left", arg=left
        )
    only = root.get_by_label("only coloured classes")
    only.check()
    explorer.rest()
    explorer.button("select view").click()
    explorer.wait("selected", 20)  # only class 17 is left
    only.uncheck()
    find.fill("#123")
    find.press("Enter")
    explorer.wait("picked", 123)
    find.fill("nothing")
    find.press("Enter")
    assert "nothing is called nothing" in root.locator(".dmlnb-status").inner_text()

    root.locator("[data-k=color_by]").select_option("hit or miss")
    explorer.wait("colorBy", "hit or miss")
    assert "is a miss" in root.locator(".dmlnb-legend").inner_text()
    root.locator("[data-k=color_by]").select_option("number")
    explorer.wait("colorBy", "number")
    page.wait_for_function("() => document.querySelector('.dmlnb-legend').innerText.includes('399')")

    before = explorer.where(5)
    root.locator(".dmlnb-status").evaluate("""status => {
        window.said = [];
        const keep = () => said.push(status.innerText);
        new MutationObserver(keep).observe(status, {childList: true, characterData: true, subtree: true});
    }""")
    explorer.button("UMAP").click()
    page.wait_for_function("() => said.some(text => text.startsWith('UMAP of tight'))")
    notebook.shoot("explorer-umap-at-work")
    page.wait_for_function("() => said.at(-1) === ''")
    assert explorer.where(5) != before and explorer.data("projection") == "UMAP"
    notebook.shoot("explorer-umap")


def test_two_maps_filters_and_a_map_of_the_selection(explorer, notebook):
    page, root = notebook.page, explorer.root
    explorer.click(43)
    root.locator(".dmlnb-who img").wait_for()  # the picked image itself
    root.locator("[data-k=twin]").select_option("loose")
    explorer.wait("twin", "loose")
    explorer.rest()
    assert root.locator(".dmlnb-stage:visible").count() == 2
    assert root.locator(".dmlnb-neighbours .dmlnb-row").count() == 2
    root.get_by_label("what moved most").check()
    second = root.locator(".dmlnb-map").nth(1)
    second.evaluate("map => map.focus()")
    before = second.evaluate("map => map.whereIs(5)")
    first = explorer.where(5)
    page.keyboard.press("+")
    explorer.rest()
    assert explorer.where(5) != first and second.evaluate("map => map.whereIs(5)") != before  # both zoom
    page.keyboard.press("0")
    root.locator("[data-k=k]").fill("4")
    root.locator("[data-k=k]").press("Enter")
    page.wait_for_function("() => document.querySelectorAll('.dmlnb-neighbours .dmlnb-tile').length === 8")
    notebook.shoot("explorer-twin")

    root.locator(".dmlnb-add").select_option("kind")
    root.get_by_label("odd", exact=True).uncheck()  # the name that looks like markup is left
    explorer.button("select view").click()
    explorer.wait("selected", 200)
    root.locator(".dmlnb-add").select_option("number")
    largest = root.get_by_label("largest number")
    largest.focus()
    page.keyboard.press("Home")
    page.keyboard.press("PageUp")
    explorer.button("select view").click()
    page.wait_for_function(
        "() => 0 < +document.querySelector('.dmlnb-explorer').dataset.selected "
        "&& document.querySelector('.dmlnb-explorer').dataset.selected < 200"
    )
    number = int(explorer.data("selected"))
    notebook.execute(f"assert explorer.visible.sum() == len(explorer.selection) == {number}")
    with page.expect_download() as saved:
        explorer.button("save CSV").click()
    lines = saved.value.path().read_text(encoding="utf-8").splitlines()
    assert len(lines) == number + 1 and lines[0].startswith("index,label,class") and "<b>even</b>" in lines[1]
    explorer.button("map these").click()
    everything = explorer.button("map of all images")
    everything.wait_for()
    explorer.rest()
    notebook.shoot("explorer-focus")
    everything.click()
    everything.wait_for(state="hidden")


def test_the_dark_theme(explorer, notebook):
    page = notebook.page
    assert "dmlnb-dark" not in explorer.root.get_attribute("class")
    notebook.ask("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.wait_for_function("() => document.querySelector('.dmlnb-explorer').classList.contains('dmlnb-dark')")
    explorer.hover(43)
    explorer.root.locator(".dmlnb-tip").wait_for()
    explorer.click(43)
    explorer.root.locator(".dmlnb-neighbours .dmlnb-tile").first.wait_for()
    explorer.rest()
    notebook.shoot("explorer-dark")
    # words on their ground: contrast of at least 4.5 (WCAG AA)
    ratio = explorer.root.evaluate("""root => {
        const light = c => c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const worst = [...root.querySelectorAll('button, label, small, .dmlnb-tip, .dmlnb-picked')].map(e => {
            let ground = e;
            while (/, 0\\)$|transparent/.test(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
            const [a, b] = [getComputedStyle(e).color, getComputedStyle(ground).backgroundColor].map(light);
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        });
        return Math.min(...worst);
    }""")
    assert ratio >= 4.5
    notebook.ask("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
    page.wait_for_function(
        "() => !document.querySelector('.dmlnb-explorer').classList.contains('dmlnb-dark')"
    )


def test_python_and_the_browser_agree(explorer, notebook):
    notebook.execute("explorer.picked = 77; explorer.select([1, 2, 3])")
    explorer.wait("picked", 77)
    explorer.wait("selected", 3)
    explorer.button("clear").click()  # also what no lasso has selected
    explorer.wait("picked", -1)
    explorer.wait("selected", 0)
    notebook.execute("assert explorer.picked == -1 and len(explorer.selection) == 0")


def test_pictures_appear_when_a_zoom_comes_to_rest(explorer):
    pixel = """map => {
        const [x, y] = map.whereIs(43).map(v => Math.round(v * devicePixelRatio));
        return [...map.getContext('2d').getImageData(x, y, 1, 1).data];
    }"""
    x, y = explorer.where(43)
    red, green, blue, _ = explorer.canvas.evaluate(pixel)
    assert max(red, green, blue) - min(red, green, blue) > 20  # a point, in the colour of class 3
    zoom = """(map, [clientX, clientY]) => { // at once so far that all points are drawn anew
        const turn = {deltaY: -2000, ctrlKey: true, bubbles: true, cancelable: true};
        map.dispatchEvent(new WheelEvent('wheel', {...turn, clientX, clientY}));
    }"""
    explorer.canvas.evaluate(zoom, [x, y])
    explorer.rest()
    assert explorer.canvas.evaluate(pixel) == pytest.approx([70, 70, 70, 255], abs=6)  # an image, grey
