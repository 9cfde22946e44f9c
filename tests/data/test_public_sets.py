import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from dmlnb.data.public_sets import ImageFiles, cars196, cub200, in_shop, online_products


def draw(path, mode="RGB", colour=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (6, 4), colour).save(path)


def annotations(rows, **columns):
    """A struct array as in the files of Cars196: one field a column."""
    array = np.empty(len(rows), dtype=[(name, object) for name in columns])
    for i, row in enumerate(rows):
        for name, position in columns.items():
            array[i][name] = row[position]
    return array


@pytest.fixture
def cub(tmp_path):
    names = ["001.Albatross/a.jpg", "100.Gull/b.jpg", "100.Gull/c.jpg", "101.Pelican/d.jpg", "200.Wren/e.jpg"]
    classes = [1, 100, 100, 101, 200]
    for name in names:
        draw(tmp_path / "images" / name)
    (tmp_path / "images.txt").write_text("".join(f"{i} {n}\n" for i, n in enumerate(names, 1)))
    # the two lists are joined by image id, not by line
    labels = [f"{i} {c}\n" for i, c in enumerate(classes, 1)]
    (tmp_path / "image_class_labels.txt").write_text("".join(reversed(labels)))
    return tmp_path


CARS = [("000001.jpg", 98), ("000002.jpg", 99), ("000003.jpg", 1), ("000004.jpg", 196), ("000005.jpg", 98)]


@pytest.fixture
def cars_whole(tmp_path):
    rows = [(f"car_ims/{name}", own, part % 2) for part, (name, own) in enumerate(CARS)]
    for name, _, _ in rows:
        draw(tmp_path / name)
    columns = {"relative_im_path": 0, "class": 1, "test": 2}
    savemat(tmp_path / "cars_annos.mat", {"annotations": annotations(rows, **columns)})
    return tmp_path


@pytest.fixture
def cars_parts(tmp_path):
    (tmp_path / "devkit").mkdir()
    for folder, file, rows in (
        ("cars_train", "devkit/cars_train_annos.mat", CARS[:3]),
        ("cars_test", "cars_test_annos_withlabels.mat", CARS[3:]),
    ):
        for name, _ in rows:
            draw(tmp_path / folder / name)
        savemat(tmp_path / file, {"annotations": annotations(rows, **{"fname": 0, "class": 1})})
    return tmp_path


@pytest.fixture
def products(tmp_path):
    for split, first in (("train", 1), ("test", 11319)):
        lines = ["image_id class_id super_class_id path"]
        for i, product in enumerate([first, first, first + 5]):
            path = f"chair_final/{split}_{i}.JPG"
            draw(tmp_path / path)
            lines.append(f"{i + 1} {product} 1 {path}")
        (tmp_path / f"Ebay_{split}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


SHOP = [
    ("id_00000001", "train"),
    ("id_00000009", "query"),
    ("id_00000009", "gallery"),
    ("id_00000004", "gallery"),
    ("id_00000004", "query"),
    ("id_00000002", "train"),
    ("id_00000009", "gallery"),
]


def make_shop(folder, index, images):
    lines = [str(len(SHOP)), "image_name item_id evaluation_status"]
    for i, (item, part) in enumerate(SHOP):
        name = f"img/WOMEN/Tees/{item}/{i:02}_1_front.jpg"
        draw(folder / images / name)
        lines.append(f"{name}      {item}  {part}")
    (folder / index).parent.mkdir(parents=True, exist_ok=True)
    (folder / index).write_text("\n".join(lines) + "\n")
    return folder


def test_cub_splits_by_class_number(cub):
    train, test = cub200(cub, "train"), cub200(str(cub), "test")
    assert train.labels.tolist() == [0, 1, 1] and test.labels.tolist() == [0, 1]
    assert train.class_names == ["1", "100"] and test.class_names == ["101", "200"]
    assert [p.name for p in train.paths] == ["a.jpg", "b.jpg", "c.jpg"] and train.split == "train"
    assert train.labels.dtype == torch.int64 and train.num_classes == test.num_classes == 2


@pytest.mark.parametrize("layout", ["cars_whole", "cars_parts"])
def test_cars_split_by_class_number_in_both_layouts(layout, request):
    root = request.getfixturevalue(layout)
    train, test = cars196(root, "train"), cars196(root, "test")
    assert train.class_names == ["1", "98"] and train.labels.tolist() == [1, 0, 1]
    assert test.class_names == ["99", "196"] and test.labels.tolist() == [0, 1]
    assert all(p.is_file() for p in train.paths + test.paths)


def test_cars_without_test_labels_are_refused(cars_parts):
    rows = annotations([("000004.jpg",), ("000005.jpg",)], fname=0)
    savemat(cars_parts / "cars_test_annos_withlabels.mat", {"annotations": rows})
    with pytest.raises(ValueError, match="cars_test_annos_withlabels.mat.*class"):
        cars196(cars_parts, "train")
    (cars_parts / "cars_test_annos_withlabels.mat").unlink()
    with pytest.raises(FileNotFoundError, match="withlabels"):
        cars196(cars_parts, "train")


def test_products_are_renumbered_from_zero(products):
    train, test = online_products(products, "train"), online_products(products, "test")
    assert train.labels.tolist() == test.labels.tolist() == [0, 0, 1]
    assert train.class_names == ["1", "6"] and test.class_names == ["11319", "11324"]


@pytest.mark.parametrize(
    "index, images",
    [
        ("list_eval_partition.txt", "."),
        ("Eval/list_eval_partition.txt", "Img"),
        ("Anno/list_eval_partition.txt", "Img"),
    ],
)
def test_queries_and_gallery_share_their_numbers_and_nothing_with_training(tmp_path, index, images):
    root = make_shop(tmp_path, index, images)
    train, query, gallery = (in_shop(root, s) for s in ("train", "query", "gallery"))
    assert (len(train), len(query), len(gallery)) == (2, 2, 3)
    assert query.class_names == gallery.class_names == ["id_00000004", "id_00000009"]
    assert query.labels.tolist() == [1, 0] and gallery.labels.tolist() == [1, 0, 1]
    assert not set(train.class_names) & set(query.class_names)


def test_images_are_opened_as_rgb_and_transformed(cub):
    draw(cub / "images" / "001.Albatross" / "a.jpg", mode="L", colour=200)  # a grey one
    image, label = cub200(cub, "train")[0]
    assert image.mode == "RGB" and image.size == (6, 4) and label == 0
    pixels, label = cub200(cub, "train", transform=np.asarray)[2]
    assert pixels.shape == (4, 6, 3) and label == 1


@pytest.mark.parametrize("read", [cub200, cars196, online_products, in_shop])
def test_an_empty_folder_and_another_split_are_named(read, tmp_path):
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        read(tmp_path, "train")
    with pytest.raises(ValueError, match="split: expected one of train"):
        read(tmp_path, "validation")


def test_damaged_lists_name_the_line(cub, products):
    (cub / "image_class_labels.txt").write_text("1 1\n2 hundred\n")
    with pytest.raises(ValueError, match=r"image_class_labels.txt, line 2: .*'2 hundred'"):
        cub200(cub, "train")
    (cub / "image_class_labels.txt").write_text("1 1\n")
    with pytest.raises(ValueError, match="different images"):
        cub200(cub, "train")
    (products / "Ebay_test.txt").write_text("image_id class_id super_class_id path\n1 11319 chair.JPG\n")
    with pytest.raises(ValueError, match=r"Ebay_test.txt, line 2: expected `image_id"):
        online_products(products, "test")


def test_missing_and_damaged_images_are_named(cub):
    data = cub200(cub, "train")
    data.paths[1].unlink()
    with pytest.raises(FileNotFoundError, match=r"b\.jpg"):
        data[1]
    data.paths[2].write_bytes(data.paths[2].read_bytes()[:-40])
    with pytest.raises(OSError, match=r"c\.jpg.*again"):
        data[2]
    data.paths[0].unlink()
    with pytest.raises(FileNotFoundError, match="unpack the images"):
        cub200(cub, "train")


def test_a_split_without_images_is_refused():
    with pytest.raises(ValueError, match="no image of 'test'"):
        ImageFiles([], "test")
