"""Pictures for a browser: one sheet of small tiles for all images, single thumbnails, and a folder read as images."""

import base64
import io
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dmlnb.explore.figures import to_numpy

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_SHEET_SIDE = 8192  # pixels; what browsers decode without trouble


def as_bytes(images) -> np.ndarray:
    """Images as `(N, H, W)` or `(N, H, W, 3)` uint8.

    Args:
        images: `(N, 1, H, W)`, `(N, H, W)` or `(N, 3, H, W)`: uint8, or floating point in 0 .. 1 or (when something is
            negative) in -0.5 .. 0.5.

    Raises:
        ValueError: for another shape.
    """
    array = to_numpy(images)
    shape = array.shape
    if array.ndim == 4 and shape[1] == 1:
        array = array[:, 0]
    elif array.ndim == 4 and shape[1] == 3:
        array = np.moveaxis(array, 1, 3)
    elif array.ndim != 3:
        array = None
    if array is None or 0 in shape:
        raise ValueError(f"images: expected (N, 1, H, W), (N, H, W) or (N, 3, H, W), N >= 1, got {shape}")
    if np.issubdtype(array.dtype, np.floating):
        array = np.nan_to_num(array.astype(np.float32))
        array = ((array + 0.5 if array.min() < 0 else array).clip(0, 1) * 255).round()
    elif array.dtype == bool:
        array = array * np.uint8(255)
    return array.astype(np.uint8)


def sheet(pictures: np.ndarray) -> tuple[bytes, dict[str, int]]:
    """All images on one JPEG, so that a browser loads one file and cuts tiles out of it.

    Args:
        pictures: as `as_bytes` gives them. They become square tiles of 32 pixels, or of 24, 16 or 8 when they are many.

    Returns:
        The file, and `{"size": side of a tile in pixels, "columns": tiles a row}`.

    Raises:
        ValueError: for more images than fit with 8 pixels each (about a million).
    """
    number = len(pictures)
    room = [s for s in (32, 24, 16, 8) if number <= (_SHEET_SIDE // s) ** 2 and number * s * s <= 2**25]
    if not room:
        raise ValueError(f"images: expected at most {2**25 // 64}, got {number}")
    size = room[0]
    columns = int(np.ceil(np.sqrt(number)))
    rows = -(-number // columns)
    mode = "L" if pictures.ndim == 3 else "RGB"
    canvas = np.zeros((rows, size, columns, size, *pictures.shape[3:]), dtype=np.uint8)
    for i, picture in enumerate(pictures):
        if picture.shape[:2] != (size, size):
            picture = np.asarray(Image.fromarray(picture, mode).resize((size, size), Image.Resampling.BOX))
        canvas[i // columns, :, i % columns] = picture
    buffer = io.BytesIO()
    whole = canvas.reshape(rows * size, columns * size, *pictures.shape[3:])
    Image.fromarray(whole).save(buffer, format="JPEG", quality=80, subsampling=0)
    return buffer.getvalue(), {"size": size, "columns": columns}


def thumbnail(picture: np.ndarray, side: int = 64) -> str:
    """One image as a `data:image/png` address; smaller than `side` it is left as it is."""
    image = Image.fromarray(picture)
    image.thumbnail((side, side))
    if image.mode == "L":
        image = image.quantize(32)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def read_folder(folder: str | os.PathLike, size: int = 64) -> tuple[Tensor, Tensor, list[str], list[Path]]:
    """Images of your own: every picture below a folder; the name of the folder it lies in is its class.

    Compute embeddings in the order of the paths, or bring an array of them in this order.

    Args:
        folder: with one folder a class, as `ImageFolder` of torchvision expects it; pictures that lie directly in it
            make one class, named after it.
        size: side to which the shorter side of each image is scaled; the middle square is kept.

    Returns:
        images `(N, 3, size, size)` uint8, labels `(N,)` int64, the class names, and the paths, in sorted order.

    Raises:
        FileNotFoundError: if there is no folder or no picture in it.
        OSError: for a file that cannot be read as an image; names it.

    Taught in notebook 08.
    """
    root = Path(folder).expanduser()
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())
    if not paths:
        raise FileNotFoundError(f"folder: expected pictures ({', '.join(PICTURES)}) below {root}, found none")
    classes = sorted({p.parent.name for p in paths})
    images = np.stack([_square(path, size) for path in paths])  # (N, S, S, 3)
    labels = torch.tensor([classes.index(p.parent.name) for p in paths])
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), labels, classes, paths


def _square(path: Path, size: int) -> np.ndarray:
    from PIL import ImageOps

    try:
        with Image.open(path) as file:
            return np.asarray(ImageOps.fit(file.convert("RGB"), (size, size)))
    except OSError as error:
        raise OSError(f"{path}: not readable as an image ({error})") from error
