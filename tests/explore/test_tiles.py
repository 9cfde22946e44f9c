import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from dmlnb.explore import EmbeddingAtlas, Selection, read_folder, rows
from dmlnb.explore.tiles import as_bytes, sheet, thumbnail


def opened(address):
    return Image.open(io.BytesIO(base64.b64decode(address.partition("base64,")[2])))


def test_images_become_bytes():
    grey = torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2)
    assert np.array_equal(as_bytes(grey), grey[:, 0].numpy())
    assert as_bytes(torch.rand(2, 3, 4, 5)).shape == (2, 4, 5, 3)
    assert as_bytes(torch.tensor([[[0.0, 1.0]]])).tolist() == [[[0, 255]]]
    assert as_bytes(torch.tensor([[[-0.5, 0.5]]])).tolist() == [[[0, 255]]]
    assert as_bytes(torch.tensor([[[True, False]]])).tolist() == [[[255, 0]]]
    for bad in (torch.rand(2, 2), torch.rand(2, 2, 3, 3), torch.rand(0, 3, 3)):
        with pytest.raises(ValueError, match="images: expected"):
            as_bytes(bad)


@pytest.mark.parametrize("shape", [(10, 20, 20), (10, 64, 48), (7, 32, 32, 3)])
def test_the_sheet_holds_every_image_in_its_place(shape):
    levels = np.linspace(10, 250, shape[0]).astype(np.uint8)
    pictures = np.broadcast_to(levels.reshape(-1, *[1] * (len(shape) - 1)), shape).copy()
    file, tile = sheet(pictures)
    size, columns = tile["size"], tile["columns"]
    whole = np.asarray(Image.open(io.BytesIO(file)).convert("L")).astype(int)
    for i, level in enumerate(levels):
        y, x = (i // columns) * size, (i % columns) * size
        assert np.abs(whole[y : y + size, x : x + size] - int(level)).max() <= 4


def test_many_images_get_smaller_tiles_on_a_sheet_that_browsers_open():
    for number, size in ((5000, 32), (50_000, 24), (100_000, 16)):
        file, tile = sheet(np.zeros((number, 8, 8), dtype=np.uint8))
        assert tile["size"] == size and max(Image.open(io.BytesIO(file)).size) <= 8192


def test_thumbnails_are_small_and_keep_their_shape():
    picture = opened(thumbnail(np.zeros((200, 100, 3), dtype=np.uint8)))
    assert picture.size == (32, 64) and picture.format == "PNG"
    assert opened(thumbnail(np.zeros((20, 20), dtype=np.uint8))).size == (20, 20)


def test_a_folder_becomes_images_and_classes(tmp_path):
    for name, color in (("cat/2.png", "red"), ("cat/1.jpg", "blue"), ("ant/x.PNG", "lime")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 30), color).save(tmp_path / name)
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    images, labels, names, paths = read_folder(tmp_path, size=16)
    assert images.shape == (3, 3, 16, 16) and images.dtype == torch.uint8
    assert names == ["ant", "cat"] and labels.tolist() == [0, 1, 1]
    assert [p.name for p in paths] == ["x.PNG", "1.jpg", "2.png"]
    assert images[2, :, 8, 8].tolist() == [255, 0, 0]
    (tmp_path / "cat" / "3.png").write_text("broken")
    with pytest.raises(OSError, match=r"3\.png: not readable"):
        read_folder(tmp_path)


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected pictures"):
        read_folder(tmp_path / "nowhere")


# rows


NAMES = ["<b>&\"'", "two"]


@pytest.fixture
def atlas():
    return EmbeddingAtlas(
        torch.eye(6), torch.tensor([0, 0, 0, 1, 1, 1]), class_names=NAMES, scores={"s": range(6)}
    )


PICTURES = np.zeros((6, 8, 8), dtype=np.uint8)


def test_a_row_says_rank_class_distance_and_hit_without_colour(atlas):
    found = atlas.neighbours("embedding", 0, k=5)
    text = rows.neighbour_row(atlas, PICTURES, 0, found)
    assert [int(i) for i in re.findall(r'data-index="(\d)"', text)] == found.index.tolist()
    assert text.count('dmlnb-tile hit"') == text.count("✓") == int(found.hit.sum()) == 2
    assert text.count('dmlnb-tile miss"') == text.count("✗") == 3
    assert (
        "neighbour 1: " in text and "distance 1.41" in text and text.count(", miss") == 6
    )  # title and aria-label


def test_names_are_escaped_everywhere(atlas):
    found = atlas.neighbours("embedding", 0, k=5)
    texts = [
        rows.neighbour_row(atlas, PICTURES, 0, found),
        rows.picked_line(atlas, "<i>", 0, found),
        rows.selection_block(atlas, atlas.statistics("embedding", [0, 3])),
        rows.contact_tiles(atlas, PICTURES, [0, 3]),
    ]
    for text in texts:
        assert "&lt;b&gt;&amp;" in text and NAMES[0] not in text
    assert "<i>:" not in texts[1] and "&lt;i&gt;" in texts[1] and ", s 0" in texts[1]


def test_the_block_counts_and_has_words_for_nothing(atlas):
    text = rows.selection_block(atlas, atlas.statistics("embedding", [0, 1, 2, 3]))
    assert "4 images</b> of 2 classes, 1 of them completely" in text
    assert "3 of 3" in text and "1 of 3" in text and "width:33%" in text
    assert "1 image</b> of 1 class," in rows.selection_block(atlas, atlas.statistics("embedding", [5]))
    assert "–" in rows.selection_block(atlas, atlas.statistics("embedding", [5]))
    assert "Nothing" in rows.selection_block(atlas, Selection(0, {}, 0, float("nan"), float("nan")))
    many = Selection(20, dict.fromkeys([0, 1] * 10, 1) | {0: 5}, 0, 0.5, 0.5)
    text = rows.selection_block(atlas, many, most=1)
    assert "50 %" in text and "not listed: 1<" in text


def test_the_contact_sheet_is_sorted_by_class_and_cut(atlas):
    text = rows.contact_tiles(atlas, PICTURES, [5, 0, 4, 1], most=3)
    assert re.findall(r'data-index="(\d)"', text) == ["0", "1", "5"] and "and 1 more" in text
