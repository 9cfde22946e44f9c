"""Glyphs: real letters of six scripts in clutter, the course's embedded data set.

A sample is one letter in one typeface, slanted, scaled, shifted, with random contrast, in front of distracting shapes
and under noise. Classes are split by script: a network trained on Latin and Cyrillic is tested on Georgian, Armenian
and Lao. Every image is a function of (seed, letter, repetition), so a smaller set is a part of a larger one.

    python -m dmlnb.data.glyphs build        # remakes data/glyphs.npz from matplotlib's typefaces
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from dmlnb._inputs import is_whole, require_shares
from dmlnb.data.glyph_masters import BOX, FILL, SCRIPTS, load_masters

PER_CLASS = {"train": 100, "validation": 30, "test": 20}
_CHUNK = 512


def uniform(seed: int, keys: np.ndarray, slots: int, *, stream: int = 0) -> np.ndarray:
    """Uniform numbers in [0, 1) that depend on (seed, stream, key, slot) only: splitmix64 as a hash; `(N, slots)`."""
    with np.errstate(over="ignore"):
        origin = np.uint64(seed) * np.uint64(0xA0761D6478BD642F) + np.uint64(stream) * np.uint64(
            0xD1B54A32D192ED03
        )
        state = _mix(keys.astype(np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15) + origin) + np.arange(
            1, slots + 1, dtype=np.uint64
        ) * np.uint64(0x9E3779B97F4A7C15)
        return (_mix(state) >> np.uint64(11)).astype(np.float64) / 2.0**53


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class Glyphs(torch.utils.data.Dataset):
    """Letters in clutter, with known foreground masks.

    Args:
        split: `"train"` (Latin, Cyrillic), `"validation"` (Greek) or `"test"` (Georgian, Armenian, Lao).
        size: side of the image, pixels: 32, 48 or 64.
        clutter: distracting shapes an image; a number, or (lowest, highest) for a uniform choice.
        noise: standard deviation of the pixel noise, in shares of the grey range.
        per_class: images per letter; by default 100, 30 and 20 for the three splits.
        seed: of everything random, >= 0.
        scripts: only letters of these scripts of the split, such as `("Cyrillic",)`; by default all.
        return_mask: let indexing return the letter's mask as a third item.

    Attributes:
        images: `(N, 1, size, size)` uint8, class after class.
        labels: `(N,)` int64 in 0 .. C - 1.
        masks: `(N, size, size)` bool, where the letter is.
        class_names, scripts: the letter and its script, one per class.
        num_classes: C.

    Raises:
        ValueError: for arguments out of range, or a damaged `glyphs.npz`.
        OSError: if the masters must be built and the cache cannot be written.

    Taught in notebook 00.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor
    class_names: list[str]
    scripts: list[str]

    def __init__(
        self,
        split: str = "train",
        *,
        size: int = 32,
        clutter: int | tuple[int, int] = (0, 4),
        noise: float = 0.05,
        per_class: int | None = None,
        seed: int = 0,
        return_mask: bool = False,
        scripts: tuple[str, ...] | None = None,
    ):
        if split not in SCRIPTS:
            raise ValueError(f"split: expected one of {', '.join(SCRIPTS)}, got {split!r}")
        scripts = SCRIPTS[split] if scripts is None else tuple(scripts)
        if not scripts or not set(scripts) <= set(SCRIPTS[split]):
            raise ValueError(f"scripts: expected some of {', '.join(SCRIPTS[split])}, got {scripts}")
        if size not in (32, 48, 64):
            raise ValueError(f"size: expected 32, 48 or 64, got {size}")
        ends: Any = (
            (clutter, clutter) if is_whole(clutter) else tuple(clutter) if np.iterable(clutter) else ()
        )
        if len(ends) != 2 or not all(is_whole(end) for end in ends) or not 0 <= ends[0] <= ends[1] <= 32:
            raise ValueError(f"clutter: expected a whole number or range within 0 .. 32, got {clutter}")
        require_shares(noise=noise)
        per_class = PER_CLASS[split] if per_class is None else per_class
        if not (is_whole(per_class) and 1 <= per_class <= 65536):
            raise ValueError(f"per_class: expected a whole number 1 .. 65536, got {per_class}")
        if not (is_whole(seed) and seed >= 0):
            raise ValueError(f"seed: expected a whole number >= 0, got {seed}")
        size, low, high, per_class, seed = map(int, (size, *ends, per_class, seed))
        self.split, self.size, self.return_mask = split, size, return_mask

        masters = load_masters()
        chosen = np.flatnonzero(np.isin(masters["scripts"], scripts))  # letters of this split
        self.class_names = [chr(code) for code in masters["code_points"][chosen]]
        self.scripts = masters["scripts"][chosen].tolist()
        self.num_classes = len(chosen)
        self.labels = torch.arange(self.num_classes).repeat_interleave(per_class)

        codes = masters["code_points"][chosen][self.labels.numpy()].astype(np.int64)
        keys = codes * 65536 + np.tile(np.arange(per_class), self.num_classes)
        first = np.searchsorted(masters["letter"], chosen[self.labels.numpy()])  # its faces stand together
        count = np.searchsorted(masters["letter"], chosen[self.labels.numpy()], side="right") - first
        face = first + (uniform(seed, keys, 1)[:, 0] * count).astype(np.int64)

        rasters = torch.from_numpy(masters["rasters"])
        parts = [
            _render(rasters[face[i : i + _CHUNK]], seed, keys[i : i + _CHUNK], size, (low, high), noise)
            for i in range(0, len(keys), _CHUNK)
        ]
        self.images, self.masks = (torch.cat(p) for p in zip(*parts, strict=True))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple:
        sample = (self.images[index], int(self.labels[index]))
        return (*sample, self.masks[index]) if self.return_mask else sample


def _render(
    rasters: Tensor, seed: int, keys: np.ndarray, size: int, clutter: tuple[int, int], noise: float
) -> tuple[Tensor, Tensor]:
    """A chunk of images `(B, 1, S, S)` uint8 and masks `(B, S, S)`, from masters `(B, 40, 40)` uint8."""
    number = len(keys)
    u = torch.from_numpy(uniform(seed, keys, 8, stream=1)).float()
    background = 0.25 + 0.5 * u[:, 0]
    contrast = 0.35 + 0.25 * u[:, 1]
    sign = torch.where(u[:, 2] < 0.5, 1.0, -1.0)
    sign = torch.where((background + sign * contrast).sub(0.5).abs() > 0.5, -sign, sign)  # stay within 0 .. 1
    canvas = background.view(-1, 1, 1, 1).expand(number, 1, size, size)

    v = torch.from_numpy(uniform(seed, keys, 1 + 8 * clutter[1], stream=2)).float()
    count = clutter[0] + (v[:, 0] * (clutter[1] - clutter[0] + 1)).long()
    shapes = _shapes()
    for slot in range(clutter[1]):
        w = v[:, 1 + 8 * slot : 9 + 8 * slot]  # (B, 8)
        kind = (w[:, 0] * len(shapes)).long()
        scale = 0.18 + 0.3 * w[:, 1]
        place = (w[:, 2:4] - 0.5) * 2 * (1 - 0.6 * scale[:, None])
        ink = _warp(shapes[kind], size, scale, (w[:, 4] - 0.5) * 2 * torch.pi, (w[:, 5] - 0.5), place)
        grey = background + torch.where(w[:, 6] < 0.5, 1.0, -1.0) * (0.12 + 0.3 * w[:, 7])
        ink = ink * (slot < count).view(-1, 1, 1, 1)
        canvas = canvas + (grey.clamp(0, 1).view(-1, 1, 1, 1) - canvas) * ink

    scale = 0.6 + 0.25 * u[:, 3]
    place = (u[:, 4:6] - 0.5) * 2 * (0.95 - scale[:, None])
    angle, shear = (u[:, 6] - 0.5) * 0.5, (u[:, 7] - 0.5) * 0.5
    ink = _warp(rasters[:, None].float() / 255, size, scale, angle, shear, place)
    letter = (background + sign * contrast).clamp(0, 1).view(-1, 1, 1, 1)
    canvas = canvas + (letter - canvas) * ink
    if noise:
        grain = (
            torch.from_numpy(uniform(seed, keys, 2 * size * size, stream=3))
            .float()
            .view(number, 2, size, size)
        )
        canvas = (
            canvas + (grain.sum(dim=1, keepdim=True) - 1) * noise * 6**0.5
        )  # triangular, this standard deviation
    return (canvas.clamp(0, 1) * 255).round().to(torch.uint8), ink[:, 0] > 0.5


def _warp(pictures: Tensor, size: int, scale: Tensor, angle: Tensor, shear: Tensor, place: Tensor) -> Tensor:
    """Place `(B, 1, 40, 40)` pictures on an empty canvas `(B, 1, S, S)`; place in canvas units of -1 .. 1."""
    cos, sin = angle.cos(), angle.sin()
    rotate = torch.stack([cos, -sin, sin, cos], dim=1).view(-1, 2, 2)
    slant = torch.eye(2).repeat(len(angle), 1, 1)
    slant[:, 0, 1] = shear
    forward = scale.view(-1, 1, 1) * (BOX / FILL) * rotate @ slant  # picture -> canvas
    back = torch.linalg.inv(forward)
    theta = torch.cat([back, -back @ place[:, :, None]], dim=2)  # (B, 2, 3)
    grid = affine_grid(theta, [len(angle), 1, size, size], align_corners=False)
    return grid_sample(pictures, grid, align_corners=False)


def _shapes() -> Tensor:
    """Eight distracting shapes `(8, 1, 40, 40)`: disc, ring, bar, triangle, frame, cross, arc, two dots."""
    axis = (torch.arange(BOX) + 0.5) / BOX * 2 - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    radius, square = (x**2 + y**2).sqrt(), torch.maximum(x.abs(), y.abs())
    shapes = [
        radius < 0.8,
        (radius < 0.85) & (radius > 0.55),
        (x.abs() < 0.2) & (y.abs() < 0.9),
        (y < 0.7) & (y > 2 * x.abs() - 0.9),
        (square < 0.85) & (square > 0.6),
        ((x.abs() < 0.16) | (y.abs() < 0.16)) & (square < 0.85),
        (radius < 0.85) & (radius > 0.6) & (y < 0.2),
        ((x.abs() - 0.5) ** 2 + y**2) < 0.12,
    ]
    return torch.stack(shapes)[:, None].float()
