"""What the pages of the website share: citations, links that leave the site, the list of references."""

import re
import unicodedata
from pathlib import Path

# TeX's letter after the backslash, and the mark that it puts on the next one
MARKS = "\u0308\u0301\u0300\u0302\u0303\u0327\u0306\u030c"
ACCENTS = dict(zip("\"'`^~cuv", MARKS, strict=True))
LINK = re.compile(r"(\]\()(?!\w+:|#|/)([^)\s#]+)(#[^)\s]*)?(\))")


def bibliography(text: str) -> dict[str, dict[str, str]]:
    """`{key: {"author": ..., "title": ..., ...}}` of a .bib file whose fields begin a line each."""
    found = {}
    for key, body in re.findall(r"(?ms)^@\w+\{([^,\s]+),(.*?)(?=^@|\Z)", text):
        fields = re.findall(r"(?ms)^\s*(\w+)\s*=\s*\{(.*?)\},?\s*(?=^\s*\w+\s*=|^\s*\}|\}?\s*\Z|^%)", body)
        found[key] = {name.lower(): " ".join(plain_tex(value).split()) for name, value in fields}
    return found


def plain_tex(text: str) -> str:
    """TeX's accents as letters, its braces and dashes taken away."""
    text = text.replace(r"{\i}", "ı").replace(r"\i", "ı").replace(r"\o", "ø").replace(r"\ss", "ß")
    accent = lambda m: unicodedata.normalize("NFC", m[2] + ACCENTS[m[1]])
    text = re.sub(r"""\\(["'`^~cuv])\s*\{?(\w)\}?""", accent, text)
    return re.sub(r"[{}]", "", text).replace(r"\&", "&").replace("--", "–").replace("~", " ")


def references_page(entries: dict[str, dict[str, str]]) -> str:
    """A page with a target for each key."""
    parts = ["# References\n\nDocstrings and notebooks cite these keys in square brackets.\n"]
    for key, entry in sorted(entries.items()):
        place = entry.get("booktitle") or entry.get("journal") or entry.get("publisher") or ""
        arxiv = entry.get("eprint", "")
        link = (
            f" [arXiv:{arxiv}](https://arxiv.org/abs/{arxiv})." if re.fullmatch(r"\d{4}\.\d+", arxiv) else ""
        )
        authors = " and ".join(" ".join(reversed(a.split(", "))) for a in entry["author"].split(" and "))
        where = f" *{place}*, " if place else " "
        parts.append(f"({key})=\n- **{key}** · {authors}. {entry['title']}.{where}{entry['year']}.{link}\n")
    return "\n".join(parts)


def cite(text: str, keys) -> str:
    """`[key]` becomes a link to the list of references, if it is a key of it and not a link already."""
    link = lambda m: f"[\\[{m[1]}\\]](#{m[1]})" if m[1] in keys else m[0]
    return re.sub(r"(?<![\]\\\w!])\[([a-z]+\d{4}[a-z]*)\](?![(\[:])", link, text)


def lead_out(text: str, place: str, staged, repository: str) -> str:
    """Links to files of the repository that are no page of the site lead to GitHub.

    Args:
        text: Markdown of the file `place`, a path from the root.
        staged: `(path from the root) -> bool`, whether the site has it.
        repository: `https://github.com/owner/name/blob/branch`.
    """

    def link(match):
        path = Path("/", place).parent.joinpath(match[2])
        path = Path(*_normal(path.parts[1:])).as_posix()
        return match[0] if staged(path) else f"{match[1]}{repository}/{path}{match[3] or ''}{match[4]}"

    return LINK.sub(link, text)


def _normal(parts) -> list[str]:
    found: list[str] = []
    for part in parts:
        if part == "..":
            found = found[:-1]
        elif part != ".":
            found.append(part)
    return found
