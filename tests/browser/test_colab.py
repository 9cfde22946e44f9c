"""ipywidgets 7.7, anywidget 0.9 and the classic notebook with Colab's versions: the explorer and a slider in a browser.

Needs the environment that `make test-colab` leaves behind; without it these tests say so and are skipped.
"""

from pathlib import Path

import pytest
from browser_lab import SCREENSHOTS, STILL, WHERE, Lab, LabPage

pytestmark = pytest.mark.browser
PYTHON = Path(__file__).parents[2] / "build" / "colab" / "venv" / "bin" / "python"

SMALL = """
import torch
from dmlnb import explore
from dmlnb.course import demos, plots
plots.notebook_setup(seed=0)
labels = torch.arange(200) % 10
images = (40 + 20 * labels).view(-1, 1, 1, 1).expand(-1, 1, 32, 32).to(torch.uint8)
eye, noise = torch.eye(10)[labels], torch.randn(200, 10)
rows = {"tight": eye + 0.1 * noise, "loose": eye + noise}
explorer = explore.EmbeddingExplorer(images, rows, labels)
"""
SLIDER = "demos.slider_demo(plots.draw_prototype_demo, num_prototypes=(1, 16, 1, 5))"


def test_the_explorer_and_a_slider_with_ipywidgets_7(chromium, tmp_path_factory):
    if not PYTHON.exists():
        pytest.skip("no environment with Colab's versions: make test-colab")
    with Lab(tmp_path_factory.mktemp("classic"), "notebook", str(PYTHON)) as lab:
        lab.notebook("small.ipynb", SMALL, "explorer", SLIDER)
        page = chromium.new_page(viewport={"width": 1300, "height": 1000})
        seen = LabPage(page, lab)
        page.goto(f"http://127.0.0.1:{lab.port}/notebooks/small.ipynb")
        page.wait_for_function("() => window.Jupyter?.notebook?.kernel?.is_connected?.()")
        page.wait_for_function("() => Jupyter.notebook.kernel.widget_manager")  # or widgets stay pictures
        page.wait_for_function("() => Jupyter.notebook.kernel.info_reply?.status === 'ok'")  # it answers
        page.evaluate("() => Jupyter.notebook.execute_all_cells()")
        explorer = page.locator(".dmlnb-explorer")
        page.locator(".dmlnb-explorer, .output_error").first.wait_for()
        assert not page.locator(".output_error").all_inner_texts()
        canvas = explorer.locator(".dmlnb-map").first
        page.locator(".widget-vbox img").wait_for()  # all cells have run
        canvas.scroll_into_view_if_needed()
        page.wait_for_function(STILL)
        x, y = canvas.evaluate(WHERE, 7)
        page.mouse.move(x, y)
        explorer.locator(".dmlnb-tip").wait_for()
        page.mouse.click(x, y)
        explorer.locator(".dmlnb-neighbours .hit").first.wait_for()
        explorer.get_by_role("button", name="loose", exact=True).click()
        explorer.locator(".dmlnb-neighbours .miss").first.wait_for()
        explorer.get_by_role("button", name="select view", exact=True).click()
        page.wait_for_function("() => document.querySelector('.dmlnb-explorer').dataset.selected === '200'")
        canvas.focus()
        page.keyboard.press("Escape")  # would leave the cell if the notebook took it
        page.wait_for_function("() => document.querySelector('.dmlnb-explorer').dataset.selected === '0'")
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(SCREENSHOTS / "colab-explorer.png"))

        picture = page.locator(".widget-vbox img").first
        before = picture.get_attribute("src")
        page.locator(".ui-slider-handle").first.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "before => document.querySelector('.widget-vbox img').src !== before", arg=before
        )
        assert "num prototypes = 6" in picture.get_attribute("alt")
        page.close()
        errors = [
            line for line in seen.wrong if "dmlnb" in line or "anywidget" in line or "left this" in line
        ]
        assert not errors, errors  # the classic notebook has complaints of its own
