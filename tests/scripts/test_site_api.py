"""`scripts/site_api.py`: pages from docstrings, on a small package and on the real one."""

import importlib
import inspect
from pathlib import Path

import pytest
from build_site import ROOMS
from site_api import find, markdown, names_of, pages, public_names

ROOT = Path(__file__).parents[2]

CODE = '''"""Means of things.

Source: [doe2020a].
"""

LIMIT = 3


def mean(x: Tensor, *, power: float = 1.0) -> Tensor:
    """The mean, $\\\\bar x$, as `Mean` has it.

    $$ \\\\bar x = \\\\frac1n \\\\sum_i x_i $$

    Args:
        x: `(N, d)`, and
            a second line: of it.
        power: p; `Mean` is no link to itself here, `power` neither.

    Returns:
        `(d,)`.

    Raises:
        ValueError: for an empty x.

    Taught in notebooks 01 and 77.
    """


class Mean(Base):
    """`mean` as a module."""

    def __init__(self, mean: float = 2.0):
        pass

    @property
    def size(self) -> int:
        """How many."""

    @classmethod
    def load(cls, path) -> "Mean":
        """From a file."""

    def _hidden(self):
        """Not shown."""

    def silent(self):
        return 1
'''


@pytest.fixture
def package(tmp_path):
    room = tmp_path / "dmlnb" / "room"
    room.mkdir(parents=True)
    (tmp_path / "dmlnb" / "__init__.py").write_text("")
    (room / "__init__.py").write_text(
        '"""A room."""\ntry:\n    from dmlnb.room.means import LIMIT, Mean, mean\nexcept ImportError:\n    raise\n'
        '__all__ = ["LIMIT", "Mean", "mean"]\n'
    )
    (room / "means.py").write_text(CODE)
    return tmp_path / "dmlnb"


@pytest.fixture
def page(package):
    return pages(package, ["room"], {"doe2020a"}, {"01": "../notebooks/01.ipynb"}, "https://g")["room"]


def test_names_come_from_all(package):
    assert names_of(package, "room") == ["LIMIT", "Mean", "mean"]
    assert find(package, "room", "mean").full == "dmlnb.room.mean"
    (package / "room" / "__init__.py").write_text("from dmlnb.room.means import mean")
    with pytest.raises(ValueError, match="expected __all__"):
        names_of(package, "room")
    with pytest.raises(ValueError, match="room: expected gone"):
        find(package, "room", "gone")


def test_signatures_are_those_of_the_file(page):
    assert ":{py:function} mean(x: Tensor, *, power: float=1.0) -> Tensor" in page
    assert ":{py:class} Mean(mean: float=2.0)" in page and ":{py:data} LIMIT" in page
    assert ":{py:property} size" in page and ":{py:method} load(path) -> 'Mean'\n:classmethod:" in page
    assert "_hidden" not in page and "silent" not in page


def test_sections_are_lists_and_formulas_stay(page):
    assert "$$ \\bar x = \\frac1n \\sum_i x_i $$" in page
    assert "\nArgs\n: - `x`: `(N, d)`, and\n        a second line: of it.\n  - `power`: p;" in page
    assert "\nReturns\n: `(d,)`." in page and "\nRaises\n: - `ValueError`: for an empty x." in page


def test_names_citations_and_notebooks_are_links(page):
    assert "as {py:obj}`Mean <dmlnb.room.Mean>` has it" in page
    assert "[\\[doe2020a\\]](#doe2020a)" in page
    assert "Taught in notebooks [01](../notebooks/01.ipynb) and 77." in page
    assert "[dmlnb/room/means.py](https://g/dmlnb/room/means.py)" in page
    assert (
        "{py:obj}`mean <dmlnb.room.mean>` as a module" not in page.split("py:class")[1]
    )  # an argument has its name


def test_a_section_ends_where_the_indent_does():
    text = markdown("Do.\n\nReturns:\n    One.\n\nArgs, errors: as in `f`.", {"f": "d.f"}, (), {})
    assert text == "Do.\n\n\nReturns\n: One.\n\n\nArgs, errors: as in {py:obj}`f <d.f>`."


def test_every_public_name_of_the_library_is_found_where_it_is_defined():
    for room, items in public_names(ROOT / "dmlnb", ROOMS).items():
        module = importlib.import_module(f"dmlnb.{room}")
        assert [item.name for item in items] == module.__all__
        for item in items:
            thing = getattr(module, item.name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                assert Path(inspect.getsourcefile(inspect.unwrap(thing))) == item.file, item.full


def test_every_room_of_the_library_has_its_page():
    assert set(ROOMS) == {file.parent.name for file in (ROOT / "dmlnb").glob("*/__init__.py")} - {"course"}
