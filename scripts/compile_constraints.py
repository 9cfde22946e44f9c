"""Resolve constraints.txt and docs/constraints.txt anew: what `make` installs on Linux with Python 3.11."""

import subprocess
import sys
from pathlib import Path

from build_site import wanted
from clean_notebooks import write_whole

ROOT = Path(__file__).resolve().parent.parent


def pins(resolved: str) -> list[str]:
    """The `name==version` lines of what uv resolved; the package itself and comments fall away."""
    return [line for line in resolved.splitlines() if "==" in line and not line.startswith(("#", "-", " "))]


def resolve(*arguments: str, text: str | None = None) -> list[str]:
    """The versions that uv chooses; ends the program if it finds none."""
    command = [sys.executable, "-m", "uv", "pip", "compile", *arguments, "--quiet", "--upgrade"]
    command += ["--python-version", "3.11", "--python-platform", "linux", "--no-header", "--no-annotate"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, input=text)
    if done.returncode:
        sys.exit(done.returncode)
    return pins(done.stdout)


def store(file: Path, found: list[str]) -> None:
    """Write the pins under the file's first line."""
    header = file.read_text(encoding="utf-8").splitlines()[0]
    write_whole(file, "\n".join([header, *found]) + "\n")
    print(f"wrote {len(found)} versions into {file.relative_to(ROOT)}")


def main() -> int:
    found = resolve("requirements.txt")
    store(ROOT / "constraints.txt", found)
    more = resolve("-", "-c", "constraints.txt", text="\n".join(wanted()))
    store(ROOT / "docs" / "constraints.txt", [pin for pin in more if pin not in found])
    print("now run: make test && make site")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
