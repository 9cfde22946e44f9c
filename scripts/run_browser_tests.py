"""Run the tests of tests/browser: a real JupyterLab in a real browser. Finds or installs what they need first.

    python scripts/run_browser_tests.py             where no browser can be found or installed: says so, status 0
    python scripts/run_browser_tests.py --require   the same is a failure
    python scripts/run_browser_tests.py -- -k lasso    what follows -- goes to pytest

Files are run two at a time. A test that fails is tried once more, in a new JupyterLab and browser; the run fails if it
fails there too. What passes at the second try is named at the end. Chromium comes from the system (Debian and Ubuntu:
apt, when this runs as root), Playwright from PyPI into this Python.
"""

import argparse
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from browser_lab import AXE, AXE_VERSION, BROWSERS, SCREENSHOTS, find_browser  # noqa: E402

CACHE = SCREENSHOTS / "cache"  # of these runs alone: what failed last
MOST = 45  # minutes, for a machine that is busy with other things


def wanted() -> str:
    """The requirement that the extra `browser` names in pyproject.toml."""
    return re.search(r'(?m)^browser = \["([^"]+)"\]', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        1
    ]


def install_browser() -> None:
    """Try apt; quiet when it works."""
    if find_browser() or not shutil.which("apt-get") or os.geteuid() != 0:
        return
    print("installing chromium with apt-get", flush=True)
    quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
    for arguments in (
        ["update", "-o", "Acquire::Retries=3"],
        [
            "install",
            "-y",
            "-o",
            "Acquire::Retries=3",
            "--no-install-recommends",
            "chromium",
            "fonts-dejavu-core",
        ],
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


def install_axe() -> None:
    """Try npm; without it the test of accessibility says so and is skipped."""
    folder, program = AXE.parents[2], shutil.which("npm")
    if program and not AXE.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [program, "install", "--silent", "--no-save", "--prefix", str(folder), AXE_VERSION]
        subprocess.run(command, capture_output=True, timeout=300)


def missing() -> list[str]:
    """What the tests need and is not there."""
    parts = [] if find_browser() else [f"a browser ({', '.join(BROWSERS)})"]
    return parts + ([] if importlib.util.find_spec("playwright") else [wanted()])


def run_tests(rest: list[str]) -> int:
    """One run of pytest; its exit status. What hangs is interrupted, so that pytest says where, and then ended."""
    command = [sys.executable, "-m", "pytest", "tests/browser", "-m", "browser", "--durations=5"]
    # two at a time, a file's tests together: each worker has one JupyterLab and one browser, and one builds the site
    command += ["-n", "2", "--dist", "loadscope", "-o", f"cache_dir={CACHE}"]
    tests = subprocess.Popen([*command, *rest], cwd=ROOT, start_new_session=True)
    try:
        return tests.wait(60 * MOST)
    except subprocess.TimeoutExpired:
        print(f"the browser tests did not end within {MOST} minutes", flush=True)
        return 2
    finally:
        if tests.poll() is None:
            tests.send_signal(signal.SIGINT)
            try:
                tests.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(
                    tests.pid, signal.SIGKILL
                )  # with the server; browser and kernels end when left alone


def failed_last() -> list[str]:
    """The tests that failed in the last run."""
    file = CACHE / "v" / "cache" / "lastfailed"
    return sorted(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else []


def run_twice(rest: list[str]) -> int:
    """All tests, and once more those that failed; 0 if each has passed."""
    shutil.rmtree(CACHE, ignore_errors=True)
    status = run_tests(rest)
    failed = failed_last()
    if status != 1 or not failed:
        return status
    print(f"once more, in a new JupyterLab and browser: {', '.join(failed)}", flush=True)
    status = run_tests([*rest, "--last-failed", "--last-failed-no-failures=none"])
    still = failed_last() if status else []
    for name in failed:
        print(f"{'FAILED TWICE' if name in still else 'PASSED AT THE SECOND TRY'}: {name}", flush=True)
    return status


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--require", action="store_true", help="fail where the tests cannot run")
    parser.add_argument("rest", nargs="*", help="for pytest")
    options = parser.parse_args()
    install_browser()
    install_playwright()
    install_axe()
    if missing():
        print(f"BROWSER TESTS NOT RUN: could not find or install {' and '.join(missing())}", flush=True)
        return int(options.require)
    return run_twice(options.rest)


if __name__ == "__main__":
    raise SystemExit(main())
