"""Images as bytes: the one place where explorer and plots decide how bright a pixel is.

The range is read off the dtype or said by the caller; it is never guessed from the brightest or darkest pixel.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dmlnb.data.pictures import IMAGENET_MEAN, IMAGENET_STD, as_rgb, open_image
from dmlnb.explore.figures import to_numpy

OVERSHOOT = 0.25  # of a resized image beyond 0 .. 1; what lies farther outside was never in 0 .. 1

Range = str | tuple[float, float] | tuple[Sequence[float], Sequence[float]] | None


def as_bytes(images, *, range: Range = None, name: str = "images") -> np.ndarray | list[np.ndarray]:
    """Images as uint8, grey `(H, W)` or coloured `(H, W, 3)`.

    uint8 is 0 .. 255, bool is black and white, floating point is 0 .. 1 (what a resize overshoots is clipped).

    Args:
        images: a batch `(N, H, W)`, `(N, 1, H, W)` or `(N, 3, H, W)`; or single images, which may differ in size: a
            list or a map-style data set of them (or of pairs of an image and its label), each a Pillow image, a path,
            or an array `(H, W)`, `(1, H, W)`, `(3, H, W)` or `(H, W, 3)`. What has `.paths` is read from these.
        range: of all other numbers: `(low, high)`, `(mean, std)` by channel, or `"imagenet"` for images normalised by
            ImageNet's. uint8, bool, Pillow images and paths need none.
        name: of the argument, for errors.

    Returns:
        One array `(N, H, W)` or `(N, H, W, 3)` of a batch, else a list of arrays.

    Raises:
        ValueError: for another shape, no image, NaN, an unknown range, or numbers far outside the range.
        OSError: for a file that cannot be read as an image; names it.
    """
    if isinstance(images, torch.Tensor | np.ndarray):
        return _to_bytes(_channels_last(to_numpy(images), name), range, name)
    return [_picture(image, range, name) for image in _each(images, name)]


def thumbnails(
    images, side: int, *, range: Range = None, name: str = "images"
) -> np.ndarray | list[np.ndarray]:
    """`as_bytes`; single images are opened one after the other and kept no larger than `side` pixels each way."""
    if isinstance(images, torch.Tensor | np.ndarray):
        return as_bytes(images, range=range, name=name)
    return [shrink(_picture(image, range, name, side), side) for image in _each(images, name)]


def as_tensor(images, index: int) -> torch.Tensor:
    """Image `index` as a network takes it, `(1, c, H, W)`: numbers as they are, Pillow images and files as uint8."""
    image = images[index]
    image = image[0] if isinstance(image, tuple) else image
    if isinstance(image, str | os.PathLike):
        image = open_image(Path(image).expanduser())
    if isinstance(image, Image.Image):
        picture = _pillow_bytes(image)
        image = picture if picture.ndim == 2 else np.moveaxis(picture, 2, 0)
    array = to_numpy(image)
    if _channels_are_last(array):
        array = np.moveaxis(array, 2, 0)
    return torch.from_numpy(np.array(array[None] if array.ndim == 3 else array[None, None]))


def shrink(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture in its own proportions, no larger than `side` pixels each way."""
    if max(picture.shape[:2]) <= side:
        return picture
    image = Image.fromarray(picture)
    image.thumbnail((side, side))
    return np.asarray(image)


def _each(images, name: str) -> Iterator:
    """The single images of a list or a data set, one after the other."""
    images = getattr(images, "paths", images)
    if (
        isinstance(images, str | bytes)
        or not hasattr(images, "__getitem__")
        or not hasattr(images, "__len__")
    ):
        raise ValueError(f"{name}: expected a batch, a list or a data set, got {type(images).__name__}")
    if not len(images):
        raise ValueError(f"{name}: expected at least one, got none")
    for i in np.arange(len(images)).tolist():
        item = images[i]
        yield item[0] if isinstance(item, tuple) else item


def _picture(image, range: Range, name: str, side: int | None = None) -> np.ndarray:
    if isinstance(image, str | os.PathLike):
        image = open_image(Path(image).expanduser(), side=side)
    if isinstance(image, Image.Image):
        return _pillow_bytes(image)
    array = to_numpy(image)
    if _channels_are_last(array):
        return _to_bytes(array[None], range, name)[0]
    return _to_bytes(_channels_last(array[None], name), range, name)[0]


def _pillow_bytes(image: Image.Image) -> np.ndarray:
    return np.asarray(as_rgb(image) if image.mode not in ("1", "L") else image.convert("L"))


def _channels_are_last(image: np.ndarray) -> bool:  # (H, W, 3), as Pillow and OpenCV have it
    return image.ndim == 3 and image.shape[2] == 3 and image.shape[0] not in (1, 3)


def _channels_last(array: np.ndarray, name: str) -> np.ndarray:  # -> (N, H, W) or (N, H, W, 3)
    if 0 in array.shape or array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[1] not in (1, 3)):
        raise ValueError(
            f"{name}: expected (N, 1, H, W), (N, H, W) or (N, 3, H, W), N >= 1, got {array.shape}"
        )
    if array.ndim == 3:
        return array
    return array[:, 0] if array.shape[1] == 1 else np.moveaxis(array, 1, 3)


def _to_bytes(array: np.ndarray, range: Range, name: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array * np.uint8(255)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name}: expected numbers, got {array.dtype}")
    whole = array.dtype.kind in "iu"
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    if range is None:
        top, slack = (255.0, 0.0) if whole else (1.0, OVERSHOOT)
        if low < -slack or high > top + slack:
            kind = "integers in 0 .. 255" if whole else "floating point in 0 .. 1"
            raise ValueError(
                f"{name}: expected {kind}, got {low:.3g} .. {high:.3g}; "
                "say range=(low, high), range=(mean, std) or range='imagenet'"
            )
        shares = array.astype(np.float32) / top
    else:
        shares = _shares(array.astype(np.result_type(array, np.float32)), range)
    return (shares.clip(0, 1) * 255).round().astype(np.uint8)


def _shares(array: np.ndarray, range: Range) -> np.ndarray:
    """Numbers of a range that was said -> 0 .. 1."""
    said = (IMAGENET_MEAN, IMAGENET_STD) if isinstance(range, str) and range == "imagenet" else range
    try:
        first, second = (np.asarray(v, dtype=np.float32) for v in said)
        scalar = first.ndim == 0
        good = np.isfinite([*np.ravel(first), *np.ravel(second)]).all() and first.shape == second.shape
        good = good and (first < second if scalar else first.ndim == 1 and (second > 0).all())
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"range: expected (low, high), (mean, std) or 'imagenet', got {range!r}")
    if scalar:
        return (array - first) / (second - first)
    channels = 3 if array.ndim == 4 else 1
    if len(first) not in (1, channels):
        raise ValueError(f"range: expected a mean and a std for {channels} channels, got {len(first)}")
    return array * second + first
