"""Notebooks of the course, run from top to bottom in a real JupyterLab, and their demos used."""

import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def run(notebook, stem):
    (file,) = NOTEBOOKS.glob(f"{stem}_*.ipynb")
    shutil.copy(file, notebook.lab.folder)
    notebook.run_all(file.name, seconds=900)


def test_a_slider_changes_its_picture(notebook):
    run(notebook, "01")
    page = notebook.page
    demo = page.locator(".widget-vbox").filter(has=page.locator(".noUi-handle")).first
    demo.scroll_into_view_if_needed()
    picture = demo.locator("img")
    before, words = picture.get_attribute("src"), picture.get_attribute("alt")
    assert "num prototypes = 5" in words
    demo.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    changed = "before => ![...document.querySelectorAll('.widget-vbox img')].some(i => i.src === before)"
    page.wait_for_function(changed, arg=before)
    assert "num prototypes = 6" in picture.get_attribute("alt")
    notebook.shoot("notebook-01-slider")


def test_the_tour_of_notebook_08(notebook):
    run(notebook, "08")
    page = notebook.page
    assert page.locator(".dmlnb-explorer").count() >= 1
    explorer = page.locator(".dmlnb-explorer").first
    canvas = explorer.locator(".dmlnb-map")
    canvas.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('.dmlnb-map').dataset.frames > 0")
    box, (x, y) = canvas.bounding_box(), canvas.evaluate("map => map.whereIs(100)")
    page.mouse.move(box["x"] + x, box["y"] + y)
    explorer.locator(".dmlnb-tip").wait_for()
    page.mouse.click(box["x"] + x, box["y"] + y)
    explorer.locator(".dmlnb-neighbours .dmlnb-tile").first.wait_for()
    explorer.locator(".dmlnb-look img").wait_for()
    first = explorer.locator(".dmlnb-neighbours").inner_html()
    explorer.get_by_role("button", name="GSP", exact=True).click()
    page.wait_for_function(
        "html => document.querySelector('.dmlnb-neighbours').innerHTML !== html", arg=first
    )
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + x - 60, box["y"] + y - 60)
    page.mouse.down()
    for dx, dy in ((60, -60), (60, 60), (-60, 60)):
        page.mouse.move(box["x"] + x + dx, box["y"] + y + dy, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_function("() => document.querySelector('.dmlnb-explorer').dataset.selected > 0")
    page.wait_for_timeout(800)
    notebook.shoot("notebook-08")
