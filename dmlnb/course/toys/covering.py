"""Three bent classes on a plane, small enough to cover by hand."""

import torch
from torch import Tensor


def cover_points(seed: int = 0, apart: float = 1.5) -> tuple[Tensor, Tensor]:
    """Three bent classes on a plane, `apart` from the middle: `(90, 2)` points and their labels."""
    generator = torch.Generator().manual_seed(seed)
    along = torch.rand(3, 30, generator=generator) * 2.4 - 1.2
    noise = 0.16 * torch.randn(3, 30, 2, generator=generator)
    bend = torch.stack([along, 0.5 * along**2], dim=2)  # (3, 30, 2)
    turn = torch.tensor([0.2, 2.3, 4.4])[:, None]
    x, y = bend.unbind(dim=2)
    points = torch.stack([turn.cos() * x - turn.sin() * y, turn.sin() * x + turn.cos() * y], dim=2) + noise
    centres = apart * torch.tensor([[0.0, 1.0], [-0.95, -0.6], [0.95, -0.6]])
    return (points + centres[:, None]).flatten(0, 1), torch.arange(3).repeat_interleave(30)
