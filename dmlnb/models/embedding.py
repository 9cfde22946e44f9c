"""Embeddings, or whatever a network gives, of a whole data set, batch by batch."""

from contextlib import closing

import torch
from torch import Tensor, nn

from dmlnb._inputs import a_weight, as_int, as_vector, evaluating
from dmlnb.data import to_float
from dmlnb.data.loading import Images, load_batches, require_images


@torch.no_grad()
def embed(
    net: nn.Module,
    images: Images,
    *,
    batch_size: int = 256,
    workers: int = 0,
    rows: Tensor | None = None,
) -> Tensor:
    """Embeddings of a whole data set, in evaluation mode and without gradients.

    The result is an ordinary tensor: it may be changed in place, and trained on.

    Args:
        net: an embedding network, `(B, c, S, S) -> (B, d)` (or anything `-> (B, ...)`, such as `net.features`).
        images: `(N, c, S, S)`, uint8 grey levels or floating point; feature maps; or a Dataset of `(image, label)`, or
            of images, all of one size.
        batch_size: images at a time.
        workers: processes that open the images of a Dataset; 0 opens them here.
        rows: `(M,)` indices of the images that are wanted, one at least; None for all.

    Returns:
        `(M, d)` float32 on the CPU, whatever the network computes in.

    Raises:
        ValueError: if there is no image or no such row, for items that are no tensors, or a `net` that is no module.

    Taught in notebook 00.
    """
    batch_size, workers = as_int(batch_size, "batch_size"), as_int(workers, "workers", least=0)
    owner = getattr(net, "__self__", net)  # net.features is a bound method of its network
    if not isinstance(owner, nn.Module):
        raise ValueError(f"net: expected a module or a method of one, got {type(net).__name__}")
    images = require_images(images)
    weight = a_weight(owner)
    rows = torch.arange(len(images)) if rows is None else _require_rows(rows, len(images))
    batches = rows.split(batch_size)
    loading = load_batches(images, None, batches, range(len(batches)), workers=workers)
    with evaluating(owner), closing(loading) as loaded:
        chunks = [
            net(to_float(chunk.to(weight.device)).to(weight.dtype)).float().cpu() for chunk, _ in loaded
        ]
    return torch.cat(chunks)


def _require_rows(rows: Tensor, number: int) -> Tensor:
    rows = as_vector(rows, "rows").cpu()
    whole = rows.ndim == 1 and not (rows.is_floating_point() or rows.is_complex() or rows.dtype == torch.bool)
    if not whole or not len(rows) or rows.min() < 0 or rows.max() >= number:
        raise ValueError(f"rows: expected indices in 0 .. {number - 1}, got {rows.dtype} {tuple(rows.shape)}")
    return rows.long()
