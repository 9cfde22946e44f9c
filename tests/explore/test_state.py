import re
from pathlib import Path

from dmlnb.explore import EmbeddingExplorer
from dmlnb.explore.state import SharedState


def test_the_script_loads_nothing_from_elsewhere_and_travels_with_the_package():
    code = EmbeddingExplorer._esm + EmbeddingExplorer._css
    assert not re.search(r"https?:|\bimport\b|fetch\(|url\(|@import", re.sub(r"//.*", "", code))
    settings = (
        (Path(__file__).parents[2] / "pyproject.toml")
        .read_text(encoding="utf-8")
        .partition("package-data]")[2]
    )
    assert '"dmlnb.explore" = ["*.js", "*.css"]' in settings


def test_the_script_asks_for_nothing_that_does_not_travel():
    code = re.sub(r"//.*", "", SharedState._esm)
    asked = {*re.findall(r"""model\.[gs]et\(["'](\w+)["']""", code), *re.findall(r"change:(\w+)", code)}
    travels = {name for name, trait in SharedState.class_traits().items() if trait.metadata.get("sync")}
    assert len(asked) > 10 and asked <= travels
