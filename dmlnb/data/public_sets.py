"""The four benchmarks of the papers, read from folders that you downloaded; nothing is downloaded here.

CUB-200-2011, Cars196, Stanford Online Products (SOP) and In-Shop, with their published layouts and the usual protocol:
the classes of training and test are disjoint. `data/README.md` lists the expected files and the published counts.

    train = cub200("~/data/CUB_200_2011", "train", transform=my_transform)
    image, label = train[0]
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from dmlnb.data.files import ImageFiles, Rows


def cub200(root: str | os.PathLike, split: str, *, transform: Callable | None = None) -> ImageFiles:
    """CUB-200-2011: bird species 1 .. 100 train, 101 .. 200 test.

    Args:
        root: the folder `CUB_200_2011`, with `images.txt`, `image_class_labels.txt` and `images/`.
        split: `"train"` or `"test"`.
        transform: see `ImageFiles`.

    Returns:
        The images of the split.

    Raises:
        ValueError: for another split, or an index that is not as published.
        FileNotFoundError: for a missing file; names it.
    """
    _require_split(split, ("train", "test"))
    root = Path(root).expanduser()
    names = dict(_read(root / "images.txt", "image_id path"))
    classes = dict(_read(root / "image_class_labels.txt", "image_id class_id", whole=(1,)))
    if names.keys() != classes.keys():
        raise ValueError(f"{root}: images.txt and image_class_labels.txt list different images")
    rows = [(root / "images" / names[image], classes[image]) for image in names]
    return ImageFiles(_half(rows, split, last_of_training=100), split, transform)


def cars196(root: str | os.PathLike, split: str, *, transform: Callable | None = None) -> ImageFiles:
    """Cars196: car models 1 .. 98 train, 99 .. 196 test, whatever part of the original split an image is in.

    Args:
        root: a folder with `cars_annos.mat` and `car_ims/`; or with `cars_train/`, `cars_test/`,
            `devkit/cars_train_annos.mat` and `cars_test_annos_withlabels.mat` (in the folder or in `devkit/`).
        split, transform, returns, raises: as `cub200`.
    """
    _require_split(split, ("train", "test"))
    root = Path(root).expanduser()
    if (root / "cars_annos.mat").is_file():
        rows = _annotations(root / "cars_annos.mat", "relative_im_path", root)
    elif (root / "devkit" / "cars_train_annos.mat").is_file():
        test = _first(root, ("cars_test_annos_withlabels.mat", "devkit/cars_test_annos_withlabels.mat"))
        rows = _annotations(root / "devkit" / "cars_train_annos.mat", "fname", root / "cars_train")
        rows += _annotations(test, "fname", root / "cars_test")
    else:
        raise FileNotFoundError(
            f"{root}: expected cars_annos.mat or devkit/cars_train_annos.mat, found neither"
        )
    return ImageFiles(_half(rows, split, last_of_training=98), split, transform)


def online_products(root: str | os.PathLike, split: str, *, transform: Callable | None = None) -> ImageFiles:
    """Stanford Online Products: the products of `Ebay_train.txt` train, those of `Ebay_test.txt` test.

    Args:
        root: the folder `Stanford_Online_Products`, with the two lists and the folders of images they name.
        split, transform, returns, raises: as `cub200`.
    """
    _require_split(split, ("train", "test"))
    root = Path(root).expanduser()
    table = _read(root / f"Ebay_{split}.txt", "image_id class_id super_class_id path", skip=1, whole=(1,))
    return ImageFiles([(root / path, product) for _, product, _, path in table], split, transform)


def in_shop(root: str | os.PathLike, split: str, *, transform: Callable | None = None) -> ImageFiles:
    """In-Shop: clothes for training, and other clothes as queries against a gallery.

    `"query"` and `"gallery"` number their items alike, as `evaluate(..., gallery=, gallery_labels=)` expects.

    Args:
        root: a folder with `list_eval_partition.txt` (in it, in `Eval/` or in `Anno/`) and `img/` (in it or in `Img/`).
        split: `"train"`, `"query"` or `"gallery"`.
        transform, returns, raises: as `cub200`.
    """
    _require_split(split, ("train", "query", "gallery"))
    root = Path(root).expanduser()
    name = "list_eval_partition.txt"
    index = _first(root, (name, f"Eval/{name}", f"Anno/{name}"))
    images = _first(root, ("img", "Img/img")).parent  # the list's paths begin with img/
    table = list(_read(index, "image_name item_id evaluation_status", skip=2))
    parts = ("train",) if split == "train" else ("query", "gallery")
    items = sorted({item for _, item, part in table if part in parts})
    return ImageFiles(
        [(images / path, item) for path, item, part in table if part == split], split, transform, items
    )


def _require_split(split: str, known: tuple[str, ...]) -> None:
    if split not in known:
        raise ValueError(f"split: expected one of {', '.join(known)}, got {split!r}")


def _half(rows: Rows, split: str, last_of_training: int) -> Rows:
    return [row for row in rows if (row[1] <= last_of_training) == (split == "train")]


def _first(root: Path, candidates: tuple[str, ...]) -> Path:
    """The first of the candidates below `root` that exists."""
    for name in candidates:
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{root}: expected {' or '.join(candidates)}, found neither")


def _read(index: Path, columns: str, skip: int = 0, whole: tuple[int, ...] = ()) -> Iterator[tuple]:
    """Rows of a list with these columns, after `skip` lines of heading; the columns in `whole` as integers."""
    if not index.is_file():
        raise FileNotFoundError(f"{index}: no such file; root must be the unpacked folder of the benchmark")
    width = len(columns.split())
    for number, line in enumerate(index.read_text(encoding="utf-8").splitlines(), start=1):
        if number <= skip or not line.strip():
            continue
        fields = line.split()
        if len(fields) != width or not all(fields[i].isdecimal() for i in whole):
            raise ValueError(f"{index}, line {number}: expected `{columns}`, got {line.strip()!r}")
        yield tuple(int(field) if i in whole else field for i, field in enumerate(fields))


def _annotations(file: Path, key: str, images: Path) -> Rows:
    """Image files and classes of one of the annotation files of Cars196."""
    from scipy.io import loadmat

    annotations = loadmat(file, squeeze_me=True)["annotations"].reshape(-1)
    missing = {key, "class"} - set(annotations.dtype.names or ())
    if missing:
        raise ValueError(
            f"{file}: expected annotations with {' and '.join(sorted(missing))}; does it hold the labels?"
        )
    return [(images / str(row[key]), int(row["class"])) for row in annotations]
