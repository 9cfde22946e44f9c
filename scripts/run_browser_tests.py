"""Run the tests of tests/browser: a real JupyterLab in a real browser. Finds or installs what they need first.

    python scripts/run_browser_tests.py             where no browser can be found or installed: says so, status 0
    python scripts/run_browser_tests.py --require   the same is a failure
    python scripts/run_browser_tests.py -- -k lasso    what follows -- goes to pytest

Chromium comes from the system (Debian and Ubuntu: apt, when this runs as root), Playwright from PyPI into this Python.
"""

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser() -> str | None:
    """The first browser on the path."""
    return next((found for found in map(shutil.which, BROWSERS) if found), None)


def wanted() -> str:
    """The requirement that the extra `browser` names in pyproject.toml."""
    return re.search(r'(?m)^browser = \["([^"]+)"\]', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        1
    ]


def install_browser() -> None:
    """Try apt; quiet when it works."""
    if browser() or not shutil.which("apt-get") or os.geteuid() != 0:
        return
    print("installing chromium with apt-get", flush=True)
    quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
    for arguments in (
        ["update"],
        ["install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"],
    ):
        try:
            done = subprocess.run(
                ["apt-get", *arguments], env=quiet, capture_output=True, text=True, timeout=600
            )
        except subprocess.TimeoutExpired:
            print("apt-get took more than ten minutes", flush=True)
            return
        if done.returncode:
            print(done.stderr[-500:], flush=True)
            return


def install_playwright() -> None:
    """Try uv, then pip."""
    if importlib.util.find_spec("playwright"):
        return
    print(f"installing {wanted()}", flush=True)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable, wanted()]
    if subprocess.run(uv).returncode:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", wanted()])
    importlib.invalidate_caches()


def missing() -> list[str]:
    """What the tests need and is not there."""
    parts = [] if browser() else [f"a browser ({', '.join(BROWSERS)})"]
    return parts + ([] if importlib.util.find_spec("playwright") else [wanted()])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--require", action="store_true", help="fail where the tests cannot run")
    parser.add_argument("rest", nargs="*", help="for pytest")
    options = parser.parse_args()
    install_browser()
    install_playwright()
    if missing():
        print(f"BROWSER TESTS NOT RUN: could not find or install {' and '.join(missing())}", flush=True)
        return int(options.require)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/browser",
        "-m",
        "browser",
        "--durations=5",
        *options.rest,
    ]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    raise SystemExit(main())
