"""Embedding transfer in the plane: a source on a circle, free points that follow the relaxed contrastive loss."""

from functools import lru_cache

import torch
from torch import Tensor

from dmlnb.losses.relaxed import relaxed_contrastive_loss, relaxed_labels

POINTS, STEPS = 24, 60


def toy_source(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Four classes on a circle, two of them neighbours: source embeddings `(24, 2)` of length 1 and labels `(24,)`."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(4).repeat_interleave(POINTS // 4)
    middle = torch.tensor([0.25, 0.95, 2.6, 4.3])[labels]  # classes 0 and 1 resemble each other
    angle = middle + 0.16 * torch.randn(POINTS, generator=generator)
    return torch.stack([angle.cos(), angle.sin()], dim=1), labels


@lru_cache(maxsize=64)
def toy_transfer(sigma: float = 1.0, delta: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Free points in the plane that follow the relaxed contrastive loss from a random start.

    Args:
        sigma, delta: of the loss.
        seed: of source and start.

    Returns:
        Positions `(61, 24, 2)`, scaled to mean distance 1, and the loss `(61,)` of each step.
    """
    source, _ = toy_source(seed)
    labels = relaxed_labels(source, sigma=sigma)
    points = torch.randn(POINTS, 2, generator=torch.Generator().manual_seed(seed + 1)).requires_grad_()
    optimizer = torch.optim.Adam([points], lr=0.08)
    path, losses = [], []
    for _ in range(STEPS + 1):
        loss = relaxed_contrastive_loss(points, labels, delta=delta)
        path.append(points.detach().clone())
        losses.append(loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    stacked = torch.stack(path)
    stacked = stacked - stacked.mean(dim=1, keepdim=True)
    return stacked / torch.cdist(stacked, stacked).mean(dim=(1, 2))[:, None, None], torch.stack(losses)


def forces(points: Tensor, source: Tensor, sigma: float, delta: float) -> Tensor:
    """Minus the gradient of the relaxed contrastive loss at free points `(n, d)`."""
    points = points.clone().requires_grad_()
    loss = relaxed_contrastive_loss(points, relaxed_labels(source, sigma=sigma), delta=delta)
    return -torch.autograd.grad(loss, points)[0]


def fit_circle(points: Tensor) -> tuple[Tensor, Tensor]:
    """Centre `(2,)` and radius of the circle with the least $\\sum (|p|^2 - 2 \\langle p, c \\rangle - k)^2$."""
    design = torch.cat([2 * points, torch.ones(len(points), 1, dtype=points.dtype)], dim=1)
    *centre, constant = torch.linalg.lstsq(design, points.square().sum(dim=1, keepdim=True)).solution[:, 0]
    centre = torch.stack(centre)
    return centre, (constant + centre.square().sum()).sqrt()
