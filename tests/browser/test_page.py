"""The explorer without Python: the page that `save_html` writes, opened from a file, in light and dark."""

import csv
import math

import numpy as np
import pytest
import torch
from browser_lab import AXE, PATIENCE, SCREENSHOTS

from dmlnb.data import Glyphs
from dmlnb.explore import EmbeddingExplorer

pytestmark = pytest.mark.browser
LETTERS = 1500
WHERE = "(map, i) => { const b = map.getBoundingClientRect(), [x, y] = map.whereIs(i); return [b.x + x, b.y + y]; }"
RESTS = "() => [...document.querySelectorAll('.dmlnb-map')].filter(m => m.offsetWidth).every(m => m.rests())"
SERIOUS = """async () => (await axe.run()).violations.filter(v => ['serious', 'critical'].includes(v.impact))
    .map(v => `${v.id}: ${v.nodes.map(n => n.target).join(' ')}`)"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An explorer of letters, and the page of it."""
    letters = Glyphs("test")
    some = torch.arange(0, len(letters.images), len(letters.images) // LETTERS)[:LETTERS]
    images, labels = letters.images[some], letters.labels[some]
    pixels = images.flatten(1).float() / 255
    torch.manual_seed(0)
    rows = {
        "pixels": pixels @ torch.randn(pixels.shape[1], 32),
        "letters": pixels @ torch.randn(pixels.shape[1], 32),
    }
    rows["letters"] += 30 * torch.randn(int(labels.max()) + 1, 32)[labels]
    ink = pixels.mean(dim=1)
    half = np.where(np.arange(LETTERS) % 2, "second half", "first half")
    explorer = EmbeddingExplorer(
        images, rows, labels, class_names=letters.class_names, scores={"ink": ink}, metadata={"half": half}
    )
    path = tmp_path_factory.mktemp("page") / "letters.html"
    explorer.save_html(path, title="Letters")
    return explorer, path


@pytest.fixture
def page(chromium, made):
    """Opened from the file; afterwards nothing was asked for and nothing was wrong."""
    wrong = []
    page = chromium.new_page(viewport={"width": 1180, "height": 1000})
    page.set_default_timeout(1000 * PATIENCE)
    page.on("console", lambda m: wrong.append(f"console: {m.text}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    address = made[1].as_uri()
    page.on(
        "request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else wrong.append(r.url)
    )
    page.goto(address)
    page.wait_for_function(RESTS)
    yield page
    page.close()
    assert not wrong, wrong


def rest(page):
    page.mouse.move(1, 1)
    page.wait_for_function(RESTS)


def data(page, name):
    return page.locator(".dmlnb-explorer").evaluate(f"root => root.dataset.{name}")


def picked(page, made, image):
    """Pick an image by its number, as a reader does."""
    find = page.get_by_label("find")
    find.fill(f"#{image}")
    find.press("Enter")
    page.wait_for_function(
        "i => document.querySelector('.dmlnb-explorer').dataset.picked === i", arg=str(image)
    )
    return made[0].atlas


def shown(page):
    return [
        int(i)
        for i in page.locator(".dmlnb-neighbours .dmlnb-tile").evaluate_all(
            "tiles => tiles.map(t => t.dataset.index)"
        )
    ]


def test_the_file_is_small(made):
    assert made[1].stat().st_size <= 1.5e6


def test_hover_pick_and_exact_neighbours(page, made):
    x, y = page.locator(".dmlnb-map").first.evaluate(WHERE, 700)
    page.mouse.move(x + 2, y + 2)
    page.mouse.move(x, y)
    tip = page.locator(".dmlnb-tip")
    tip.wait_for()
    page.mouse.click(x, y)
    page.wait_for_function("() => +document.querySelector('.dmlnb-explorer').dataset.picked >= 0")
    assert tip.get_attribute("data-index") == data(page, "picked")
    for image in (0, 777, LETTERS - 1):
        atlas = picked(page, made, image)
        found = atlas.neighbours("pixels", image, 10)
        assert shown(page) == found.index.tolist()
        hits = page.locator(".dmlnb-neighbours .dmlnb-tile").evaluate_all(
            "t => t.map(t => t.classList.contains('hit'))"
        )
        assert hits == found.hit.tolist()
        assert f"Image {image}" in page.locator(".dmlnb-picked").inner_text()
        assert page.locator(".dmlnb-who canvas").count() == 1
    page.get_by_role("button", name="letters", exact=True).click()
    assert shown(page) == made[0].atlas.neighbours("letters", LETTERS - 1, 10).index.tolist()
    page.locator("[data-k=k]").fill("20")
    page.locator("[data-k=k]").press("Enter")
    assert shown(page) == made[0].atlas.neighbours("letters", LETTERS - 1, 20).index.tolist()
    rest(page)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SCREENSHOTS / "page.png"))


def test_a_lasso_and_a_table(page, made):
    box = page.locator(".dmlnb-map").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.keyboard.down("Shift")
    page.mouse.move(x - 90, y - 90)
    page.mouse.down()
    for corner in ((x + 90, y - 90), (x + 90, y + 90), (x - 90, y + 90)):
        page.mouse.move(*corner, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_function("() => +document.querySelector('.dmlnb-explorer').dataset.selected > 0")
    with page.expect_download() as saved:
        page.get_by_role("button", name="save CSV").click()
    with saved.value.path().open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    chosen = [int(line["index"]) for line in table]
    explorer = made[0]
    found = explorer.atlas.statistics("pixels", chosen)
    words = page.locator(".dmlnb-selection").inner_text()
    assert f"{found.size} images of {len(found.classes)} classes, {found.complete} of them" in words
    assert f"R@1 {math.floor(100 * found.recall_at_1 + 0.5)} % against all images" in words
    assert all(line["half"] == ("second half" if int(line["index"]) % 2 else "first half") for line in table)
    where = explorer.atlas.points("pixels")[chosen]
    assert np.abs(where - where.mean(axis=0)).max() < 0.6  # they lie together
    page.get_by_role("button", name="contact sheet").click()
    assert page.locator(".dmlnb-contact .dmlnb-tile").count() == min(60, len(chosen))


def test_twin_maps_colours_and_filters(page, made):
    picked(page, made, 41)
    page.locator("[data-k=twin]").select_option("letters")
    page.wait_for_function(RESTS)
    atlas = made[0].atlas
    assert shown(page) == [i for name in ("pixels", "letters") for i in atlas.neighbours(name, 41, 10).index]
    page.get_by_label("what moved most").check()
    page.locator("[data-k=color_by]").select_option("average precision")
    page.locator(".dmlnb-add").select_option("half")
    page.get_by_label("second half", exact=True).uncheck()
    page.get_by_role("button", name="select view").click()
    assert 0 < int(data(page, "selected")) <= LETTERS / 2
    rest(page)
    page.screenshot(path=str(SCREENSHOTS / "page-twin.png"), full_page=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_for_those_who_do_not_see_it(page, made, theme):
    if not AXE.exists():
        pytest.skip("axe-core is missing: make test-browser gets it with npm")
    page.emulate_media(color_scheme=theme)
    page.wait_for_function(
        "dark => document.querySelector('.dmlnb-explorer').classList.contains('dmlnb-dark') === dark",
        arg=theme == "dark",
    )
    picked(page, made, 41)
    page.locator("[data-k=twin]").select_option("letters")
    page.locator(".dmlnb-add").select_option("half")
    page.locator(".dmlnb-add").select_option("ink")
    page.get_by_role("button", name="select view").click()
    page.get_by_role("button", name="contact sheet").click()
    rest(page)
    page.screenshot(path=str(SCREENSHOTS / f"page-{theme}.png"), full_page=True)
    page.add_script_tag(path=str(AXE))
    assert page.evaluate(SERIOUS) == []
