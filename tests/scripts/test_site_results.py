"""`scripts/site_results.py`: each figure of the page is drawn from studies that exist, and its notebook shows them."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from site_results import RESULTS, page

from dmlnb.course import results

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.slug)
def test_a_figure_is_drawn_and_its_notebook_loads_its_studies(result):
    figure = result.draw({name: results.load(name) for name in result.studies})
    assert figure.axes
    plt.close(figure)
    (file,) = (ROOT / "notebooks").glob(f"{result.notebook}_*.ipynb")
    source = "".join("".join(cell["source"]) for cell in json.loads(file.read_text())["cells"])
    assert [name for name in result.studies if f'"{name}"' not in source] == []


def test_the_page_holds_each_figure_with_its_words(tmp_path, monkeypatch):
    monkeypatch.setattr("site_results.RESULTS", RESULTS[:1])
    text = page(tmp_path / "figures", {"00": "00_start_here"}, "https://g")
    first = RESULTS[0]
    assert (tmp_path / "figures" / f"{first.slug}.png").stat().st_size > 1000
    assert f"![{first.alt}](figures/{first.slug}.png)" in text and f"## {first.title}" in text
    assert "(../notebooks/00_start_here.ipynb)" in text
    assert "[`baselines`](https://g/dmlnb/course/results/baselines.json) (5 seeds, " in text


def test_slugs_and_pictures_are_told_apart():
    assert len({result.slug for result in RESULTS}) == len({result.alt for result in RESULTS}) == len(RESULTS)
