import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from dmlnb.explore import read_folder
from dmlnb.explore.tiles import sheet, thumbnail


def opened(address):
    return Image.open(io.BytesIO(base64.b64decode(address.partition("base64,")[2])))


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
    for number, size in ((5000, 32), (20_000, 24), (50_000, 16), (100_000, 8)):
        file, tile = sheet(np.zeros((number, 8, 8), dtype=np.uint8))
        assert (
            tile["size"] == size
            and number * size**2 * 4 <= 2**26
            and max(Image.open(io.BytesIO(file)).size) <= 8192
        )


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
