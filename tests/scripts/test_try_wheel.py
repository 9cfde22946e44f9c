"""`scripts/try_wheel.py`: what a wheel lacks is seen, and the tests that it names exist."""

from pathlib import Path

import try_wheel


def test_what_a_wheel_lacks_or_holds_besides_is_named(tmp_path):
    for name in (
        "dmlnb/__init__.py",
        "dmlnb/py.typed",
        "dmlnb/explore/explorer.js",
        "dmlnb/__pycache__/a.pyc",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    whole = ["dmlnb/__init__.py", "dmlnb/py.typed", "dmlnb/explore/explorer.js", "dmlnb-1.dist-info/METADATA"]
    assert try_wheel.left_out(whole, tmp_path) == []
    assert try_wheel.left_out(whole[1:], tmp_path) == ["dmlnb/__init__.py"]
    assert try_wheel.left_out([*whole, "tests/test_x.py"], tmp_path) == ["tests/test_x.py"]


def test_a_handful_of_every_room_of_the_library():
    tests = Path(try_wheel.ROOT) / "tests"
    assert all((tests / name).is_file() for name in try_wheel.TESTS)
    rooms = {name.split("/")[0] for name in try_wheel.TESTS}
    assert rooms == {p.parent.name for p in (try_wheel.ROOT / "dmlnb").glob("*/__init__.py")} - {
        "course",
        "explore",
    }
