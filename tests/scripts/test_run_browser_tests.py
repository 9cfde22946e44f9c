"""scripts/run_browser_tests.py without a browser: second tries, and what it says where it cannot run."""

import json
import os
import subprocess
import sys

import pytest
import run_browser_tests as runs


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    """Instead of pytest: each run ends with the next list of failed tests. Returns the arguments of each run."""
    monkeypatch.setattr(runs, "CACHE", tmp_path / "cache")
    called = []

    def runs_end_with(*outcomes):
        def run_tests(rest):
            failed = outcomes[len(called)]
            called.append(rest)
            file = runs.CACHE / "v" / "cache" / "lastfailed"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(dict.fromkeys(failed, True)))
            return int(bool(failed))

        monkeypatch.setattr(runs, "run_tests", run_tests)
        return called

    return runs_end_with


def test_what_passes_is_not_run_again(pretend):
    called = pretend([])
    assert runs.run_twice(["-k", "lasso"]) == 0 and called == [["-k", "lasso"]]


def test_what_fails_once_is_tried_again_and_named(pretend, capsys):
    called = pretend(["a", "b"], [])
    assert runs.run_twice([]) == 0 and len(called) == 2 and "--last-failed" in called[1]
    assert "PASSED AT THE SECOND TRY: a\nPASSED AT THE SECOND TRY: b\n" in capsys.readouterr().out


def test_what_fails_twice_is_a_failure(pretend, capsys):
    pretend(["a", "b"], ["b"])
    assert runs.run_twice([]) == 1
    assert "PASSED AT THE SECOND TRY: a\nFAILED TWICE: b\n" in capsys.readouterr().out


def test_a_run_that_breaks_off_is_a_failure_at_once(pretend, monkeypatch):
    pretend()
    monkeypatch.setattr(runs, "run_tests", lambda rest: 2)
    assert runs.run_twice([]) == 2


@pytest.mark.parametrize("arguments, status", [([], 0), (["--require"], 1)])
def test_without_a_browser_it_says_so(monkeypatch, capsys, arguments, status):
    for name in ("install_browser", "install_playwright"):
        monkeypatch.setattr(runs, name, lambda: None)
    monkeypatch.setattr(runs, "find_browser", lambda: None)
    monkeypatch.setattr("sys.argv", ["run_browser_tests.py", *arguments])
    assert runs.main() == status
    assert "BROWSER TESTS NOT RUN: could not find or install a browser" in capsys.readouterr().out


def test_it_starts_as_a_program_with_no_path_but_its_own():
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    program = [sys.executable, str(runs.ROOT / "scripts" / "run_browser_tests.py"), "--help"]
    done = subprocess.run(program, env=bare, cwd=runs.ROOT.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--require" in done.stdout
