"""The blocks of docs/lift.md run, one after the other, as a reader would run them."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "lift.md"


def test_the_page_runs(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(blocks) == 3 and names["loss"].proxies.grad.abs().sum() > 0
    assert "recall_at" in capsys.readouterr().out
