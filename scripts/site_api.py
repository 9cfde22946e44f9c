"""Pages of the library: the public names of each room, from their docstrings, without importing anything.

Docstrings are written for a reader of the file: Google's sections, `$` formulas, `[key]` citations and indented
examples. All but the sections is Markdown already, so a page is Markdown too, and Sphinx's Python domain makes targets
and the index of it.
"""

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from site_text import cite

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "rules"))

from lift import METHODS, needed, target  # noqa: E402, F401

SECTIONS = ("Args", "Attributes", "Shape", "Returns", "Raises", "Yields")
LISTS = ("Args", "Attributes", "Raises")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Public:
    """A public name: the room it is taken from, its file, and what stands there."""

    room: str
    name: str
    file: Path
    node: ast.AST

    @property
    def full(self) -> str:
        return f"dmlnb.{self.room}.{self.name}"


def names_of(package: Path, room: str) -> list[str]:
    """`__all__` of a room."""
    tree = ast.parse((package / room / "__init__.py").read_text(encoding="utf-8"))
    lists = [
        n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"
    ]
    if not lists:
        raise ValueError(f"{room}: expected __all__ in its __init__.py")
    return ast.literal_eval(lists[0])


def find(package: Path, room: str, name: str) -> Public:
    """Where a name of a room is defined."""
    file = target(f"{package.name}.{room}", name, package)
    for node in ast.parse(file.read_text(encoding="utf-8")).body if file else []:
        names = [node.name] if isinstance(node, (ast.ClassDef, *FUNCTIONS)) else []
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            names = [ast.unparse(t) for t in getattr(node, "targets", None) or [node.target]]
        if name in names:
            return Public(room, name, file, node)
    raise ValueError(f"{room}: expected {name} in {file}")


def public_names(package: Path, rooms) -> dict[str, list[Public]]:
    """`{room: its public names}`."""
    return {room: [find(package, room, name) for name in names_of(package, room)] for room in rooms}


def signature(node: ast.AST, skip: bool = False) -> str:
    """Arguments as they are written; `skip` leaves out self or cls."""
    arguments = ast.parse(ast.unparse(node.args).join(("def f(", "): pass"))).body[0].args
    if skip:
        (arguments.posonlyargs or arguments.args).pop(0)
    back = f" -> {ast.unparse(node.returns)}" if getattr(node, "returns", None) else ""
    return f"({ast.unparse(arguments)}){back}"


def markdown(doc: str, links: dict[str, str], keys, notebooks: dict[str, str]) -> str:
    """A docstring as Markdown: sections become lists, names of the library and citations links."""
    out, section = [], None
    for line in doc.split("\n"):
        head = re.fullmatch(rf"({'|'.join(SECTIONS)}):\s*(.*)", line)
        if head:  # a definition list: the section's name, then what stands in it
            section, mark = head[1], ": "
            out += ["", section]
            line = f"    {head[2]}" if head[2] else None
        elif section and line and not line.startswith(" "):
            section = None
            out.append("")
        if section is None:
            out.append(line)
        elif line:
            entry = re.fullmatch(r" {4}(\*{0,2}\w[\w.*, /]*?):\s+(.*)", line) if section in LISTS else None
            words = f"- `{entry[1]}`: {entry[2]}" if entry else line.removeprefix("    ")
            out.append(mark + ("  " if section in LISTS and not entry else "") + words)
            mark = "  "
        elif line is not None:
            out.append("")
    text = cite("\n".join(out), keys)
    refer = lambda m: f"{{py:obj}}`{m[1]} <{links[m[1]]}>`" if m[1] in links else m[0]
    text = re.sub(r"(?<![`}])(?<!^- )(?<!^  - )(?<!^: - )`([A-Za-z_][\w.]*)`(?!`)", refer, text, flags=re.M)
    taught = lambda m: (
        m[1] + re.sub(r"\d\d", lambda n: f"[{n[0]}]({notebooks[n[0]]})" if n[0] in notebooks else n[0], m[2])
    )
    return re.sub(r"(Taught in notebooks? )([\d, and]+)", taught, text)


def parameters(node: ast.AST) -> set[str]:
    """Names of a function's arguments, or of a class's."""
    if isinstance(node, ast.ClassDef):
        node = next((c for c in node.body if isinstance(c, FUNCTIONS) and c.name == "__init__"), None)
    return {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)} if hasattr(node, "args") else set()


def describe(item: Public, write) -> str:
    """The directive of one public name, with its methods; `write(doc, arguments)` makes Markdown of a docstring."""
    node, short = item.node, item.name
    taken = parameters(node)
    if isinstance(node, FUNCTIONS):
        return block("py:function", short + signature(node), write(ast.get_docstring(node) or "", taken), 4)
    if not isinstance(node, ast.ClassDef):
        value = ast.unparse(node.value)
        return block("py:data", short, f"`{value}`" if len(value) < 120 else "", 4)
    parts = [write(ast.get_docstring(node) or "", taken)]
    own = {child.name: child for child in node.body if isinstance(child, FUNCTIONS)}
    head = short + (signature(own["__init__"], skip=True) if "__init__" in own else "")
    for name, child in own.items():
        doc = ast.get_docstring(child)
        if name.startswith("_") or not doc:
            continue
        marks = {ast.unparse(mark).split(".")[-1] for mark in child.decorator_list}
        if marks & {"property", "cached_property"}:
            parts.append(block("py:property", f"{name}", write(doc, taken), 3))
            continue
        option = next((f":{mark}:" for mark in ("classmethod", "staticmethod") if mark in marks), "")
        shown = signature(child, skip="staticmethod" not in marks)
        parts.append(
            block(
                "py:method",
                name + shown,
                "\n".join(x for x in (option, "\n" + write(doc, taken | parameters(child))) if x),
                3,
            )
        )
    return block("py:class", head, "\n\n".join(parts), 4)


def block(directive: str, argument: str, body: str, colons: int) -> str:
    fence = ":" * colons
    return f"{fence}{{{directive}}} {argument}\n{body}\n{fence}"


def first_line(item: Public) -> str:
    """The first sentence of a docstring, for the table at the top of a page."""
    doc = ast.get_docstring(item.node) if isinstance(item.node, (ast.ClassDef, *FUNCTIONS)) else ""
    line = re.split(r"(?<=\.)\s", " ".join((doc or "").split("\n\n")[0].split()))[0]
    return line.rstrip(".:;,").replace("|", "\\|")


def pages(package: Path, rooms, keys, notebooks: dict[str, str], repository: str) -> dict[str, str]:
    """`{room: Markdown of its page}`."""
    found = public_names(package, rooms)
    home = lambda item: item.file.relative_to(package).parts[0] == item.room  # not handed on from elsewhere
    links = {i.name: i.full for items in found.values() for i in items if home(i)}
    links |= {
        f"dmlnb.{i.room}.{i.name}": links.get(i.name, i.full) for items in found.values() for i in items
    }
    for item in [
        i for items in found.values() for i in items if home(i) and isinstance(i.node, ast.ClassDef)
    ]:
        own = [c.name for c in item.node.body if isinstance(c, FUNCTIONS) and ast.get_docstring(c)]
        links |= {f"{item.name}.{name}": f"{item.full}.{name}" for name in own if not name.startswith("_")}
    written = {}
    for room, items in found.items():

        def write(doc, taken=frozenset()):  # an argument is no link, even if something public has its name
            return markdown(doc, {n: full for n, full in links.items() if n not in taken}, keys, notebooks)

        doc = ast.get_docstring(ast.parse((package / room / "__init__.py").read_text(encoding="utf-8")))
        out = [f"# dmlnb.{room}", "", write(doc), "", f":::{{py:currentmodule}} dmlnb.{room}", ":::", ""]
        out += ["| name | what it is |", "|---|---|"]
        out += [f"| {{py:obj}}`{i.name} <{links[i.name]}>` | {write(first_line(i))} |" for i in items]
        for file in sorted({item.file for item in items if home(item)}):
            place = file.relative_to(package.parent).as_posix()
            about = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            out += ["", f"## {file.stem.strip('_').replace('_', ' ')}", "", write(about), ""]
            out += [f"[{place}]({repository}/{place})", ""]
            out += [describe(item, write) + "\n" for item in items if item.file == file]
        written[room] = "\n".join(out) + "\n"
    return written
