"""A network as an ONNX file, which runs without PyTorch and without this package."""

import os
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from dmlnb._files import replacing
from dmlnb._inputs import evaluating


def export_onnx(
    net: nn.Module, path: str | os.PathLike, *, size: int | tuple[int, int], channels: int = 3
) -> None:
    """Write a network as an ONNX file with input `images` (B, channels, *size), any B, and output `embeddings` (B, d).

    Args:
        net: the network; it is exported as in evaluation mode.
        path: a file; its folder is made, `~` is the home folder.
        size: S, or (height, width) of the images.
        channels: of the images.

    Tried with torch 2.11 and newer; 2.6 and 2.8 refuse networks that these take.

    Raises:
        ImportError: without the packages onnx and onnxscript.
        ValueError: for a size or a number of channels that is not positive, a folder as `path`, or a pooling that is
            still warming up.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width, channels) < 1:
        raise ValueError(f"size, channels: expected positive numbers, got {size} and {channels}")
    if not all(getattr(part, "ready", True) for part in net.modules()):
        raise ValueError("net: expected a pooling with prototypes, got one that is still warming up")
    try:
        import onnxscript  # noqa: F401  torch needs it
    except ImportError:
        raise ImportError("export_onnx needs two more packages: pip install onnx onnxscript") from None
    some = next(net.parameters(), torch.empty(0))
    images = torch.zeros(2, channels, height, width, dtype=some.dtype, device=some.device)
    with replacing(path) as part:
        _program(net, images).save(part)


def _program(net: nn.Module, images: Tensor) -> Any:
    """The network in evaluation mode, for any number of images of this size: a `torch.onnx.ONNXProgram`."""
    with evaluating(net), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        batch = ({0: torch.export.Dim("batch")},)
        traced = torch.export.export(net, (images,), dynamic_shapes=batch, strict=True)
        traced = traced.run_decompositions(_WITHOUT_ONNX_OPERATOR)
        return torch.onnx.export(
            traced, dynamo=True, verbose=False, input_names=["images"], output_names=["embeddings"]
        )


def _cdist(a: Tensor, b: Tensor, p: float, compute_mode: int | None = None) -> Tensor:
    """Euclidean distances by one product, in float64, so that near pairs keep their digits: (..., N, M)."""
    wide, others = a.double(), b.double()
    squares = wide.square().sum(-1)[..., :, None] + others.square().sum(-1)[..., None, :]
    return (squares - 2 * wide @ others.mT).clamp(min=0).sqrt().to(a.dtype)


def _amax(values: Tensor, dim: tuple[int, ...] = (), keepdim: bool = False) -> Tensor:
    """The largest number along some axes, by default all, one axis after the other."""
    axes = tuple(dim) or tuple(range(values.ndim))
    for axis in axes:
        values = values.max(axis, keepdim=True).values
    return values if keepdim else values.squeeze(axes)


# what poolings use and ONNX has no operator for
_WITHOUT_ONNX_OPERATOR = {torch.ops.aten.cdist.default: _cdist, torch.ops.aten.amax.default: _amax}
