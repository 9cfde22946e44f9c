"""`scripts/colab_parity.py`: what it puts around a notebook, without Colab's 6 GB (make test-colab runs it whole)."""

import os
import subprocess
import sys

import colab_parity
import pytest


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(colab_parity, "PLACE", tmp_path / "colab")
    return tmp_path / "colab"


def test_a_command_that_fails_stops_the_program_with_its_words(capsys):
    assert colab_parity.call(sys.executable, "-c", "print(5)") == "5\n"
    with pytest.raises(SystemExit, match="(?s)sys.exit.*of no use"):
        colab_parity.call(sys.executable, "-c", "import sys; sys.exit('of no use')")


def test_the_stub_looks_like_colab_before_the_first_cell(place):
    colab_parity.make_stub()
    program = (
        "import google.colab, sys; from google.colab import output; output.enable_custom_widget_manager(); "
        "assert 'google.colab' in sys.modules; print(output._widgets._installed_url)"
    )
    surroundings = {**os.environ, "PYTHONPATH": str(place / "stub")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=surroundings)
    assert done.stdout.startswith("https://"), done.stderr
    config = place / "ipython" / "profile_default" / "ipython_kernel_config.py"
    assert "import google.colab" in config.read_text()


def test_the_remote_is_a_commit_of_the_files_that_git_knows_or_would_add(place, tmp_path, monkeypatch):
    root = tmp_path / "tree"
    (root / "build").mkdir(parents=True)
    for name in (".gitignore", "known.py", "new.py", "gone.py"):
        (root / name).write_text("build/" if name == ".gitignore" else name)
    (root / "build" / "left.py").write_text("ignored")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
    colab_parity.call(*git, "init", "-q", cwd=root)
    colab_parity.call(*git, "add", ".gitignore", "known.py", "gone.py", cwd=root)
    colab_parity.call(*git, "commit", "-qm", "first", cwd=root)
    (root / "gone.py").unlink()
    monkeypatch.setattr(colab_parity, "ROOT", root)
    place.mkdir()
    colab_parity.make_remote("main")
    listed = colab_parity.call("git", "ls-tree", "-r", "--name-only", "main", cwd=place / "remote")
    assert listed.split() == [".gitignore", "known.py", "new.py"]


def test_pip_reaches_no_index_and_the_address_on_github_is_answered_here(place):
    surroundings = colab_parity.environment("owner/name")
    assert surroundings["PIP_NO_INDEX"] == "1" and surroundings["PIP_FIND_LINKS"] == str(place / "wheels")
    assert surroundings["GIT_CONFIG_KEY_0"] == f"url.file://{place / 'remote'}.insteadOf"
    assert surroundings["GIT_CONFIG_VALUE_0"] == "https://github.com/owner/name"
