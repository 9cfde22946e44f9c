"""Notebooks of the course, run from top to bottom in a real JupyterLab, and their demos used."""

import shutil
from pathlib import Path

import pytest
from browser_lab import Map

pytestmark = pytest.mark.browser
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def run(notebook, stem):
    (file,) = NOTEBOOKS.glob(f"{stem}_*.ipynb")
    shutil.copy(file, notebook.lab.folder)
    notebook.run_all(file.name)


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
    page, explorer = notebook.page, Map(notebook)
    assert explorer.data("embedding") == "GSP"  # a cell has switched it
    explorer.hover(100)
    tip = explorer.root.locator(".dmlnb-tip")
    tip.wait_for()
    seen = tip.get_attribute("data-index")
    explorer.click(100)
    explorer.wait("picked", seen)
    assert f"Image {seen}" in explorer.text(".dmlnb-picked")
    explorer.root.locator(".dmlnb-look img").wait_for()
    row = explorer.root.locator(".dmlnb-neighbours")
    first = row.inner_html()
    assert row.locator(".dmlnb-tile").count() == 10
    explorer.button("GAP").click()
    explorer.wait("embedding", "GAP")
    page.wait_for_function(
        "html => document.querySelector('.dmlnb-neighbours').innerHTML !== html", arg=first
    )
    explorer.button("clear").click()
    explorer.wait("selected", 0)
    x, y = explorer.where(100)
    explorer.lasso((x - 60, y - 60), (x + 60, y - 60), (x + 60, y + 60), (x - 60, y + 60))
    page.wait_for_function("() => document.querySelector('.dmlnb-explorer').dataset.selected > 0")
    assert "R@1" in explorer.text(".dmlnb-selection")
    explorer.rest()
    notebook.shoot("notebook-08")
