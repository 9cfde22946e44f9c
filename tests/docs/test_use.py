"""The blocks of docs/use.md run, one after the other, as a reader would run them."""

import re
from pathlib import Path

from tests.every import exports_all

PAGE = Path(__file__).parents[2] / "docs" / "use.md"


@exports_all
def test_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(blocks) == 8 and len(names["index"]) > 0
    assert sorted(p.name for p in (tmp_path / "service").iterdir()) == [
        "letters.index",
        "letters.net",
        "letters.onnx",
    ]
    assert "the nearest row is of the query's class" in capsys.readouterr().out
