"""KaTeX in a node process: a formula in, its HTML out."""

import json
import subprocess
from pathlib import Path

LINES = Path(__file__).with_name("katex_lines.mjs")


class Katex:
    """A node process that sets formulas one after the other; started by the first one.

    Args:
        module: folder of KaTeX's npm package.
    """

    def __init__(self, module: Path):
        self.module, self.process = module, None

    def __call__(self, formula: str, display: bool) -> str:
        """The HTML of a formula; raises `ValueError` with KaTeX's words if it cannot be set."""
        if self.process is None:
            command, pipe = ["node", str(LINES), str(self.module)], subprocess.PIPE
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")
        self.process.stdin.write(json.dumps({"formula": formula, "display": display}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "node ended"}')
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["html"]

    def close(self) -> None:
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process.stdout.close()
            self.process = None


def in_lines(formula: str) -> str:
    r"""A formula of several lines, divided by `\\`, in an environment, if it has none of its own."""
    divided = r"\\" in formula and r"\begin" not in formula
    return rf"\begin{{gathered}}{formula}\end{{gathered}}" if divided else formula
