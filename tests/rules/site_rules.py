"""What must hold of the pages of the built website: every link leads somewhere, every picture says what it shows."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


class Page(HTMLParser):
    """Targets, links and pictures of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.speechless: list[str] = []
        self.headings = self.inside = 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        self.inside += tag == "article"
        self.headings += tag == "h1" and self.inside > 0  # the theme repeats the title outside, for print
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if (
            tag in LOADED
            and found.get(LOADED[tag])
            and found.get("rel") not in ("index", "search", "next", "prev", "canonical")
        ):
            self.loads.append(found[LOADED[tag]])
        if tag == "img" and ("alt" not in found or (self.inside and not (found["alt"] or "").strip())):
            self.speechless.append(found.get("src", "")[:80])

    def handle_endtag(self, tag):
        self.inside -= tag == "article"


def faults(site: Path) -> list[str]:
    """What is wrong in the pages of a folder, each with its page."""
    files = (file for file in sorted(site.rglob("*.html")) if "_static" not in file.parts)
    pages = {file: Page(file.read_text(encoding="utf-8")) for file in files}
    found = []
    for file, page in pages.items():
        name = file.relative_to(site).as_posix()
        found += [f"{name}: a picture without words: {source}" for source in page.speechless]
        found += [f"{name}: loads from elsewhere: {url}" for url in page.loads if urlsplit(url).netloc]
        found += [f"{name}: {page.headings} titles"] if page.headings != 1 and name != "search.html" else []
        for url in page.links + page.loads:
            if urlsplit(url).scheme or urlsplit(url).netloc:
                continue
            place, anchor = urldefrag(url)
            path = unquote(place.split("?")[0])
            target = (file.parent / path).resolve() if path else file
            if path.startswith("/") or not target.is_file():
                found.append(f"{name}: leads nowhere: {url}")
            elif anchor and target in pages and unquote(anchor) not in pages[target].ids:
                found.append(f"{name}: no such place: {url}")
    for file in sorted(site.rglob("*.css")):
        text = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.S)
        for url in re.findall(r"url\(\s*['\"]?([^'\")]+)", text):
            if urlsplit(url).scheme not in ("", "data"):
                found.append(f"{file.name}: loads from elsewhere: {url}")
            elif (
                not url.startswith(("data:", "#")) and not (file.parent / re.split(r"[?#]", url)[0]).is_file()
            ):
                found.append(f"{file.name}: leads nowhere: {url}")
    return found
