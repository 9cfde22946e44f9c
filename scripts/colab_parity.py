"""Run notebooks as Colab would: with its published package versions, from an empty folder, by their own first cell.

    python scripts/colab_parity.py              notebooks 00, 02 and 08, those that exist
    python scripts/colab_parity.py 08           only this one

What is Colab's here: the versions in tests/colab/preinstalled.txt, ipywidgets 7 and IPython 7, a module `google.colab`
(a stub of ours) that is loaded before the first cell, a working folder with nothing but the notebook, and no package
index. The first cell's address on GitHub is answered by a commit of this working tree; faiss-cpu comes from a folder.
What is not: Colab's Python (3.13 there, the one that runs this here), its page in the browser, a GPU.

Everything lies in build/colab; the environment (about 6 GB) is made once. Status 0 when every notebook runs through and
its first cell has installed dmlnb and faiss-cpu and changed nothing else.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from badges import read_home

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "tests" / "colab" / "preinstalled.txt"
PLACE = ROOT / "build" / "colab"
PYTHON = PLACE / "venv" / "bin" / "python"
NEW = {"dmlnb", "faiss-cpu"}
STUB = {
    "google/colab/__init__.py": "from google.colab import output\n",
    "google/colab/output/__init__.py": (
        "from google.colab.output import _widgets\n\n\n"
        "def enable_custom_widget_manager():\n"
        "    _widgets._installed_url = 'https://ssl.gstatic.com/colaboratory-static/widgets'\n"
    ),
    "google/colab/output/_widgets.py": "_installed_url = None\n",
}


def call(*command, **options) -> str:
    """The output of a command; stops with it when the command fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def make_environment() -> None:
    """A virtual environment with Colab's versions; kept as long as the list of them is the same."""
    stamp = PLACE / "venv" / ".pins"
    if stamp.exists() and stamp.read_text() == PINS.read_text():
        return
    print("installing Colab's versions into build/colab/venv (about 6 GB)", flush=True)
    shutil.rmtree(PLACE / "venv", ignore_errors=True)
    PLACE.mkdir(parents=True, exist_ok=True)
    call(sys.executable, "-m", "venv", PLACE / "venv")
    call(sys.executable, "-m", "uv", "pip", "install", "--python", PYTHON, "-r", PINS)
    stamp.write_text(PINS.read_text())


def make_wheelhouse() -> None:
    """What pip may install from: faiss-cpu, and setuptools to build the package with."""
    wheels = PLACE / "wheels"
    if not wheels.exists():
        call(
            PYTHON,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
            wheels,
            "faiss-cpu>=1.9",
            "setuptools>=69",
        )


def make_remote(branch: str) -> None:
    """A git repository with one commit: the files of this working tree that git knows or would add."""
    remote = PLACE / "remote"
    shutil.rmtree(remote, ignore_errors=True)
    listed = call("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (remote / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, remote / name)
    git = ["git", "-c", "user.name=parity", "-c", "user.email=parity@localhost"]
    call(*git, "init", "-q", "-b", branch, cwd=remote)
    call(*git, "add", "-A", cwd=remote)
    call(*git, "commit", "-qm", "the working tree", cwd=remote)


def make_stub() -> None:
    """The module `google.colab`, and the setting that loads it before the first cell."""
    for name, text in STUB.items():
        file = PLACE / "stub" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    profile = PLACE / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.exec_lines = ['import google.colab']\n")


def environment(home: str) -> dict[str, str]:
    """Nothing of the outside but the path."""
    return {
        "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
        "HOME": str(PLACE / "home"),
        "PYTHONPATH": str(PLACE / "stub"),
        "IPYTHONDIR": str(PLACE / "ipython"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(PLACE / "wheels"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{PLACE / 'remote'}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{home}",
    }


def installed() -> dict[str, str]:
    """`{name: version}` of the environment."""
    lines = call(PYTHON, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check").splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line)


def run(notebook: Path, home: str) -> list[str]:
    """Run one notebook in an empty folder; what is wrong, in words."""
    subprocess.run([PYTHON, "-m", "pip", "uninstall", "-qy", *NEW], capture_output=True)
    content = PLACE / "content"
    shutil.rmtree(content, ignore_errors=True)
    content.mkdir()
    shutil.copy(notebook, content)
    before, start = installed(), time.monotonic()
    command = [
        PYTHON,
        "-m",
        "nbconvert",
        "--to",
        "notebook",
        "--execute",
        "--ExecutePreprocessor.timeout=600",
    ]
    command += ["--output", f"../ran_{notebook.name}", notebook.name]
    done = subprocess.run(
        list(map(str, command)), cwd=content, env=environment(home), capture_output=True, text=True
    )
    wrong = [f"did not run through:\n{done.stderr[-3000:]}"] if done.returncode else []
    after = installed()
    changed = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
    if changed != NEW:
        wrong.append(f"expected only {sorted(NEW)} to be installed, but these changed: {sorted(changed)}")
    if after.get("ipywidgets") != "7.7.1":
        wrong.append(f"ipywidgets is {after.get('ipywidgets')}, Colab has 7.7.1")
    words = "; ".join(wrong) or f"installed {', '.join(sorted(changed))}, nothing else changed"
    print(
        f"{'FAIL' if wrong else 'ok  '} {time.monotonic() - start:6.1f} s  {notebook.stem}: {words}",
        flush=True,
    )
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=["00", "02", "08"], help="the numbers of notebooks")
    options = parser.parse_args()
    files = [f for name in options.names for f in sorted((ROOT / "notebooks").glob(f"{name}*.ipynb"))]
    if not files:
        sys.exit(f"no notebooks: {' '.join(options.names)}")
    home, branch = read_home()
    make_environment()
    make_wheelhouse()
    make_remote(branch)
    make_stub()
    (PLACE / "home").mkdir(exist_ok=True)
    return int(any([run(file, home) for file in files]))


if __name__ == "__main__":
    raise SystemExit(main())
