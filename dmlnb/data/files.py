"""Photographs of your own: a folder with one folder for each class, or a table that lists files and labels.

images = image_folder("~/photos", transform=photo_transforms(224))
image, label = images[0]                                # an image is opened when it is asked for
train, validation, test = class_split(images.labels, (0.4, 0.1, 0.5))
images.of_classes(train)                                # the images of these classes, numbered from 0
"""

from __future__ import annotations

import csv
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dmlnb.data.image_files import ImageFiles

PICTURES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
# read where the installed Pillow, or a plug-in of it, does
NEWER = (".avif", ".heic", ".heif", ".jp2", ".jxl")


def image_folder(
    root: str | os.PathLike,
    *,
    transform: Callable | None = None,
    depth: int | None = None,
    skip_broken: bool = False,
) -> ImageFiles:
    """Images below a folder; the folder that an image lies in is its class.

    In nested folders the path from `root` is the class: `Greek/alpha` and `Latin/alpha` are two. `depth=1` takes the
    first level only (`Greek`), as torchvision's `ImageFolder` does. Images that lie directly in `root` make one class,
    named after it. Linked folders are followed. Names that begin with a dot (`._1.jpg`, `.ipynb_checkpoints`) and
    `__MACOSX` are not looked at, nor are files that are no pictures by their ending. Pictures of a kind that the
    installed Pillow does not read, such as `.heic`, are left out with a warning.

    Args:
        root: the folder.
        transform: see `ImageFiles`.
        depth: levels of folders that make a class; None for all.
        skip_broken: leave out what cannot be read, and folders without a picture; see `ImageFiles.broken`.

    Returns:
        The images, sorted by class and name.

    Raises:
        FileNotFoundError: if there is no folder or no picture in it.
        ValueError: for a depth below 1, or a folder without a picture: a class would be missing.
    """
    if depth is not None and depth < 1:
        raise ValueError(f"depth: expected a number of levels >= 1, or None, got {depth}")
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"root: expected pictures in a folder, found no folder {root}")
    rows: list[tuple[Path, str]] = []
    empty: list[Path] = []
    unread: list[Path] = []
    endings = _endings()
    for folder, pictures in _folders(root, root, endings, unread):
        own = "/".join(folder.relative_to(root).parts[:depth]) or root.resolve().name
        rows += [(path, own) for path in pictures]
        if not pictures:
            empty.append(folder)
    if unread:
        warnings.warn(
            f"root: {len(unread)} pictures are left out, such as {unread[0]}: this Pillow does not read "
            f"{', '.join(sorted({file.suffix.lower() for file in unread}))}; save them as .png or .jpg",
            stacklevel=2,
        )
    if not rows:
        raise FileNotFoundError(f"root: expected pictures ({', '.join(endings)}) below {root}, found none")
    if empty and not skip_broken:
        raise ValueError(
            f"root: no picture in {empty[0]} ({len(empty)} such folders), by the endings {', '.join(endings)}; "
            "skip_broken=True leaves them out"
        )
    images = ImageFiles(
        sorted(rows, key=lambda row: (row[1], str(row[0]))), "all", transform, skip_broken=skip_broken
    )
    images.broken += [(folder, "no picture in this folder") for folder in empty]
    images.broken += [(file, "of a kind that this Pillow does not read") for file in unread]
    return images


def _endings() -> tuple[str, ...]:
    """The endings of pictures that can be read here."""
    from PIL import Image

    known = Image.registered_extensions()
    return PICTURES + tuple(ending for ending in NEWER if known.get(ending) in Image.OPEN)


def _folders(
    folder: Path, root: Path, endings: tuple[str, ...], unread: list[Path], above: tuple[str, ...] = ()
) -> Iterator[tuple[Path, list[Path]]]:
    """`(folder, its pictures)` of every folder that holds pictures or nothing else that could.

    Pictures of a kind that is not read here are added to `unread`.
    """
    real = os.path.realpath(folder)
    if real in above or not folder.is_dir():  # a link to a folder that it lies in
        return
    with os.scandir(folder) as found:
        entries = sorted((e.name, e.is_dir()) for e in found if e.name[0] != "." and e.name != "__MACOSX")
    files = [folder / name for name, is_folder in entries if not is_folder]
    pictures = [file for file in files if file.name.lower().endswith(endings)]
    others = tuple(ending for ending in NEWER if ending not in endings)
    unread += [file for file in files if file.name.lower().endswith(others)]
    inner = [folder / name for name, is_folder in entries if is_folder]
    if pictures or (not inner and folder != root):
        yield folder, pictures
    for entry in inner:
        yield from _folders(entry, root, endings, unread, (*above, real))


def image_table(
    csv_file: str | os.PathLike,
    *,
    root: str | os.PathLike | None = None,
    path: str = "path",
    label: str = "label",
    split: str | None = None,
    role: str | None = None,
    delimiter: str = ",",
    transform: Callable | None = None,
    skip_broken: bool = False,
) -> ImageFiles:
    """Images that a CSV file lists, one in each row, in the columns of Open Metric Learning: `path`, `label`, `split`,
    `is_query`, `is_gallery`; the last three need not be there, and others are not read.

    Queries and gallery of one split number their classes alike, as `evaluate(..., gallery=, gallery_labels=)` expects.

    Args:
        csv_file: the table, with a heading; UTF-8.
        root: folder to which the paths are relative; by default that of the table.
        path, label: names of the two columns.
        split: keep the rows whose column `split` says this (`"train"`, `"validation"`); None for all.
        role: `"query"` or `"gallery"`: keep the rows where `is_query` or `is_gallery` is true; None for both.
        delimiter: between columns.
        transform, skip_broken: see `ImageFiles`.

    Returns:
        The images in the order of the table. Labels that are all whole numbers are sorted as numbers, unless
        one of them is written with a leading zero: `007` and `7` are two classes.

    Raises:
        FileNotFoundError: if there is no table, or an image is missing.
        ValueError: for a missing column, an empty field, a split or role that has no row; names file and line.
    """
    file = Path(csv_file).expanduser()
    base = file.parent if root is None else Path(root).expanduser()
    if role not in (None, "query", "gallery"):
        raise ValueError(f"role: expected 'query', 'gallery' or None, got {role!r}")
    if not file.is_file():
        raise FileNotFoundError(f"csv_file: no table at {file}")
    try:
        file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected UTF-8 ({error}); save the table as UTF-8") from None
    needed = [path, label, *(["split"] if split is not None else []), *([f"is_{role}"] if role else [])]
    rows: list[tuple[Path, Any]] = []
    splits, owns = set(), set()
    with file.open(newline="", encoding="utf-8-sig") as lines:
        table = csv.DictReader(lines, delimiter=delimiter)
        absent = [name for name in needed if name not in (table.fieldnames or ())]
        if absent:
            found = ", ".join(table.fieldnames or ()) or "none"
            raise ValueError(
                f"{file}: expected the columns {', '.join(absent)}, found {found}; is the delimiter right?"
            )
        for row in table:
            if any(row[name] is None or not row[name].strip() for name in (path, label)):
                raise ValueError(
                    f"{file}, line {table.line_num}: expected a path and a label, got {list(row.values())}"
                )
            if split is not None:
                own = (row["split"] or "").strip()  # a short row has none
                splits.add(own)
                if own != split.strip():
                    continue
            owns.add(row[label].strip())
            if role is None or _true(row[f"is_{role}"], file, table.line_num):
                rows.append((base / row[path].strip(), row[label].strip()))
    if not rows:
        named = ", ".join(sorted(filter(None, splits)))
        known = f"; splits: {named}" if named else ""
        raise ValueError(f"{file}: no row for split={split!r}, role={role!r}{known}")
    key: Any = int if all(re.fullmatch("0|-?[1-9][0-9]*", own) for own in owns) else str
    rows = [(file, key(own)) for file, own in rows]
    identifiers = sorted(map(key, owns)) if role else None
    return ImageFiles(rows, split or "all", transform, identifiers, skip_broken=skip_broken)


def _true(field: str | None, file: Path, line: int) -> bool:
    """A field that says yes or no; an empty one (a training row) is no."""
    word = (field or "").strip().lower()
    if word not in ("true", "1", "1.0", "false", "0", "0.0", "", "none", "nan"):
        raise ValueError(
            f"{file}, line {line}: expected True or False in is_query and is_gallery, got {field!r}"
        )
    return word in ("true", "1", "1.0")
