"""The programs that clean, mark and run notebooks."""

import subprocess
import sys
from pathlib import Path

import badges
import clean_notebooks
import nbformat
import pytest
from clean_notebooks import WIDGET_VIEW, clean, text_of
from compile_constraints import pins
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

SCRIPTS = Path(clean_notebooks.__file__).parent


def messy():
    nb = new_notebook(
        metadata={"widgets": {"a": 1}, "kernelspec": {"name": "my-env", "display_name": "Mine"}, "colab": {}},
        cells=[
            new_markdown_cell("# Title  \nwords\n"),
            new_code_cell(
                "draw()",
                execution_count=3,
                metadata={
                    "alt": "a curve that rises",
                    "tags": ["claim-x"],
                    "execution": {"t": "2026"},
                    "scrolled": True,
                },
                outputs=[
                    new_output("stream", name="stderr", text="warning"),
                    new_output("stream", name="stdout", text="printed"),
                    new_output("display_data", data={"image/png": "AAAA", "text/plain": "<Figure>"}),
                    new_output("display_data", data={WIDGET_VIEW: {}, "text/plain": "VBox()"}),
                    new_output(
                        "display_data", data={WIDGET_VIEW: {}, "text/html": "<b>x</b>"}, metadata={"k": 1}
                    ),
                    new_output("execute_result", data={"text/plain": "5"}, execution_count=3),
                ],
            ),
            new_code_cell("", metadata={"tags": []}),
            new_code_cell("x", execution_count=8),
        ],
    )
    nb.cells[3].id = nb.cells[1].id
    return nb


def test_cleaning_removes_what_changes_and_keeps_what_is_read():
    nb = clean(messy(), "03_topic")
    assert set(nb.metadata) == {"kernelspec", "language_info"} and nb.metadata.kernelspec.name == "python3"
    assert [cell.id for cell in nb.cells] == [f"03_topic-00{i}" for i in range(4)]
    assert nb.cells[0].source == "# Title\nwords"
    cell = nb.cells[1]
    assert cell.metadata == {"alt": "a curve that rises", "tags": ["claim-x"]}
    printed, picture, widget, result = cell.outputs
    assert printed.text == "printed"
    assert (
        picture.metadata == {"image/png": {"alt": "a curve that rises"}}
        and picture.data["image/png"] == "AAAA"
    )
    assert widget.data == {"text/html": "<b>x</b>"} and widget.metadata == {}
    assert [cell.execution_count, result.execution_count, nb.cells[3].execution_count] == [1, 1, 2]
    assert nb.cells[2].execution_count is None and nb.cells[2].metadata == {}
    nbformat.validate(nb)


def test_cleaning_twice_changes_nothing():
    once = text_of(clean(messy(), "03_topic"))
    assert text_of(clean(nbformat.reader.reads(once), "03_topic")) == once


def test_a_wrong_order_of_execution_is_not_hidden():
    nb = messy()
    nb.cells[3].execution_count = 2
    assert [cell.execution_count for cell in clean(nb, "x").cells if cell.cell_type == "code"] == [3, None, 2]


def test_cell_ids_are_valid_for_any_name():
    nb = clean(messy(), "03 ü " + "long" * 40)
    nbformat.validate(nb)


def call(program, *arguments, cwd=None):
    command = [sys.executable, str(SCRIPTS / program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


def test_check_lists_files_and_changes_none(tmp_path):
    file = tmp_path / "03_topic.ipynb"
    file.write_text(text_of(messy()), encoding="utf-8")
    before = file.read_bytes()
    checked = call("clean_notebooks.py", "--check", tmp_path)
    assert checked.returncode == 1 and "03_topic.ipynb" in checked.stdout and file.read_bytes() == before
    assert call("clean_notebooks.py", tmp_path).returncode == 0 and file.read_bytes() != before
    checked = call("clean_notebooks.py", "--check", tmp_path)
    assert checked.returncode == 0 and checked.stdout == ""
    assert [item.name for item in tmp_path.iterdir()] == [file.name]


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

    assert call("badges.py", "--root", tmp_path).returncode == 0
    nb = nbformat.reader.reads(file.read_text(encoding="utf-8"))
    assert nb.cells[0].source == f"# Title\n\n{badges.badge_row('a/b', 'main', file.name)}\n\nA promise."
    assert nb.cells[2].source == badges.bootstrap_source("a/b", "main") and nb.cells[2].metadata.tags == [
        "bootstrap"
    ]
    assert len(nb.cells) == 4
    again = call("badges.py", "--root", tmp_path)
    assert again.stdout == "" and len(nbformat.reader.reads(file.read_text(encoding="utf-8")).cells) == 4

    assert call("badges.py", "--root", tmp_path, "--home", "me/fork", "--branch", "dev").returncode == 0
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
    bad = call("badges.py", "--root", tmp_path, "--home", "no-owner")
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


def notebooks(folder):
    """One notebook that runs and one that fails in its second cell, both with outputs of an earlier run."""
    folder.mkdir()
    sources = {
        "00_good": "import os, sys\nprint(os.path.basename(os.getcwd()), sys.executable)",
        "01_bad": "1 / 0",
    }
    for name, source in sources.items():
        old = new_output("stream", text="old")
        cells = [
            new_code_cell("x = 1"),
            new_code_cell(source, outputs=[old]),
            new_code_cell("print('after')"),
        ]
        (folder / f"{name}.ipynb").write_text(text_of(new_notebook(cells=cells)), encoding="utf-8")


def test_running_into_a_folder_and_in_place(tmp_path):
    folder, out = tmp_path / "notebooks", tmp_path / "build"
    notebooks(folder)
    out.mkdir()
    (out / "01_bad.html").write_text("of an earlier run")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    done = call("run_notebooks.py", "--folder", folder, "--out", out, "--jobs", 2)
    assert done.returncode == 1, done.stderr
    assert "FAIL" in done.stdout and "ZeroDivisionError" in done.stdout and "ok" in done.stdout
    assert sorted(file.name for file in out.iterdir()) == ["00_good.html", "00_good.ipynb"]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before

    done = call("run_notebooks.py", "--folder", folder, "00")
    assert done.returncode == 0, done.stderr
    cells = nbformat.reader.reads((folder / "00_good.ipynb").read_text(encoding="utf-8")).cells
    assert cells[1].outputs[0].text.strip() == f"notebooks {sys.executable}"
    assert [cell.execution_count for cell in cells] == [1, 2, 3]
    assert (folder / "00_good.ipynb").read_bytes() == (out / "00_good.ipynb").read_bytes()
    assert call("clean_notebooks.py", "--check", folder / "00_good.ipynb").returncode == 0

    done = call("run_notebooks.py", "--folder", folder, "09")
    assert done.returncode == 1 and "no notebooks" in done.stdout


def test_pins_are_the_lines_of_packages():
    assert pins("# made by\n-e file:///x\na==1\n    # via b\nb-c==2.0 ; python_version < '4'\n./x\n") == [
        "a==1",
        "b-c==2.0 ; python_version < '4'",
    ]
