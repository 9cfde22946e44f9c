"""The four benchmarks of the papers, read from folders that you downloaded; nothing is downloaded here.

CUB-200-2011, Cars196, Stanford Online Products (SOP) and In-Shop, with their published layouts and the usual protocol:
the classes of training and test are disjoint. `data/README.md` lists the expected files and the published counts.

    train = cub200("~/data/CUB_200_2011", "train", transform=photo_transforms(224, train=True))
    image, label = train[0]
"""

import os
from collections.abc import Callable
from pathlib import Path

from dmlnb.data.image_files import ImageFiles, Rows
from dmlnb.data.public_lists import first_of, read_annotations, read_car_table, read_list, read_text


def cub200(
    root: str | os.PathLike,
    split: str = "all",
    *,
    transform: Callable | None = None,
    skip_broken: bool = False,
) -> ImageFiles:
    """CUB-200-2011: bird species 1 .. 100 train, 101 .. 200 test.

    Lists with commas in place of blanks, and species counted from 0, are read as well.

    Args:
        root: the folder `CUB_200_2011`, with `images.txt`, `image_class_labels.txt` and `images/`.
        split: `"train"`, `"test"`, or `"all"`: every image of the index, which may then be one of fewer species;
            divide those with `class_split`.
        transform, skip_broken: see `ImageFiles`.

    Returns:
        The images of the split. Species have their names where the folder holds `classes.txt`.

    Raises:
        ValueError: for another split, or an index that is not as published.
        FileNotFoundError: for a missing file; names it.
    """
    _require_split(split, ("train", "test", "all"))
    root = Path(root).expanduser()
    paths = dict(read_list(root / "images.txt", "image_id path"))
    species = dict(read_list(root / "image_class_labels.txt", "image_id class_id", whole=(1,)))
    if paths.keys() != species.keys() or not paths:
        raise ValueError(
            f"{root}: images.txt and image_class_labels.txt list different images; is one cut short?"
        )
    first, last = min(species.values()), max(species.values())
    if split != "all" and (first, last) not in ((1, 200), (0, 199)):
        raise ValueError(
            f"{root / 'image_class_labels.txt'}: expected species 1 .. 200, got {first} .. {last}; of a part of CUB "
            'take split="all" and divide it with class_split'
        )
    rows: Rows = [(root / "images" / paths[image], species[image]) for image in paths]
    names = {}
    if (root / "classes.txt").is_file():
        names = {own: name for own, name in read_list(root / "classes.txt", "class_id name", whole=(0,))}
        if not set(species.values()) <= names.keys():
            raise ValueError(
                f"{root / 'classes.txt'}: lists fewer species than image_class_labels.txt; is it cut short?"
            )
    rows = rows if split == "all" else _half(rows, split, last_of_training=99 + first)
    return ImageFiles(rows, split, transform, class_names=names, skip_broken=skip_broken)


def cars196(
    root: str | os.PathLike, split: str, *, transform: Callable | None = None, skip_broken: bool = False
) -> ImageFiles:
    """Cars196: car models 1 .. 98 train, 99 .. 196 test, whatever part of the original split an image is in.

    Args:
        root: a folder in one of three layouts; of several, the first is taken whose images are there.
            `cars_annos.mat` and `car_ims/`; or `cars_train/`, `cars_test/` (also one in the other,
            `cars_train/cars_train/`), `devkit/cars_train_annos.mat` and `cars_test_annos_withlabels.mat` (in the folder
            or in `devkit/`); or `anno_train.csv`, `anno_test.csv`, `names.csv` and `car_data/`.
        split: `"train"` or `"test"`.
        transform, skip_broken, returns, raises: as `cub200`.
    """
    _require_split(split, ("train", "test"))
    root = Path(root).expanduser()
    layouts = [
        (layout, marks)
        for layout, marks in (
            (_cars_whole, ("cars_annos.mat", "car_ims")),
            (_cars_parts, ("devkit/cars_train_annos.mat", "cars_train")),
            (_cars_table, ("anno_train.csv", "car_data")),
        )
        if (root / marks[0]).is_file()
    ]
    if not layouts:
        raise FileNotFoundError(
            f"{root}: expected cars_annos.mat, devkit/cars_train_annos.mat or anno_train.csv, found none of them"
        )
    with_images = [layout for layout, marks in layouts if (root / marks[1]).is_dir()]
    rows = (with_images or [layouts[0][0]])[0](root)
    return ImageFiles(_half(rows, split, last_of_training=98), split, transform, skip_broken=skip_broken)


def _cars_whole(root: Path) -> Rows:
    return read_annotations(root / "cars_annos.mat", "relative_im_path", root)


def _cars_parts(root: Path) -> Rows:
    test = first_of(root, ("cars_test_annos_withlabels.mat", "devkit/cars_test_annos_withlabels.mat"))
    rows: list = []
    for part, file in (("cars_train", root / "devkit" / "cars_train_annos.mat"), ("cars_test", test)):
        images = root / part / part if (root / part / part).is_dir() else root / part
        rows += read_annotations(file, "fname", images)
    return rows


def _cars_table(root: Path) -> Rows:
    images = (
        root / "car_data" / "car_data" if (root / "car_data" / "car_data").is_dir() else root / "car_data"
    )
    parts = ("train", "test")
    return [
        row
        for part in parts
        for row in read_car_table(root / f"anno_{part}.csv", images / part, root / "names.csv")
    ]


def online_products(
    root: str | os.PathLike, split: str, *, transform: Callable | None = None, skip_broken: bool = False
) -> ImageFiles:
    """Stanford Online Products: the products of `Ebay_train.txt` train, those of `Ebay_test.txt` test.

    Args:
        root: the folder `Stanford_Online_Products`, with the two lists and the folders of images they name.
        split: `"train"` or `"test"`.
        transform, skip_broken, returns, raises: as `cub200`.
    """
    _require_split(split, ("train", "test"))
    root = Path(root).expanduser()
    columns = "image_id class_id super_class_id path"
    table = list(read_list(root / f"Ebay_{split}.txt", columns, skip=1, whole=(1,)))
    if (root / "Ebay_info.txt").is_file():  # lists both parts
        lists = [root / f"Ebay_{name}.txt" for name in ("info", "train", "test")]
        all_rows, *parts = (sum(1 for line in read_text(file)[1:] if line.strip()) for file in lists)
        if all_rows != sum(parts):
            raise ValueError(
                f"{root}: Ebay_info.txt lists {all_rows} images, Ebay_train.txt and Ebay_test.txt {sum(parts)}; "
                "one is cut short, unpack it again"
            )
    rows = [(root / path, product) for _, product, _, path in table]
    return ImageFiles(rows, split, transform, skip_broken=skip_broken)


def in_shop(
    root: str | os.PathLike, split: str, *, transform: Callable | None = None, skip_broken: bool = False
) -> ImageFiles:
    """In-Shop: clothes for training, and other clothes as queries against a gallery.

    `"query"` and `"gallery"` number their items alike, as `evaluate(..., gallery=, gallery_labels=)` expects.

    Args:
        root: a folder with `list_eval_partition.txt` (in it, in `Eval/` or in `Anno/`) and `img/` (in it or in `Img/`).
        split: `"train"`, `"query"` or `"gallery"`.
        transform, skip_broken, returns, raises: as `cub200`.
    """
    _require_split(split, ("train", "query", "gallery"))
    root = Path(root).expanduser()
    name = "list_eval_partition.txt"
    index = first_of(root, (name, f"Eval/{name}", f"Anno/{name}"))
    images = first_of(root, ("img", "Img/img")).parent  # the list's paths begin with img/
    table = list(read_list(index, "image_name item_id evaluation_status", skip=2))
    declared = read_text(index)[0].strip()
    if not declared.isdecimal() or int(declared) != len(table):
        raise ValueError(
            f"{index}: declares {declared} images in its first line, lists {len(table)}; download it again"
        )
    parts = ("train",) if split == "train" else ("query", "gallery")
    items = sorted({item for _, item, part in table if part in parts})
    rows = [(images / path, item) for path, item, part in table if part == split]
    return ImageFiles(rows, split, transform, items, skip_broken=skip_broken)


def _require_split(split: str, known: tuple[str, ...]) -> None:
    if split not in known:
        raise ValueError(f"split: expected one of {', '.join(known)}, got {split!r}")


def _half(rows: Rows, split: str, last_of_training: int) -> Rows:
    return [row for row in rows if (row[1] <= last_of_training) == (split == "train")]
