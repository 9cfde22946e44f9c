"""Pictures for a browser: one sheet of small tiles for all images, single thumbnails, and a folder read as images."""

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from dmlnb.data import image_folder
from dmlnb.explore.pictures import shrink

THUMBNAIL = 64  # pixels
_SHEET_SIDE = 8192  # pixels; what browsers decode without trouble
_MOST_PIXELS = 2**24  # 64 MiB once decoded


def sheet(pictures: Sequence[np.ndarray]) -> tuple[bytes, dict[str, int]]:
    """All images on one JPEG, so that a browser loads one file and cuts tiles out of it.

    Args:
        pictures: as `as_bytes` gives them. Their middle squares become tiles of 32 pixels, or of 24, 16 or 8 when they
            are many: a browser decodes the sheet to 64 MiB at most.

    Returns:
        The file, and `{"size": side of a tile in pixels, "columns": tiles a row}`.

    Raises:
        ValueError: for more images than fit with 8 pixels each (about a quarter of a million).
    """
    number = len(pictures)
    room = [
        s for s in (32, 24, 16, 8) if number <= (_SHEET_SIDE // s) ** 2 and number * s * s <= _MOST_PIXELS
    ]
    if not room:
        raise ValueError(f"images: expected at most {_MOST_PIXELS // 64}, got {number}")
    size = room[0]
    columns = int(np.ceil(np.sqrt(number)))
    rows = -(-number // columns)
    coloured = any(picture.ndim == 3 for picture in pictures)
    canvas = np.zeros((rows, size, columns, size, 3 if coloured else 1), dtype=np.uint8)
    for i, picture in enumerate(pictures):
        if picture.shape[:2] != (size, size):
            picture = np.asarray(ImageOps.fit(Image.fromarray(picture), (size, size), Image.Resampling.BOX))
        canvas[i // columns, :, i % columns] = picture if picture.ndim == 3 else picture[:, :, None]
    buffer = io.BytesIO()
    whole = canvas.reshape(rows * size, columns * size, -1)
    Image.fromarray(whole if coloured else whole[:, :, 0]).save(
        buffer, format="JPEG", quality=80, subsampling=0
    )
    return buffer.getvalue(), {"size": size, "columns": columns}


def thumbnail(picture: np.ndarray, side: int = THUMBNAIL) -> str:
    """One image as a `data:image/png` address; smaller than `side` it is left as it is."""
    image = Image.fromarray(shrink(picture, side))
    if image.mode == "L":
        image = image.quantize(32)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def read_folder(folder: str | os.PathLike, size: int = 64) -> tuple[Tensor, Tensor, list[str], list[Path]]:
    """Images of your own as one batch: every picture below a folder, made square (see `dmlnb.data.image_folder`).

    Compute embeddings in the order of the paths, or bring an array of them in this order.

    Args:
        folder: with one folder a class.
        size: side to which the shorter side of each image is scaled; the middle square is kept.

    Returns:
        images `(N, 3, size, size)` uint8, labels `(N,)` int64, the class names, and the paths, in sorted order.

    Raises:
        FileNotFoundError: if there is no folder or no picture in it.
        ValueError: for a class without a picture.
        OSError: for a file that cannot be read as an image; names it.

    Taught in notebook 08.
    """
    files = image_folder(folder)
    squares = [np.asarray(ImageOps.fit(files[i][0], (size, size))) for i in range(len(files))]
    images = torch.from_numpy(np.stack(squares))  # (N, S, S, 3)
    return images.permute(0, 3, 1, 2).contiguous(), files.labels, files.class_names, files.paths
