"""`scripts/badges.py`: badges and first cells follow the home that pyproject.toml records."""

import badges
import nbformat
import pytest
from clean_notebooks import text_of
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.scripts.call import call


def test_badges_are_written_once_and_follow_the_home(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dmlnb]\nhome = "a/b"\nbranch = "main"\n\n[x]\nhome = "a/b"\n'
    )
    (tmp_path / "README.md").write_text(
        "https://github.com/a/b https://github.com/a/b-c https://x.org/github/a/b/blob/main/notebooks/1.ipynb a/b"
    )
    file = tmp_path / "notebooks" / "03_topic.ipynb"
    cells = [
        new_markdown_cell("# Title\n\nA promise."),
        new_markdown_cell("You will"),
        new_code_cell("x = 1"),
    ]
    file.write_text(text_of(new_notebook(cells=cells)), encoding="utf-8")

    assert call(badges.__file__, "--root", tmp_path).returncode == 0
    nb = nbformat.reader.reads(file.read_text(encoding="utf-8"))
    assert nb.cells[0].source == f"# Title\n\n{badges.badge_row('a/b', 'main', file.name)}\n\nA promise."
    assert nb.cells[2].source == badges.bootstrap_source("a/b", "main") and nb.cells[2].metadata.tags == [
        "bootstrap"
    ]
    assert len(nb.cells) == 4
    again = call(badges.__file__, "--root", tmp_path)
    assert again.stdout == "" and len(nbformat.reader.reads(file.read_text(encoding="utf-8")).cells) == 4

    assert call(badges.__file__, "--root", tmp_path, "--home", "me/fork", "--branch", "dev").returncode == 0
    text = file.read_text(encoding="utf-8")
    assert (
        "a/b" not in text
        and "me/fork@dev" in text
        and "github/me/fork/blob/dev/notebooks/03_topic.ipynb" in text
    )
    assert badges.read_home(tmp_path) == ("me/fork", "dev")
    assert (tmp_path / "pyproject.toml").read_text().endswith('[x]\nhome = "a/b"\n')
    assert (tmp_path / "README.md").read_text() == (
        "https://github.com/me/fork https://github.com/a/b-c "
        "https://x.org/github/me/fork/blob/dev/notebooks/1.ipynb a/b"
    )
    bad = call(badges.__file__, "--root", tmp_path, "--home", "no-owner")
    assert (
        bad.returncode == 1
        and "owner/name" in bad.stderr
        and badges.read_home(tmp_path) == ("me/fork", "dev")
    )


def test_a_missing_home_is_named(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.dmlnb]\nhome = "a/b"\n[x]\nbranch = "main"\n')
    with pytest.raises(SystemExit, match="branch"):
        badges.read_home(tmp_path)


def test_the_bootstrap_cell_acts_only_in_colab():
    assert badges.bootstrap_source("o/r", "main") == (
        'import sys\n\nif "google.colab" in sys.modules:\n'
        '    %pip install -q "dmlnb[course] @ git+https://github.com/o/r@main"'
    )
