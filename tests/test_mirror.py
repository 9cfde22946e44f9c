"""The tests mirror the tree: `dmlnb/losses/pairs.py` is tested in `tests/losses/test_pairs.py`, and back."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Files without a test file of their own, each with the reason.
TESTED_ELSEWHERE = {
    "dmlnb/_inputs.py": "each check is tried by the errors of the functions that make it (tests/border.py)",
}
# Test files that belong to no single file, each with the reason.
OF_NO_FILE = {
    "tests/training/test_files.py": "the loop and the reading of data sets together",
}
# Still to be done: files whose test file is to be written, test files that are to be renamed. Take a name out when it
# is done; never add one.
PENDING = set()

MIRRORED = {"dmlnb": "tests", "scripts": "tests/scripts"}


def expected(file):
    """Where the test of a file stands: `dmlnb/losses/pairs.py` -> `tests/losses/test_pairs.py`.

    What stands in the `__init__.py` of a folder is tested beside the folder: `dmlnb/data/x/__init__.py` is a module x.
    """
    top, *folders, name = file.removesuffix("/__init__.py").split("/")
    name = name if name.endswith(".py") else f"{name}.py"
    return "/".join([MIRRORED[top], *folders, f"test_{name.lstrip('_')}"])


def unmatched(files, tests, elsewhere, of_no_file):
    """`(files without their test, tests without their file)`."""
    wanted = {expected(file): file for file in files}
    missing = {file for test, file in wanted.items() if test not in tests and file not in elsewhere}
    return missing, {test for test in tests if test not in wanted and test not in of_no_file}


def tree():
    """Files that are to be tested, and test files in the rooms that mirror them; an `__init__.py` if it defines."""
    files = [f for top in MIRRORED for f in (ROOT / top).rglob("*.py") if f.name != "__main__.py"]
    files = [f for f in files if f.name != "__init__.py" or "\ndef " in f.read_text(encoding="utf-8")]
    wanted = {ROOT / expected(f.relative_to(ROOT).as_posix()) for f in files}
    rooms = {test.parent for test in wanted} - {ROOT / "tests"}  # there stand the tests of the project too
    tests = {test for room in rooms for test in room.glob("test_*.py")} | {t for t in wanted if t.exists()}
    return ({f.relative_to(ROOT).as_posix() for f in found} for found in (files, tests))


def test_tests_mirror_the_tree():
    missing, stray = unmatched(*tree(), TESTED_ELSEWHERE, OF_NO_FILE)
    assert sorted((missing | stray) - PENDING) == []


def test_the_lists_hold_nothing_that_is_done():
    files, tests = tree()
    missing, stray = unmatched(files, tests, {}, {})
    assert sorted(PENDING - (missing | stray)) == []
    assert set(TESTED_ELSEWHERE) <= missing
    assert set(OF_NO_FILE) <= stray


@pytest.mark.parametrize("files, tests, found", [
    ({"dmlnb/losses/pairs.py"}, {"tests/losses/test_pairs.py"}, (set(), set())),
    ({"dmlnb/losses/pairs.py"}, set(), ({"dmlnb/losses/pairs.py"}, set())),
    ({"dmlnb/losses/pairs.py"}, {"tests/test_pairs.py"}, ({"dmlnb/losses/pairs.py"}, {"tests/test_pairs.py"})),
    ({"scripts/install.py"}, {"tests/scripts/test_install.py"}, (set(), set())),
    ({"dmlnb/_inputs.py"}, {"tests/test_inputs.py"}, (set(), set())),
    ({"dmlnb/data/x/__init__.py"}, {"tests/data/test_x.py"}, (set(), set())),
    ({"dmlnb/data/x/__init__.py"}, {"tests/x.py"}, ({"dmlnb/data/x/__init__.py"}, {"tests/x.py"})),
])  # fmt: skip
def test_a_file_without_its_test_is_found(files, tests, found):
    assert unmatched(files, tests, {}, {}) == found
