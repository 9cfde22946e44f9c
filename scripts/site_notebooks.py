"""Notebooks, the ledger and the cards of the start page, as the website shows them."""

import base64
import io
import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell
from site_text import cite, lead_out

EVERYWHERE = ("course_map(", "six_queries(")  # figures that stand in most notebooks: no face for a card

ALIVE = """```{raw} html
<iframe class="explorer" src="../_static/explorer.html" title="Explorer of letters, alive" loading="lazy"></iframe>
<p>Above, an explorer as in the next cell, alive without Python: hover, click, draw a lasso. It has the same two
networks, and fewer images.
<a href="../_static/explorer.html">Open it by itself</a>.</p>
```"""


def links_row(badges: str) -> str:
    """What stands under a title in place of the badge row: no picture from elsewhere, and the course's two tables."""
    urls = re.findall(r"(?<!!)\[([^\]\[]+|!\[[^\]]*\]\([^)]*\))\]\((https://[^)]+)\)", badges)
    colab = next(url for _, url in urls if "colab.research" in url)
    github = next(url for _, url in urls if url.startswith("https://github.com"))
    return (
        "::::{div} page-links\n"
        f"[Open in Colab]({colab}) [View on GitHub]({github}) [Notation](NOTATION.md) [Claims ledger](CLAIMS.md)\n"
        "::::"
    )


def staged_notebook(
    nb: nbformat.NotebookNode, keys, staged, repository: str, place: str
) -> nbformat.NotebookNode:
    """A copy with links in place of badges, a note before each cell that tests a claim, and no cell for Colab."""
    number = place.split("/")[-1][:2]
    nb, cells, told = nbformat.from_dict(nb), [], set()
    for cell in nb.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            lines = [
                links_row(x) if x.startswith("[![Open In Colab]") else x for x in cell.source.split("\n")
            ]
            cell.source = lead_out(cite("\n".join(lines), keys), place, staged, repository)
        elif "bootstrap" in tags:
            continue
        if alt := cell.metadata.get("alt"):
            cell.metadata["mystnb"] = {"image": {"alt": alt}}
        for claim in (tag.removeprefix("claim-") for tag in tags if tag.startswith("claim-")):
            note = f"::::{{div}} claim\nTests claim [{claim}](#{claim}) of the ledger\n::::"
            first = "" if claim in told else f"({claim}-in-{number})=\n"
            cells.append(new_markdown_cell(first + note))
            told.add(claim)
        if cell.cell_type == "code" and "EmbeddingExplorer(" in cell.source and "alive" not in told:
            cells.append(new_markdown_cell(ALIVE))
            told.add("alive")
        cells.append(cell)
    nb.cells = cells
    return nb


def staged_ledger(text: str, tagged: dict[str, list[str]]) -> str:
    """The ledger with a target at the first row of each claim, and links to the very cells that test it.

    Args:
        text: of `CLAIMS.md`: tables whose rows begin with the claim's id.
        tagged: `{claim: names of the notebooks with a cell that tests it}`.
    """
    out, told = [], set()
    for part in re.split(r"(?m)((?:^\|.*(?:\n|\Z))+)", text):
        rows = [ledger_row(line, tagged, told) for line in part.rstrip("\n").split("\n")]
        about = part.startswith("|") and any(ID.match(line) for line in part.split("\n"))
        out.append("\n".join(["::::{div} ledger", *rows, "::::\n"]) if about else part)
    return "".join(out)


ID = re.compile(r"\| *[`*]*([a-z]+-\d+)[`*]*(?=[ :|])")


def ledger_row(line: str, tagged: dict[str, list[str]], told: set[str]) -> str:
    """A row of a ledger's table; `told` are the claims that have their target, and grows."""
    if not (found := ID.match(line)):
        return line
    claim, rest = found[1], line[found.end() :]
    for name in tagged.get(claim, []):
        place = f"#{claim}-in-{name[:2]}"
        rest = rest.replace(f"]({name}.ipynb)", f"]({place})")
        rest = re.sub(rf"(?<=\| )`?{name}`?(?= \|)", f"[{name[:2]}]({place})", rest)
    rest = re.sub(r"(?<=\| )`?(\d\d)_(\w+)`?(?= \|)", r"[\1](\1_\2.ipynb)", rest)
    mark = f"[{claim}]{{.claim-id}}" if claim in told else f"[{claim}]{{#{claim} .claim-id}}"
    told.add(claim)
    return f"| {mark}{rest}"


def claims_of(notebooks: dict[str, nbformat.NotebookNode]) -> dict[str, list[str]]:
    """`{claim: names of the notebooks that test it}`."""
    found: dict[str, list[str]] = {}
    for name, nb in notebooks.items():
        for tag in sorted(
            {t for cell in nb.cells for t in cell.metadata.get("tags", []) if t.startswith("claim-")}
        ):
            found.setdefault(tag.removeprefix("claim-"), []).append(name)
    return found


def title(nb: nbformat.NotebookNode) -> str:
    """The first heading."""
    return re.search(r"(?m)^# (.+)$", nb.cells[0].source)[1]


def promise(nb: nbformat.NotebookNode) -> str:
    """The bold line under the title, as a sentence of its own."""
    found = re.search(r"(?m)^\*\*(.+)\*\*$", nb.cells[0].source)
    words = found[1].removeprefix("In this notebook ") if found else ""
    return words[:1].upper() + words[1:]


def face(nb: nbformat.NotebookNode) -> bytes | None:
    """The picture of a notebook's card: its first figure that is not in most notebooks."""
    for cell in nb.cells:
        if any(name in cell.source for name in EVERYWHERE):
            continue
        for output in cell.get("outputs", []):
            if picture := output.get("data", {}).get("image/png"):
                return base64.b64decode(picture)
    return None


def small(picture: bytes, width: int = 640) -> bytes:
    """A PNG of at most this width."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.LANCZOS)
    image.quantize(128).save(file := io.BytesIO(), "PNG", optimize=True)
    return file.getvalue()


def cards(notebooks: dict[str, nbformat.NotebookNode], folder: Path) -> str:
    """A grid of cards, one a notebook: its face, its title, its promise. Writes the faces into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["::::::{grid} 1 2 2 3", ":gutter: 3", ""]
    for name, nb in notebooks.items():
        words = f"{name[:2]} · {title(nb)}"
        lines += [f":::::{{grid-item-card}} {words}", f":link: notebooks/{name}", ":link-type: doc"]
        if picture := face(nb):
            (folder / f"{name[:2]}.png").write_bytes(small(picture))
            lines += [f":img-top: {folder.name}/{name[:2]}.png", f":img-alt: A figure of notebook {name[:2]}"]
        lines += ["", promise(nb), ":::::", ""]
    return "\n".join([*lines, "::::::"])
