"""Letter photographs: painted letters in front of clutter, as image files in folders, one folder per letter.

They stand in for a reader's own photographs: files of several sizes, the subject in colours that are roughly its own,
somewhere in the picture and never alone. They are drawn in a few seconds and need no download.
"""

import math
import os
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from dmlnb.data import Glyphs


def letter_photographs(
    root: str | os.PathLike, *, classes: int = 40, per_class: int = 12, seed: int = 0
) -> Path:
    """Draw JPEG files `root/U+XXXX/NN.jpg`, letters of the test scripts; files that are there already are kept.

    Args:
        root: a folder; it is made.
        classes: number of letters.
        per_class: files per letter.
        seed: of everything random.

    Returns:
        The folder.

    Raises:
        ValueError: if there are not that many letters.

    Taught in notebook 10.
    """
    letters = Glyphs("test", size=64, clutter=0, noise=0.0, per_class=per_class, seed=seed)
    if not 1 <= classes <= letters.num_classes:
        raise ValueError(f"classes: expected 1 .. {letters.num_classes}, got {classes}")
    root = Path(root).expanduser()
    generator = torch.Generator().manual_seed(seed)
    for letter in torch.linspace(0, letters.num_classes - 1, classes).long().tolist():
        folder = root / f"U+{ord(letters.class_names[letter]):04X}"
        folder.mkdir(parents=True, exist_ok=True)
        paint = torch.rand(3, 1, 1, generator=generator)  # of this letter, more or less
        for i in range(per_class):
            picture = _photograph(letters.images[letter * per_class + i, 0].float(), paint, generator)
            if not (file := folder / f"{i:02d}.jpg").exists():
                Image.fromarray((255 * picture).byte().permute(1, 2, 0).numpy()).save(file, quality=90)
    return root


def _photograph(grey: Tensor, paint: Tensor, generator: torch.Generator) -> Tensor:
    """A master letter `(64, 64)` in its paint `(3, 1, 1)`, somewhere in a picture `(3, H, W)` in 0 .. 1."""
    rand = lambda *shape: torch.rand(*shape, generator=generator)
    colour = lambda: 0.5 + 0.3 * (rand(3, 1, 1) - 0.5) + 0.5 * (rand(1) - 0.5)  # greyish
    height, width = (144 + 72 * rand(2)).int().tolist()
    picture = colour().expand(3, height, width)
    for cells in (2, 4, 8, 16):  # soft clouds, coarse to fine
        cloud = torch.randn(1, 3, cells, cells, generator=generator)
        picture = picture + 0.08 / cells**0.5 * interpolate(cloud, (height, width), mode="bicubic")[0]
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    for _ in range(int(2 + 4 * rand(()))):  # discs and bars
        angle, size, long = 2 * math.pi * rand(()), rand(()), rand(())
        right, down = x - rand(()), y - rand(())
        along, across = right * angle.cos() + down * angle.sin(), down * angle.cos() - right * angle.sin()
        bar = (across.abs() < 0.02 + 0.06 * size) & (along.abs() < 0.1 + 0.4 * long)
        disc = right**2 + down**2 < (0.04 + 0.1 * size) ** 2
        picture = torch.where(bar if long > 0.4 else disc, (picture + colour()) / 2, picture)
    ink = (grey - grey[0, 0]).abs() / (grey - grey[0, 0]).abs().max().clamp(min=1)  # (64, 64)
    side = int((0.7 + 0.25 * rand(())) * min(height, width))
    ink = interpolate(ink[None, None], (side, side), mode="bicubic", align_corners=False)[0].clamp(0, 1)
    top, left = int((height - side) * rand(())), int((width - side) * rand(()))
    place = picture[:, top : top + side, left : left + side]
    letter = paint + 0.3 * (rand(3, 1, 1) - 0.5)
    picture = picture.clone()
    picture[:, top : top + side, left : left + side] = place + (letter - place) * ink
    return (picture + 0.02 * torch.randn(3, height, width, generator=generator)).clamp(0, 1)
