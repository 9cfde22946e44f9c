import io
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from dmlnb.data import LITE0, image_folder, open_image, photo_transforms


def saved(path, image, **options):
    image.save(path, **options)
    return path


def test_a_photograph_stands_upright(tmp_path):
    """All eight orientations: a picture whose top left is red and top right is blue, stored turned."""
    upright = np.zeros((16, 24, 3), dtype=np.uint8)
    upright[:8, :12], upright[:8, 12:] = (255, 0, 0), (0, 0, 255)
    turned = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.swapaxes(0, 1), 6: np.rot90(upright, 1), 7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }  # fmt: skip
    for orientation, pixels in turned.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = saved(
            tmp_path / f"{orientation}.png", Image.fromarray(np.ascontiguousarray(pixels)), exif=exif
        )
        assert np.array_equal(np.asarray(open_image(file)), upright), orientation


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_an_unreadable_exif_block_does_not_hide_the_picture(tmp_path):
    file = tmp_path / "a.jpg"
    Image.new("RGB", (8, 8), "red").save(
        file, exif=b"Exif\x00\x00" + b"II*\x00\xff\xff\xff\xff" + b"\x07" * 9
    )
    assert open_image(file).getpixel((4, 4))[0] > 240


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path, ending):
    ramp = np.linspace(0, 65535, 256 * 4).round().astype(np.uint16).reshape(32, 32)
    grey = np.asarray(open_image(saved(tmp_path / f"r.{ending}", Image.fromarray(ramp))))
    assert np.abs(grey[..., 0] - ramp / 257.0).max() <= 0.5 and 127 < grey.mean() < 128
    assert (grey[..., 0] == grey[..., 2]).all()


def test_numbers_of_unknown_range_are_refused(tmp_path):
    for name, pixels in (
        ("f", np.float32([[0.5, 3.0]])), ("i", np.int32([[0, 70000]])), ("n", np.int32([[0, -1]])),
        ("dark", np.full((4, 4), 200, np.int32)),  # 200 of how many?
    ):  # fmt: skip
        with pytest.raises(OSError, match=rf"{name}\.tif.*unknown range"):
            open_image(saved(tmp_path / f"{name}.tif", Image.fromarray(pixels)))


def test_sixteen_bits_that_pillow_holds_in_thirty_two_are_read(tmp_path):
    """PGM, TIFF with a sign, and in older versions of Pillow PNG."""
    half = np.full((4, 4), 128 * 257, np.uint16)
    (tmp_path / "a.pgm").write_bytes(b"P5 4 4 65535\n" + half.astype(">u2").tobytes())
    saved(tmp_path / "a.png", Image.fromarray(half))
    saved(tmp_path / "a.tif", Image.fromarray(half // 2), tiffinfo={339: 2})
    with Image.open(tmp_path / "a.tif") as file:
        assert file.mode == "I"
    for name, value in (("a.pgm", 128), ("a.png", 128), ("a.tif", 64)):
        assert open_image(tmp_path / name).getpixel((1, 1)) == (value,) * 3


def test_inks_palettes_and_transparency(tmp_path):
    cmyk = open_image(saved(tmp_path / "c.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), quality=100))
    assert np.abs(np.subtract(cmyk.getpixel((4, 4)), (255, 0, 0))).max() < 8
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 0, 200, 0])
    assert open_image(saved(tmp_path / "p.png", palette)).getpixel((0, 0)) == (0, 200, 0)
    assert open_image(saved(tmp_path / "t.png", palette, transparency=1)).getpixel((0, 0)) == (255, 255, 255)
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 0))  # red, but nobody sees it
    half.putpixel((1, 1), (0, 0, 255, 255))
    image = open_image(saved(tmp_path / "a.png", half))
    assert image.getpixel((0, 0)) == (255, 255, 255) and image.getpixel((1, 1)) == (0, 0, 255)
    assert open_image(saved(tmp_path / "la.png", Image.new("LA", (4, 4), (9, 255)))).getpixel((0, 0)) == (
        9,
        9,
        9,
    )
    assert open_image(saved(tmp_path / "1.png", Image.new("1", (4, 4), 1))).getpixel((0, 0)) == (
        255,
        255,
        255,
    )


def test_of_an_animation_there_is_the_first_picture(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    file = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert open_image(file).getpixel((0, 0)) == (255, 0, 0)


def bomb():
    """The head of a PNG that claims 40,000 x 40,000 pixels."""
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def test_whatever_cannot_be_read_is_one_error_that_names_the_file(tmp_path):
    good = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(good, "JPEG")
    png = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(png, "PNG")
    for name, content, message in (
        ("bomb.png", bomb(), "too large to open safely.*MAX_IMAGE_PIXELS"),
        ("cut.jpg", good.getvalue()[:400], "not readable"),
        ("page.jpg", b"<!DOCTYPE html><p>404", "not readable"),
        ("empty.png", b"", "not readable"),
        ("chunk.png", png.getvalue()[:40] + b"\xff\xff" + png.getvalue()[42:], "not readable"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(OSError, match=rf"{name}: {message}"):
            open_image(tmp_path / name)


def test_damaged_bytes_never_raise_anything_but_oserror(tmp_path):
    """Pillow's readers raise SyntaxError, struct.error and others; each is an error that names the file."""
    rng = np.random.default_rng(0)
    for format in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(buffer, format)
        for _ in range(40):
            content = bytearray(buffer.getvalue())
            for place in rng.integers(0, min(len(content), 120), 3):
                content[place] = rng.integers(256)
            file = tmp_path / f"x.{format.lower()}"
            file.write_bytes(content)
            try:
                assert open_image(file).mode == "RGB"
            except OSError as error:
                assert str(file) in str(error)


def test_the_evaluation_transform_is_resize_cut_normalise():
    """Against the same by hand: Pillow's resize, a cut of the middle, a division."""
    pixels = np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    x = photo_transforms(28)(image)  # shorter side to 32
    resized = np.asarray(image.resize((48, 32), Image.Resampling.BILINEAR)) / 255.0
    wanted = (resized[2:30, 10:38] - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert type(x) is torch.Tensor and x.shape == (3, 28, 28) and x.dtype == torch.float32
    assert np.abs(x.permute(1, 2, 0).numpy() - wanted).max() < 1e-5
    x = photo_transforms(28, **LITE0)(image)
    assert np.abs(x.permute(1, 2, 0).numpy() - (resized[2:30, 10:38] * 255 - 127) / 128).max() < 2e-3


def test_the_training_transform_varies_and_keeps_the_range():
    pixels = (
        np.linspace(255, 0, 60).astype(np.uint8)[None, :, None].repeat(40, 0).repeat(3, 2)
    )  # bright on the left
    transform = photo_transforms(16, train=True, mean=(0, 0, 0), std=(1, 1, 1), scale=(0.3, 0.6))
    torch.manual_seed(0)
    seen = torch.stack([transform(Image.fromarray(pixels)) for _ in range(30)])
    assert seen.shape == (30, 3, 16, 16) and seen.min() >= 0 and seen.max() <= 1
    bright_left = (seen[..., 0] > seen[..., -1]).all(dim=2).all(dim=1)
    assert 5 < bright_left.sum() < 25  # half are mirrored
    assert len(seen.unique(dim=0)) > 5
    torch.manual_seed(0)
    assert torch.equal(transform(Image.fromarray(pixels)), seen[0])


@pytest.mark.parametrize(
    "options", [{"size": 0}, {"size": 2.5}, {"std": (1, 0, 1)}, {"mean": (0,)}, {"scale": (0.5, 2)}]
)
def test_bad_transforms_are_named(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        photo_transforms(**options)


def test_a_picture_with_too_many_pixels_is_left_out_on_request(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "bomb.png").write_bytes(bomb())
    Image.new("RGB", (4, 4)).save(tmp_path / "a" / "ok.png")
    images = image_folder(tmp_path, skip_broken=True)
    assert len(images) == 1 and "too large" in images.broken[0][1]
