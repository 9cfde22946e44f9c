"""Make `.venv` and install the course into it; does nothing when it is up to date.

    python3 scripts/install.py

Needs Python 3.10 or newer with `venv`, and nothing else. uv is put into `.venv` by pip and installs the rest; where uv
cannot, pip does. `.venv/.installed` is written last, so an interrupted installation is taken up again by the next call.
"""

import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INPUTS = ("pyproject.toml", "requirements.txt", "constraints.txt")
TESTED = (3, 11)  # constraints.txt was resolved for this Python, on Linux


def venv_python(venv):
    """The interpreter inside a virtual environment."""
    return venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def version_in(python):
    """`(major, minor)` of a working interpreter that has pip; None when it does not run or has no pip."""
    try:
        command = [str(python), "-c", "import pip, sys; print(*sys.version_info[:2])"]
        found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return None
    return tuple(int(part) for part in found.stdout.split()) if found.returncode == 0 else None


def fingerprint(root, version):
    """What the stamp holds: it changes with the inputs' text, the Python version and the place of the tree."""
    digest = hashlib.sha256()
    for name in INPUTS:
        digest.update((root / name).read_bytes())
    return "{} python{}.{} {}\n".format(root, *version, digest.hexdigest())


def up_to_date(root):
    """True if the last installation finished and nothing it depends on has changed since."""
    stamp = root / ".venv" / ".installed"
    if not stamp.is_file():
        return False
    version = version_in(venv_python(root / ".venv"))
    return version is not None and stamp.read_text() == fingerprint(root, version)


def arguments(version, system):
    """Arguments of the installer: the tested versions where they were tested, the ranges elsewhere."""
    tested = version == TESTED and system == "Linux"
    return ["install", "-r", "requirements.txt", *(["-c", "constraints.txt"] if tested else [])]


def make_venv(venv):
    """A fresh virtual environment in place of whatever is there; a hint in one line where Python cannot make one."""
    shutil.rmtree(venv, ignore_errors=True)
    print(f"making {venv.name} with Python {platform.python_version()}", flush=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(venv)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if made.returncode or version_in(venv_python(venv)) is None:
        shutil.rmtree(venv, ignore_errors=True)
        sys.exit(
            "This Python cannot make virtual environments. On Debian or Ubuntu: sudo apt install python3-venv; "
            "or give another one: make PYTHON=/path/to/python3"
        )


def install(root):
    """Install everything into `root/.venv`, then write the stamp."""
    venv = root / ".venv"
    python = venv_python(venv)
    (venv / ".installed").unlink(missing_ok=True)
    if version_in(python) is None:
        make_venv(venv)
    version = version_in(python)
    options = arguments(version, platform.system())
    if "-c" not in options:
        print(
            "constraints.txt holds for Python {}.{} on Linux: installing without it".format(*TESTED),
            flush=True,
        )
    print("installing into .venv (about 6 GB in all, most of it torch)", flush=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "uv"], cwd=root)
    # as pip does: what each new process would have to compile otherwise, half of what it costs to import torch
    uv = [str(python), "-m", "uv", "pip", *options, "--compile-bytecode", "--python", str(python)]
    if subprocess.run(uv, cwd=root).returncode:
        print(
            "uv could not install; trying pip, which has its own settings for mirrors and proxies", flush=True
        )
        if subprocess.run([str(python), "-m", "pip", *options], cwd=root).returncode:
            sys.exit(
                "The installation failed: the reason is above. Call the same command again to take it up."
            )
    (venv / ".installed").write_text(fingerprint(root, version))


if __name__ == "__main__":
    if sys.version_info < (3, 10):
        sys.exit(
            "Python 3.10 or newer is needed, this is {}. Try: make PYTHON=python3.11".format(
                sys.version.split()[0]
            )
        )
    if not up_to_date(ROOT):
        install(ROOT)
