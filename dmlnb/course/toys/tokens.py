"""Tokens on a plane."""

import torch
from torch import Tensor


def demo_tokens(seed: int = 0) -> Tensor:
    """48 tokens on a plane, in four groups of 6, 9, 12 and 21: `(48, 2)`."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.tensor([[-1.0, 0.75], [1.15, 0.85], [0.95, -0.7], [-0.75, -0.6]])
    group = torch.arange(4).repeat_interleave(torch.tensor([6, 9, 12, 21]))
    return centres[group] + 0.24 * torch.randn(48, 2, generator=generator)


def transport_tokens(seed: int = 0) -> tuple[Tensor, Tensor]:
    """24 tokens `(24, 2)`, nine of them near three prototypes and the others elsewhere; and the prototypes `(3, 2)`."""
    generator = torch.Generator().manual_seed(seed)
    prototypes = torch.tensor([[-0.9, 0.6], [-0.5, -0.7], [0.2, 0.75]])
    near = prototypes.repeat_interleave(torch.tensor([4, 3, 2]), dim=0)
    near = near + 0.14 * torch.randn(9, 2, generator=generator)
    far = torch.tensor([0.9, -0.45]) + torch.tensor([0.32, 0.3]) * torch.randn(15, 2, generator=generator)
    return torch.cat([near, far]), prototypes
