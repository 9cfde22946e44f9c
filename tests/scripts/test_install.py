"""`scripts/install.py`: when it installs, with what, and what it does with a broken environment."""

import subprocess
import sys

import install
import pytest


@pytest.fixture
def tree(tmp_path):
    for name in install.INPUTS:
        (tmp_path / name).write_text(name)
    python = install.venv_python(tmp_path / ".venv")
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return tmp_path


def stamp(tree):
    version = install.version_in(install.venv_python(tree / ".venv"))
    (tree / ".venv" / ".installed").write_text(install.fingerprint(tree, version))


def test_without_a_stamp_it_is_not_up_to_date(tree):
    assert not install.up_to_date(tree)
    stamp(tree)
    assert install.up_to_date(tree)


@pytest.mark.parametrize("name", install.INPUTS)
def test_a_changed_input_is_noticed(tree, name):
    stamp(tree)
    (tree / name).write_text("changed")
    assert not install.up_to_date(tree)


def test_a_broken_interpreter_is_noticed(tree):
    stamp(tree)
    python = install.venv_python(tree / ".venv")
    python.unlink()
    assert install.version_in(python) is None and not install.up_to_date(tree)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    assert install.version_in(python) is None and not install.up_to_date(tree)


def test_a_moved_tree_and_another_python_are_noticed(tree):
    assert install.fingerprint(tree, (3, 11)) != install.fingerprint(tree, (3, 12))
    stamp(tree)
    moved = tree.rename(tree.with_name("moved"))
    assert not install.up_to_date(moved)


def test_tested_versions_are_used_only_where_they_were_tested():
    assert install.arguments((3, 11), "Linux") == [
        "install",
        "-r",
        "requirements.txt",
        "-c",
        "constraints.txt",
    ]
    assert install.arguments((3, 12), "Linux") == ["install", "-r", "requirements.txt"]
    assert install.arguments((3, 11), "Darwin") == ["install", "-r", "requirements.txt"]


class Runs:
    """Stands in for subprocess.run: records what would be run; commands that contain one of `failing` fail."""

    def __init__(self, *failing):
        self.failing, self.commands = failing, []

    def __call__(self, command, **options):
        if "-c" in command and "import pip" in command[-1]:
            return REAL_RUN(command, **options)
        self.commands.append(" ".join(command[1:]))
        return subprocess.CompletedProcess(
            command, int(any(text in self.commands[-1] for text in self.failing))
        )


REAL_RUN = subprocess.run


def test_uv_installs_and_the_stamp_is_written_last(tree, monkeypatch, capsys):
    runs = Runs()
    monkeypatch.setattr(subprocess, "run", runs)
    install.install(tree)
    assert runs.commands[0] == "-m pip install --quiet uv"
    assert runs.commands[1].startswith("-m uv pip install -r requirements.txt") and len(runs.commands) == 2
    assert (
        "--compile-bytecode" in runs.commands[1]
    )  # uv would leave it to each process, ten seconds every time
    assert install.up_to_date(tree)


def test_pip_takes_over_from_uv(tree, monkeypatch, capsys):
    runs = Runs("-m uv")
    monkeypatch.setattr(subprocess, "run", runs)
    install.install(tree)
    assert runs.commands[-1].startswith("-m pip install -r requirements.txt")
    assert "trying pip" in capsys.readouterr().out and install.up_to_date(tree)


def test_a_failed_installation_leaves_no_stamp(tree, monkeypatch, capsys):
    stamp(tree)
    monkeypatch.setattr(subprocess, "run", Runs("-r requirements.txt"))
    with pytest.raises(SystemExit, match="failed"):
        install.install(tree)
    assert not install.up_to_date(tree) and not (tree / ".venv" / ".installed").exists()


def test_a_python_without_venv_gets_one_line(tree, monkeypatch, capsys):
    install.venv_python(tree / ".venv").unlink()
    monkeypatch.setattr(subprocess, "run", Runs("-m venv"))
    with pytest.raises(SystemExit, match="python3-venv") as stop:
        install.install(tree)
    assert "\n" not in str(stop.value) and not (tree / ".venv").exists()
