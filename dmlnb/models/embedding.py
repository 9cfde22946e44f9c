"""Embeddings, or readings, of a whole data set, batch by batch."""

import torch
from torch import Tensor, nn

from dmlnb.data import to_float


@torch.no_grad()
def embed(net: nn.Module, images: Tensor, *, batch_size: int = 256) -> Tensor:
    """Embeddings of a whole data set, in evaluation mode and without gradients.

    Args:
        net: an embedding network, `(B, c, S, S) -> (B, d)` (or anything `-> (B, ...)`, such as `net.features`).
        images: `(N, c, S, S)`, uint8 grey levels or floating point.
        batch_size: images at a time.

    Returns:
        `(N, d)` float32 on the CPU.

    Raises:
        ValueError: if there is no image.

    Taught in notebook 00.
    """
    if len(images) == 0:
        raise ValueError("images: expected at least one, got none")
    owner = getattr(net, "__self__", net)  # net.features is a bound method of its network
    device = next(owner.parameters(), images).device
    was_training = owner.training
    owner.eval()
    try:
        chunks = [net(to_float(chunk.to(device)).float()).float().cpu() for chunk in images.split(batch_size)]
    finally:
        owner.train(was_training)
    return torch.cat(chunks)
