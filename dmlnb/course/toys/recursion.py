"""A world of three prototypes on a plane, seen batch after batch, in which they may move."""

import torch
from torch import Tensor

NOISE = 0.15  # standard deviation of an observed vector, per coordinate
PER_BATCH = 4


def recursion_world(
    num_batches: int = 12, drift: float = 0.0, seed: int = 0
) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """Batches of four images that mix three prototypes; the prototypes may move while one looks.

    Args:
        num_batches: K.
        drift: how far the prototypes turn round the origin from one batch to the next, radians.
        seed: of histograms and noise.

    Returns:
        K pairs of attributes `(4, 3)`, which sum to 1, and noisy vectors `(4, 2)`; and the true prototypes `(K, 3, 2)`
        at the time of each batch. Float64.

    Raises:
        ValueError: for num_batches < 1.

    Taught in notebook 03.
    """
    if num_batches < 1:
        raise ValueError(f"num_batches: expected a number >= 1, got {num_batches}")
    generator = torch.Generator().manual_seed(seed)
    corner = torch.tensor([90.0, 210.0, 330.0]).double().deg2rad() + 0.2
    angle = corner + drift * torch.arange(num_batches)[:, None]  # (K, 3)
    true = 1.2 * torch.stack([angle.cos(), angle.sin()], dim=2)  # (K, 3, 2)
    batches = []
    for prototypes in true:
        share = -torch.log(
            torch.rand(PER_BATCH, 3, generator=generator).double()
        )  # exponential: Dirichlet(1)
        attributes = share / share.sum(dim=1, keepdim=True)
        noise = NOISE * torch.randn(PER_BATCH, 2, generator=generator).double()
        batches.append((attributes, attributes @ prototypes + noise))
    return batches, true
