"""Build sdist and wheel, and try the wheel as a user would: in an environment of its own, away from this repository.

    python scripts/try_wheel.py             into build/dist, then metadata, contents and a few unit tests
    python scripts/try_wheel.py --quick     without the environment: build, metadata and contents

The environment is made anew in a temporary folder by uv, whose cache keeps it short, and holds the library alone: no
extra, no notebook. Status 0 when all is well.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "build" / "dist"
# A handful of every room that the library has.
TESTS = [
    "geometry/test_norms.py", "data/test_batches.py", "losses/test_relational.py", "losses/test_distillation.py",
    "pooling/test_simple.py", "prototypes/test_ridge.py", "retrieval/test_threshold.py", "models/test_saved.py",
    "distill/test_codebook.py", "training/test_optimizer.py",
]  # fmt: skip


def run(*command, **options) -> None:
    """Run a command; stop where it fails."""
    if done := subprocess.run([str(part) for part in command], **options).returncode:
        sys.exit(f"failed with status {done}: {' '.join(map(str, command))}")


def left_out(names: list[str], root: Path) -> list[str]:
    """Files of the package that the wheel's `names` lack, and what the wheel holds besides it."""
    package = {
        file.relative_to(root).as_posix()
        for file in (root / "dmlnb").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    found = {name for name in names if ".dist-info/" not in name}
    return sorted(package ^ found)


def build() -> Path:
    """The wheel, built from the sdist, so that the sdist is whole too."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "uv", "build", "--quiet", "--out-dir", DIST, ROOT)
    run(
        sys.executable,
        "-m",
        "uv",
        "tool",
        "run",
        "--quiet",
        "twine",
        "check",
        "--strict",
        *DIST.glob("dmlnb-*"),
    )
    (wheel,) = DIST.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        if wrong := left_out(archive.namelist(), ROOT):
            sys.exit(f"{wheel.name}: these differ between package and wheel: {', '.join(wrong)}")
    return wheel


def try_it(wheel: Path, place: Path) -> None:
    """Install the wheel into `place/venv` and run tests of it in `place`, where there is no other dmlnb."""
    python = place / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    run(sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, place / "venv")
    run(
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        wheel,
        "pytest",
        "hypothesis",
    )
    shutil.copytree(ROOT / "tests", place / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "conftest.py", place)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    where = "import dmlnb; print('trying', dmlnb.__version__, dmlnb.__file__); assert 'site-packages' in dmlnb.__file__"
    run(python, "-c", where, cwd=place, env=clean)
    files = [f"tests/{name}" for name in TESTS]
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "error"]
    run(python, "-m", "pytest", *options, *files, cwd=place, env=clean)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="build and look into it, but do not install it")
    options = parser.parse_args()
    wheel = build()
    if not options.quick:
        with tempfile.TemporaryDirectory(prefix="dmlnb-wheel-") as place:
            try_it(wheel, Path(place))


if __name__ == "__main__":
    main()
