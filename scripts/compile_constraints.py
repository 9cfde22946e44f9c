"""Resolve constraints.txt anew: the versions that `make` installs on Linux with Python 3.11."""

import subprocess
import sys
from pathlib import Path

from clean_notebooks import write_whole

ROOT = Path(__file__).resolve().parent.parent


def pins(resolved: str) -> list[str]:
    """The `name==version` lines of what uv resolved; the package itself and comments fall away."""
    return [line for line in resolved.splitlines() if "==" in line and not line.startswith(("#", "-", " "))]


def main() -> int:
    file = ROOT / "constraints.txt"
    header = file.read_text(encoding="utf-8").splitlines()[0]
    command = [sys.executable, "-m", "uv", "pip", "compile", "requirements.txt", "--quiet", "--upgrade"]
    command += ["--python-version", "3.11", "--python-platform", "linux", "--no-header", "--no-annotate"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return done.returncode
    write_whole(file, "\n".join([header, *pins(done.stdout)]) + "\n")
    print(f"wrote {len(pins(done.stdout))} versions; now run: make test")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
