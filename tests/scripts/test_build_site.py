"""`scripts/build_site.py` and the rules that its pages keep; the site itself is built by the browser tests."""

import re
from pathlib import Path

import build_site
import pytest
from site_rules import faults

ROOT = Path(__file__).parents[2]


def test_the_extra_is_read_and_its_tested_versions_are_kept():
    names = {re.split(r"[>=]", text)[0] for text in build_site.wanted()}
    assert names == {"sphinx", "myst-nb", "sphinx-book-theme", "sphinx-design"}
    pinned = re.findall(r"(?m)^([\w.-]+)==", (ROOT / "docs" / "constraints.txt").read_text())
    assert names <= set(pinned)
    assert not set(pinned) & set(re.findall(r"(?m)^([\w.-]+)==", (ROOT / "constraints.txt").read_text()))


def test_without_npm_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(build_site, "version", lambda name: "1")
    monkeypatch.setattr(build_site.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"npm was not found.*Node\.js"):
        build_site.install()


def test_only_what_is_new_is_written(tmp_path):
    file = tmp_path / "a" / "b.md"
    build_site.write(file, "one")
    stamp = file.stat().st_mtime_ns
    build_site.write(file, b"one")
    assert file.stat().st_mtime_ns == stamp
    build_site.write(file, "two")
    assert file.read_text() == "two"


def test_of_katex_come_the_style_and_one_format_of_fonts(tmp_path):
    fonts = tmp_path / "modules" / "katex" / "dist" / "fonts"
    fonts.mkdir(parents=True)
    for name in ("A.woff2", "A.woff", "A.ttf"):
        (fonts / name).write_text(name)
    (fonts.parent / "katex.min.css").write_text(
        '@font-face{src:url(fonts/A.woff2) format("woff2"),'
        'url(fonts/A.woff) format("woff"),url(fonts/A.ttf) format("truetype")}'
    )
    build_site.katex(tmp_path / "modules", tmp_path / "static")
    assert (tmp_path / "static" / "katex.min.css").read_text() == (
        '@font-face{src:url(fonts/A.woff2) format("woff2")}'
    )
    assert [file.name for file in (tmp_path / "static" / "fonts").iterdir()] == ["A.woff2"]


def test_the_table_names_what_a_method_needs():
    table = build_site.lift_table()
    assert "| `pooling/transport.py` | `_inputs.py` · `pooling/gates.py` |" in table
    assert "| `losses/distillation.py` | `_inputs.py` |" in table


def test_the_index_of_rooms_has_their_first_lines():
    text = build_site.api_index({"pooling": "# dmlnb.pooling\n\nPooling: many to one.\n\n| a |"})
    assert "| [dmlnb.pooling](pooling.md) | Pooling: many to one. |" in text


def test_the_start_page_has_a_place_for_all_that_is_put_in():
    marks = re.findall(r"%% (\w+) %%", (ROOT / "docs" / "index.md").read_text())
    assert sorted(set(marks)) == ["cards", "notebooks", "pages", "repository", "rooms"]


GOOD = '<link href="s.css"><article><h1 id="top">T</h1><a href="b.html#x">b</a><img src="p.png" alt="A p"></article>'


@pytest.mark.parametrize("change, fault", [
    (("b.html#x", "b.html#y"), "a.html: no such place: b.html#y"),
    (("b.html#x", "c.html"), "a.html: leads nowhere: c.html"),
    (("b.html#x", "/b.html"), "a.html: leads nowhere: /b.html"),
    (('alt="A p"', 'alt=""'), "a.html: a picture without words: p.png"),
    (('alt="A p"', ""), "a.html: a picture without words: p.png"),
    (('src="p.png"', 'src="q.png"'), "a.html: leads nowhere: q.png"),
    (("s.css", "https://cdn.x/s.css"), "a.html: loads from elsewhere: https://cdn.x/s.css"),
    (("</article>", "<h1>U</h1></article>"), "a.html: 2 titles"),
    (("", ""), None),
])  # fmt: skip
def test_faults_of_a_page_are_found(tmp_path, change, fault):
    (tmp_path / "a.html").write_text(GOOD.replace(*change) if change[0] else GOOD)
    (tmp_path / "b.html").write_text('<article><h1 id="x">B</h1></article>')
    (tmp_path / "p.png").write_text("")
    (tmp_path / "s.css").write_text("a { background: url(p.png) } /* url(gone.png) */")
    assert faults(tmp_path) == ([fault] if fault else [])


def test_faults_of_a_style_sheet_are_found(tmp_path):
    (tmp_path / "s.css").write_text(
        "a{b:url(gone.png)} c{d:url(https://x.y/z)} e{f:url(data:image/png;base64,)}"
    )
    assert faults(tmp_path) == [
        "s.css: leads nowhere: gone.png",
        "s.css: loads from elsewhere: https://x.y/z",
    ]


def test_the_explorer_is_a_page_of_its_own(tmp_path):
    file = tmp_path / "static" / "explorer.html"
    build_site.explorer_alive(file)
    text = file.read_text()
    assert "Letters of unseen scripts" in text and "GSP" in text and len(text) < 1.5e6
