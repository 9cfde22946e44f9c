"""Whole batches as float, and their random variations."""

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from dmlnb._inputs import require_finite, require_floats


def to_float(images: Tensor) -> Tensor:
    """Grey levels 0 .. 255 -> float32 in -0.5 .. 0.5; floating-point images pass unchanged."""
    if not isinstance(images, Tensor) or images.is_complex():
        got = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(f"images: expected a tensor of numbers, got {got}")
    return images if images.is_floating_point() else images.float() / 255 - 0.5


def augment(
    images: Tensor, *, angle: float = 0.15, scale: float = 0.12, shift: float = 0.08, contrast: float = 0.25
) -> Tensor:
    """Rotate, scale, shift and re-expose each image of a batch; draws from torch's global generator.

    Args:
        images: `(B, c, S, S)` float.
        angle: largest rotation, radians.
        scale: largest relative change of size.
        shift: largest shift, in shares of half the image.
        contrast: largest relative change of contrast; half of the images are also inverted.

    Returns:
        As `images`.

    Raises:
        ValueError: for another shape or integer images.

    Taught in notebook 00.
    """
    require_floats(images=images)
    require_finite(angle=angle, scale=scale, shift=shift, contrast=contrast)
    if images.ndim != 4 or 0 in images.shape or not images.is_floating_point():
        raise ValueError(
            f"images: expected float of shape (B, c, S, S), got {images.dtype} {tuple(images.shape)}"
        )
    u = torch.rand(7, len(images), device=images.device) * 2 - 1
    turn, size = angle * u[0], 1 + scale * u[1]
    cos, sin = turn.cos() * size, turn.sin() * size
    theta = torch.stack([cos, -sin, shift * u[2], sin, cos, shift * u[3]], dim=1).view(-1, 2, 3)
    grid = affine_grid(theta.to(images.dtype), list(images.shape), align_corners=False)
    moved = grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    gain = (1 + contrast * u[4]) * u[5].sign()  # half of the images are inverted
    return moved * gain.view(-1, 1, 1, 1) + 0.1 * u[6].view(-1, 1, 1, 1)
