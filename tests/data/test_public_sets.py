import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from dmlnb.data.public_sets import cars196, cub200, in_shop, online_products


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


def rewrite(folder, name, change):
    (folder / name).write_text(
        "".join(change(line) + "\n" for line in (folder / name).read_text().splitlines())
    )


def test_species_counted_from_zero_and_lists_with_commas_are_read(cub):
    wanted = [p.name for p in cub200(cub, "test").paths]
    rewrite(cub, "images.txt", lambda line: line.replace(" ", ","))
    rewrite(cub, "image_class_labels.txt", lambda line: f"{line.split()[0]}, {int(line.split()[1]) - 1}")
    train, test = cub200(cub, "train"), cub200(cub, "test")
    assert [p.name for p in test.paths] == wanted == ["d.jpg", "e.jpg"] and test.class_names == ["100", "199"]
    assert train.labels.tolist() == [0, 1, 1] and train.class_names == ["0", "99"]


def test_a_part_of_cub_is_taken_whole_or_refused(cub):
    names = [line.split()[1] for line in (cub / "images.txt").read_text().splitlines()][:3]
    (cub / "images.txt").write_text("".join(f"{i} {n}\n" for i, n in enumerate(names)))
    (cub / "image_class_labels.txt").write_text("0 1\n1 100\n2 100\n")
    for split in ("train", "test"):
        with pytest.raises(
            ValueError, match=r"image_class_labels.txt: expected species 1 .. 200, got 1 .. 100.*class_split"
        ):
            cub200(cub, split)
    (cub / "classes.txt").write_text("1 001.Albatross\n100 100.Gull\n")
    images = cub200(cub)
    assert images.class_names == ["001.Albatross", "100.Gull"] and images.labels.tolist() == [0, 1, 1]
    (cub / "classes.txt").write_text("1 001.Albatross\n")
    with pytest.raises(ValueError, match="fewer species.*cut short"):
        cub200(cub)


def test_of_two_layouts_of_cars_the_one_with_images_is_taken(cars_parts):
    rows = [(f"car_ims/{name}", own) for name, own in CARS]
    savemat(
        cars_parts / "cars_annos.mat",
        {"annotations": annotations(rows, **{"relative_im_path": 0, "class": 1})},
    )
    assert [p.parent.name for p in cars196(cars_parts, "train").paths] == [
        "cars_train",
        "cars_train",
        "cars_test",
    ]
    for part in ("cars_train", "cars_test"):  # one folder in the other
        (cars_parts / part).rename(cars_parts / "moved")
        (cars_parts / part).mkdir()
        (cars_parts / "moved").rename(cars_parts / part / part)
    assert len(cars196(cars_parts, "train")) == 3


def test_cars_as_tables(tmp_path):
    models = [f"Car {i}" for i in range(1, 196)] + ["Ram C/V Cargo"]
    (tmp_path / "names.csv").write_text("\n".join(models) + "\n")
    for part, rows in (("train", CARS[:3]), ("test", CARS[3:])):
        (tmp_path / f"anno_{part}.csv").write_text("".join(f"{name},1,2,3,4,{own}\n" for name, own in rows))
        for name, own in rows:
            draw(tmp_path / "car_data" / "car_data" / part / models[own - 1].replace("/", "-") / name)
    train, test = cars196(tmp_path, "train"), cars196(tmp_path, "test")
    assert train.labels.tolist() == [1, 0, 1] and test.class_names == ["99", "196"]
    assert test.paths[1].parent.name == "Ram C-V Cargo"
    (tmp_path / "anno_test.csv").write_text("000004.jpg,1,2,3,4,197\n")
    with pytest.raises(ValueError, match=r"anno_test\.csv, line 1.*names\.csv"):
        cars196(tmp_path, "test")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"\n<!DOCTYPE html><title>404</title>", "web page.*download it again"),
        (b"\0" * 300, "not readable as annotations"),
    ],
)
def test_what_is_no_mat_file_is_named(cars_whole, content, message):
    (cars_whole / "cars_annos.mat").write_bytes(content)
    with pytest.raises(ValueError, match=rf"cars_annos\.mat: .*{message}"):
        cars196(cars_whole, "train")


def test_a_web_page_or_bytes_in_place_of_a_list_are_named(cub):
    (cub / "images.txt").write_text("<html>not found</html>")
    with pytest.raises(ValueError, match=r"images\.txt: is a web page"):
        cub200(cub)
    (cub / "images.txt").write_bytes(b"\x1f\x8b\xff\xfe")
    with pytest.raises(ValueError, match=r"images\.txt: expected a list as text"):
        cub200(cub)


def test_lists_that_are_cut_short_are_refused(tmp_path, products):
    root = make_shop(tmp_path / "shop", "list_eval_partition.txt", ".")
    lines = (root / "list_eval_partition.txt").read_text().splitlines()
    (root / "list_eval_partition.txt").write_text("\n".join(lines[:-2]) + "\n")
    with pytest.raises(ValueError, match="declares 7 images in its first line, lists 5"):
        in_shop(root, "train")
    info = ["image_id class_id super_class_id path", *(f"{i} {i} 1 a.JPG" for i in range(6))]
    (products / "Ebay_info.txt").write_text("\n".join(info) + "\n")
    assert len(online_products(products, "train")) == 3
    (products / "Ebay_info.txt").write_text("\n".join([*info, "7 7 1 b.JPG"]) + "\n")
    with pytest.raises(ValueError, match="lists 7 images.*6; one is cut short"):
        online_products(products, "train")


@pytest.mark.parametrize("loader", [cub200, cars196, online_products, in_shop])
def test_a_home_folder_is_found(loader, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "sets")):
        loader("~/sets", "train")


def test_a_benchmark_is_read_without_its_broken_images(cub):
    (cub / "images" / "100.Gull" / "b.jpg").write_bytes(b"")
    images = cub200(cub, "train", skip_broken=True)
    assert len(images) == 2 and [p.name for p, _ in images.broken] == ["b.jpg"]
