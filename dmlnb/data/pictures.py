"""One image file as an upright RGB picture, and the transforms that make a network's input of it."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dmlnb._inputs import as_int

if TYPE_CHECKING:
    from PIL import Image

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
UNKNOWN = "its pixels are 32-bit numbers of unknown range; save it with 8 or 16 bits"


def open_image(path: str | os.PathLike, *, side: int | None = None) -> "Image.Image":
    """An image file as it is meant to be seen: a PIL image, RGB, 8 bits.

    It stands upright (EXIF orientation), 16 bits are scaled to 8 and not clipped, transparent parts are white, of an
    animation there is the first picture.

    Args:
        path: the file.
        side: pixels that are wanted at least; a large JPEG is then read at a fraction of its size, up to ten times
            faster. None reads all of it.

    Returns:
        A `PIL.Image.Image` of mode RGB.

    Raises:
        FileNotFoundError: if it is not there.
        OSError: if it cannot be read as an image, whatever the reason: damaged, no image, too large. Names the file.
    """
    from PIL import Image

    try:
        with Image.open(path) as file:
            if side is not None:
                file.draft(None, (2 * side, 2 * side))
            file.load()
            if file.mode == "I" and not _sixteen_bits(file):
                raise ValueError(UNKNOWN)
            return as_rgb(_upright(file))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: listed in the index, but not there") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise OSError(
            f"{path}: too large to open safely ({error}); scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS"
        ) from error
    except Exception as error:  # Pillow's readers raise SyntaxError, ValueError, struct.error and more
        raise OSError(
            f"{path}: not readable as an image ({error}); download it again or leave it out (skip_broken=True)"
        ) from error


def _sixteen_bits(file: "Image.Image") -> bool:
    """Whether a file whose numbers Pillow holds in 32 bits has no more than 16 of them."""
    bits = getattr(file, "tag_v2", {}).get(258)  # of a TIFF
    return file.format in ("PNG", "PPM") or bits == (16,)


def _upright(image: "Image.Image") -> "Image.Image":
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # an EXIF block that cannot be read says nothing of orientation; the pixels are sound
        return image


def as_rgb(image: "Image.Image") -> "Image.Image":
    """A PIL image of any mode as RGB: 16 bits are scaled to 8, transparent parts are white.

    Raises:
        ValueError: for pixels of an unknown range: floating point, or numbers beyond 16 bits.
    """
    from PIL import Image

    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range; save it with 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion would clip them at 255
        pixels = np.asarray(image).astype(np.int64)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError(UNKNOWN)
        return Image.fromarray(((pixels + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def photo_transforms(
    size: int = 224,
    train: bool = False,
    *,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    scale: tuple[float, float] = (0.16, 1.0),
) -> Callable:
    """What makes a photograph the input of a network, by torchvision: `(x - mean) / std` of a square cut-out.

    For evaluation the shorter side is scaled to 8/7 `size` (256 for 224) and the middle square is cut out. For training
    a random part is scaled to the square, and half of the pictures are mirrored.

    Args:
        size: side of the square, pixels.
        train: random cut-outs and mirroring.
        mean, std: of each colour channel, of pixels in 0 .. 1; ImageNet's by default.
            `lite0_backbone` wants .498 and .502 for all three: `photo_transforms(**LITE0)`.
        scale: smallest and largest share of the image's area in a training cut-out.

    Returns:
        A `torchvision.transforms.v2.Compose`: PIL image -> `(3, size, size)` float32.

    Raises:
        ValueError: for arguments out of range.
    """
    import torch
    from torchvision.transforms import v2

    size = as_int(size, "size")
    if len(mean) != 3 or len(std) != 3 or not min(std) > 0:
        raise ValueError(f"mean, std: expected three numbers each, std > 0, got {mean}, {std}")
    if not 0 < scale[0] <= scale[1] <= 1:
        raise ValueError(f"scale: expected two shares with 0 < low <= high <= 1, got {scale}")
    size = int(size)
    if train:
        cut = [v2.RandomResizedCrop(size, scale=tuple(scale), antialias=True), v2.RandomHorizontalFlip()]
    else:
        cut = [v2.Resize(round(size * 8 / 7), antialias=True), v2.CenterCrop(size)]
    to_tensor = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    return v2.Compose([*cut, *to_tensor, v2.Normalize(list(mean), list(std)), v2.ToPureTensor()])


LITE0 = {
    "mean": (0.498, 0.498, 0.498),
    "std": (0.502, 0.502, 0.502),
}  # of EfficientNet-Lite: (255 x - 127) / 128
