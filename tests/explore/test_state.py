import re
from pathlib import Path

from dmlnb.explore import EmbeddingExplorer
from dmlnb.explore.state import PARTS, SharedState, script


def test_the_script_loads_nothing_from_elsewhere_and_travels_with_the_package():
    code = EmbeddingExplorer._esm + EmbeddingExplorer._css
    assert not re.search(r"https?:|\bimport\b|fetch\(|url\(|@import", re.sub(r"//.*", "", code))
    settings = (
        (Path(__file__).parents[2] / "pyproject.toml")
        .read_text(encoding="utf-8")
        .partition("package-data]")[2]
    )
    assert '"dmlnb.explore" = ["front/*.js", "front/*.css"]' in settings


def test_the_script_asks_for_nothing_that_does_not_travel():
    code = re.sub(r"//.*", "", SharedState._esm)
    asked = {*re.findall(r"""model\.[gs]et\(["'](\w+)["']""", code)}
    asked |= {name for names in re.findall(r"""\bon\("([\w ]+)",""", code) for name in names.split()}
    travels = {name for name, trait in SharedState.class_traits().items() if trait.metadata.get("sync")}
    assert len(asked) > 30 and asked <= travels


def test_each_part_comes_after_those_that_it_needs_and_takes_what_they_have():
    front = Path(__file__).parents[2] / "dmlnb" / "explore" / "front"
    assert {file.stem for file in front.glob("*.js")} == {*PARTS, "stored"}
    for place, part in enumerate([*PARTS, "stored"]):
        code = (front / f"{part}.js").read_text(encoding="utf-8")
        for names, source in re.findall(r'(?m)^import \{? ?([\w, ]+?) ?\}? from "\./(\w+)\.js";$', code):
            assert source in PARTS[:place]
            origin = (front / f"{source}.js").read_text(encoding="utf-8")
            for name in names.split(", "):
                found = re.search(rf"(?m)^export .*\b{name}\b", origin)
                assert found or (name == "explorer" and "export default" in origin), (part, name)


def test_no_two_parts_call_different_things_by_one_name():
    code = script(*PARTS, "stored")
    names = re.findall(r"(?m)^(?:const|let|(?:async )?function) (\w+)", code)
    assert len(names) == len(set(names)) > 40
    assert not re.search(r"(?m)^(import|export (?!default))", code)
