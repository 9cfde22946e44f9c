"""The files in which benchmarks list their images, read with care: one error that names the file and the mend."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from dmlnb.data.image_files import Rows


def first_of(root: Path, candidates: tuple[str, ...]) -> Path:
    """The first of the candidates below `root` that exists."""
    for name in candidates:
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{root}: expected {' or '.join(candidates)}, found neither")


def read_text(index: Path) -> list[str]:
    """The lines of a list; a web page that was saved in its place is said to be one."""
    if not index.is_file():
        raise FileNotFoundError(f"{index}: no such file; root must be the unpacked folder of the benchmark")
    refuse_web_page(index)
    try:
        return index.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{index}: expected a list as text ({error}); unpack or download it again"
        ) from error


def read_list(index: Path, columns: str, skip: int = 0, whole: tuple[int, ...] = ()) -> Iterator[tuple]:
    """Rows of a list with these columns, after `skip` lines of heading; the columns in `whole` as integers.

    Columns are separated by blanks or by commas.
    """
    width = len(columns.split())
    for number, line in enumerate(read_text(index), start=1):
        if number <= skip or not line.strip():
            continue
        fields = re.split(r"\s*,\s*|\s+", line.strip())
        if len(fields) != width or not all(fields[i].isdecimal() for i in whole):
            raise ValueError(f"{index}, line {number}: expected `{columns}`, got {line.strip()!r}")
        yield tuple(int(field) if i in whole else field for i, field in enumerate(fields))


def refuse_web_page(file: Path) -> None:
    """Raise ValueError if the file is an HTML page, as servers send in place of a file that they do not give."""
    with file.open("rb") as content:
        begin = content.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begin.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        raise ValueError(f"{file}: is a web page and not the file itself; download it again")


def read_annotations(file: Path, key: str, images: Path) -> Rows:
    """Image files and classes of one of the `.mat` files of Cars196."""
    from scipy.io import loadmat

    refuse_web_page(file)
    try:
        annotations = loadmat(file, squeeze_me=True)["annotations"].reshape(-1)
    except Exception as error:  # scipy's reader raises whatever the bytes make it stumble over
        raise ValueError(f"{file}: not readable as annotations ({error}); download it again") from error
    missing = {key, "class"} - set(annotations.dtype.names or ())
    if missing:
        raise ValueError(
            f"{file}: expected annotations with {' and '.join(sorted(missing))}; does it hold the labels?"
        )
    return [(images / str(row[key]), int(row["class"])) for row in annotations]


def read_car_table(file: Path, folder: Path, names: Path) -> Rows:
    """Image files and classes of one of the tables `fname,x1,y1,x2,y2,class`; images lie in folders named by class."""
    models = [line.strip().strip('"').replace("/", "-") for line in read_text(names) if line.strip()]
    rows = []
    for number, fields in enumerate(csv.reader(read_text(file)), start=1):
        if number == 1 and fields and not fields[-1].strip().isdecimal():
            continue  # a heading
        if len(fields) != 6 or not fields[-1].strip().isdecimal() or not 1 <= int(fields[-1]) <= len(models):
            raise ValueError(
                f"{file}, line {number}: expected fname,x1,y1,x2,y2,class with a class of names.csv, got {fields}"
            )
        rows.append((folder / models[int(fields[-1]) - 1] / fields[0].strip(), int(fields[-1])))
    return rows
