"""Installing `dmlnb[course]` in Colab adds dmlnb and faiss-cpu and replaces nothing. The whole test: make test-colab"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PINS = ROOT / "tests" / "colab" / "preinstalled.txt"
# preinstalled, but at a version that is not on record: accelerate, which is preinstalled, asks for safetensors>=0.4.3
UNRECORDED = {"safetensors": Version("0.4.3")}


def name(text):
    return re.sub(r"[._-]+", "-", text).lower()


def pins():
    lines = [line for line in PINS.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    return {name(key): Version(value) for key, value in (line.split("==") for line in lines)} | UNRECORDED


def course():
    """What the notebooks' first cell asks for, `dmlnb[course]`, and the versions of Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["course"]]
    return [Requirement(text) for text in asked], project["requires-python"]


def conflicts(requirements, have):
    """`(what would be installed anew, what would be replaced)`."""
    new = {name(r.name) for r in requirements if name(r.name) not in have}
    return new, {
        str(r) for r in requirements if name(r.name) in have and have[name(r.name)] not in r.specifier
    }


def test_only_faiss_is_new_and_nothing_is_replaced():
    requirements, python = course()
    assert conflicts(requirements, pins()) == ({"faiss-cpu"}, set())
    assert Requirement(f"python{python}").specifier.contains("3.13")


def test_what_would_replace_a_package_is_caught():
    wanted = [Requirement(text) for text in ("ipywidgets>=8", "numpy>=1.26", "jupyterlab>=4")]
    assert conflicts(wanted, pins()) == ({"jupyterlab"}, {"ipywidgets>=8"})


def test_a_resolver_agrees():
    """uv, given Colab's versions, finds a set of packages for Python 3.13 that holds every one of them unchanged."""
    texts = "\n".join(str(r) for r in course()[0])
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate"]
    command += ["--constraints", str(PINS), "--python-version", "3.13", "--python-platform", "linux"]
    done = subprocess.run(command, input=texts, capture_output=True, text=True, cwd=ROOT)
    if re.search(r"(?i)failed to fetch|error sending request|dns error|No module named uv", done.stderr):
        pytest.skip(f"no package index can be reached: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    found = {name(r.name): r for r in map(Requirement, done.stdout.split("\n")[:-1])}
    recorded = pins().keys() - UNRECORDED.keys()
    for key in recorded & found.keys():
        assert str(found[key].specifier) == f"=={pins()[key]}"
    assert {name(r.name) for r in course()[0]} <= found.keys()
