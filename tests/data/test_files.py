import csv

import pytest
import torch
from PIL import Image

from dmlnb.data import ImageFiles, image_folder, image_table
from dmlnb.data.files import PICTURES
from tests.data.small import draw


def listed(images):
    return [
        (p.name, images.class_names[y]) for p, y in zip(images.paths, images.labels.tolist(), strict=True)
    ]


def test_a_folder_is_read_in_sorted_order(folder):
    (folder / "cat" / "notes.txt").write_text("no picture")
    images = image_folder(folder)
    assert isinstance(images, ImageFiles) and len(images) == 3 and images.num_classes == 2
    assert listed(images) == [("x.PNG", "ant"), ("1.jpg", "cat"), ("2.png", "cat")]
    assert images.labels.dtype == torch.int64 and images.labels.tolist() == [0, 1, 1]
    image, label = images[torch.tensor(2)]
    assert image.mode == "RGB" and image.size == (6, 4) and label == 1 and type(label) is int
    assert image_folder(folder, transform=lambda image: image.size)[0] == ((6, 4), 0)


def test_hidden_entries_and_archive_left_overs_are_no_classes(folder):
    draw(folder / ".ipynb_checkpoints" / "1-checkpoint.jpg")
    draw(folder / "cat" / ".ipynb_checkpoints" / "1.jpg")
    (folder / "cat" / "._1.jpg").write_bytes(b"\x00\x05\x16\x07")  # AppleDouble
    (folder / "__MACOSX" / "cat").mkdir(parents=True)
    (folder / "__MACOSX" / "cat" / "1.jpg").write_bytes(b"\x00\x05\x16\x07")
    images = image_folder(folder)
    assert images.class_names == ["ant", "cat"] and len(images) == 3 and not images.check()


def test_linked_folders_are_classes_and_circles_end(folder, tmp_path):
    links = tmp_path / "links"
    links.mkdir()
    for name in ("ant", "cat"):
        (links / name).symlink_to(folder / name, target_is_directory=True)
    (folder / "cat" / "up").symlink_to(folder, target_is_directory=True)
    (links / "self").symlink_to(links, target_is_directory=True)
    images = image_folder(links)
    assert listed(images)[:3] == [("x.PNG", "ant"), ("1.jpg", "cat"), ("2.png", "cat")]
    assert "self" not in images.class_names and len(image_folder(folder)) == 3


def test_a_nested_folder_is_its_own_class_unless_a_depth_is_given(tmp_path):
    for alphabet in ("Greek", "Latin", "Tifinagh"):
        for character in ("character01", "character02", "character03"):
            draw(tmp_path / alphabet / character / "0001_01.png")
    images = image_folder(tmp_path)
    assert images.num_classes == 9 and images.class_names[3] == "Latin/character01"
    assert image_folder(tmp_path, depth=1).class_names == ["Greek", "Latin", "Tifinagh"]
    assert image_folder(tmp_path, depth=1).labels.bincount().tolist() == [3, 3, 3]
    draw(tmp_path / "loose.png")
    assert tmp_path.name in image_folder(tmp_path).class_names
    with pytest.raises(ValueError, match="depth"):
        image_folder(tmp_path, depth=0)


def test_every_known_ending_is_found_and_read(tmp_path):
    for ending in PICTURES:
        draw(tmp_path / "a" / f"x{ending}")
    images = image_folder(tmp_path)
    assert len(images) == len(PICTURES) and not images.check()


@pytest.mark.skipif(".avif" not in Image.registered_extensions(), reason="this Pillow reads no AVIF")
def test_what_the_installed_pillow_reads_besides_is_read(folder):
    draw(folder / "cat" / "3.AVIF")
    images = image_folder(folder)
    assert "3.AVIF" in [path.name for path in images.paths] and not images.check()


def test_pictures_that_cannot_be_read_are_left_out_with_one_warning(folder, monkeypatch):
    monkeypatch.setattr("PIL.Image.registered_extensions", lambda: {".jp2": "JPEG2000"})
    for name in ("ant/1.heic", "cat/2.HEIC", "cat/3.avif"):
        (folder / name).write_bytes(b"no matter what")
    with pytest.warns(
        UserWarning, match=r"3 pictures are left out, such as .*1\.heic: .* \.avif, \.heic;"
    ) as told:
        images = image_folder(folder)
    assert len(told) == 1 and told[0].filename == __file__
    assert len(images) == 3 and [path.name for path, _ in images.broken] == ["1.heic", "2.HEIC", "3.avif"]
    (folder / "0.heic").write_bytes(b"no matter what")  # beside the classes, of none of them
    with pytest.warns(UserWarning, match="4 pictures"):
        assert image_folder(folder).class_names == ["ant", "cat"]
    (folder / "bee").mkdir()
    (folder / "bee" / "1.heic").write_bytes(b"no matter what")
    with (
        pytest.warns(UserWarning, match="5 pictures"),
        pytest.raises(ValueError, match="no picture in .*bee"),
    ):
        image_folder(folder)
    with pytest.warns(UserWarning, match="5 pictures"):
        assert image_folder(folder, skip_broken=True).class_names == ["ant", "cat"]


def test_a_home_folder_is_found(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert len(image_folder("~/photos")) == 3
    (folder.parent / "t.csv").write_text("path,label\n~/photos/cat/1.jpg,a\nphotos/ant/x.PNG,b\n")
    with pytest.raises(FileNotFoundError):  # a path in a table is taken as it is written
        image_table("~/t.csv")


def test_what_is_missing_is_said(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match="expected pictures"):
        image_folder(tmp_path / "nowhere")
    (folder / "dog").mkdir()
    with pytest.raises(ValueError, match="no picture in .*dog"):
        image_folder(folder)
    images = image_folder(folder, skip_broken=True)
    assert images.class_names == ["ant", "cat"] and [p.name for p, _ in images.broken] == ["dog"]


# tables


def table(path, *rows, columns=("label", "path", "split", "is_query", "is_gallery"), **options):
    with path.open("w", newline="", encoding=options.pop("encoding", "utf-8")) as file:
        csv.writer(file, **options).writerows([columns, *rows])
    return path


@pytest.fixture
def listed_images(folder):
    """In the columns of Open Metric Learning; the labels are numbers, and 10 comes after 9."""
    return table(
        folder / "df.csv",
        (10, "cat/1.jpg", "train", "", ""),
        (9, "cat/2.png", "train", "", ""),
        (3, "ant/x.PNG", "validation", "True", "False"),
        (3, "cat/1.jpg", "validation", "False", "True"),
        (1, "cat/2.png", "validation", "False", "True"),
    )


def test_a_table_is_read_by_split_and_role(listed_images):
    train = image_table(listed_images, split="train")
    assert listed(train) == [("1.jpg", "10"), ("2.png", "9")] and train.class_names == ["9", "10"]
    query, gallery = (image_table(listed_images, split="validation", role=r) for r in ("query", "gallery"))
    assert query.class_names == gallery.class_names == ["1", "3"]  # the same numbers in both
    assert query.labels.tolist() == [1] and gallery.labels.tolist() == [1, 0]
    assert len(image_table(listed_images)) == 5 and image_table(listed_images).num_classes == 4


def test_tables_of_other_columns_delimiters_and_places(folder, tmp_path):
    file = table(
        tmp_path / "t.csv", ("ant", "ant/x.PNG"), ("katze", "cat/1.jpg"), columns=("kind", "file"), delimiter=";",
        encoding="utf-8-sig",
    )  # fmt: skip
    images = image_table(file, root=folder, path="file", label="kind", delimiter=";")
    assert listed(images) == [("x.PNG", "ant"), ("1.jpg", "katze")]
    with pytest.raises(ValueError, match=r"t\.csv: expected the columns path, label, found kind;file"):
        image_table(file)


@pytest.mark.parametrize("labels, names", [
    (("10", "9", "-3", "0"), ["-3", "0", "9", "10"]),
    (("7", "007", "10"), ["007", "10", "7"]),
    (("010", "009", "101"), ["009", "010", "101"]),
    (("10", "9", "-0"), ["-0", "10", "9"]),
    (("10", "9", "٣"), ["10", "9", "٣"]),
    (("10", "9", "1.5"), ["1.5", "10", "9"]),
])  # fmt: skip
@pytest.mark.parametrize("role", [None, "query"])
def test_labels_are_what_is_written_and_whole_numbers_give_the_order(folder, labels, names, role):
    rows = [(own, "cat/1.jpg", "True") for own in labels]
    images = image_table(table(folder / "t.csv", *rows, columns=("label", "path", "is_query")), role=role)
    assert images.class_names == names and [images.class_names[y] for y in images.labels] == list(labels)


def test_a_row_that_ends_early_is_of_no_split(folder):
    file = folder / "t.csv"
    file.write_text("path,label,split\ncat/1.jpg,a\ncat/2.png,b, train \nant/x.PNG,c,\n")
    assert listed(image_table(file, split="train")) == [("2.png", "b")]
    with pytest.raises(ValueError, match="no row for split='test', role=None; splits: train$"):
        image_table(file, split="test")


def test_tables_with_faults(listed_images, folder):
    with pytest.raises(ValueError, match="split='test'.*splits: train, validation"):
        image_table(listed_images, split="test")
    with pytest.raises(ValueError, match="role"):
        image_table(listed_images, role="probe")
    with pytest.raises(FileNotFoundError, match="no table"):
        image_table(folder / "no.csv")
    for row, message in (
        (("cat/1.jpg", "", "train", "", ""), "line 3.*path and a label"),
        (("", "1", "train", "", ""), "line 3"),
        (("1", "cat/9.jpg", "train", "", ""), r"9\.jpg.*1 of 2"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            image_table(table(folder / "bad.csv", ("1", "cat/1.jpg", "train", "", ""), row))
    bad = table(folder / "bad.csv", ("1", "cat/1.jpg", "validation", "perhaps", ""))
    with pytest.raises(ValueError, match="line 2.*True or False.*perhaps"):
        image_table(bad, role="query")


def test_a_table_leaves_out_what_is_broken(listed_images, folder):
    (folder / "cat" / "2.png").write_bytes(b"")
    images = image_table(listed_images, split="train", skip_broken=True)
    assert images.class_names == ["10"] and len(images.broken) == 1


# splits of classes
