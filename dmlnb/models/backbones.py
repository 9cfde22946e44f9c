"""Backbones: image in, last feature map out.

A backbone here ends where pooling begins. It returns the map of local features `(B, C, H, W)`: one C-vector for
each region of the image. How those vectors become one embedding is the subject of the course.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from dmlnb._inputs import require_sizes
from dmlnb.models.stages import Stages


class Shortcut(nn.Conv2d):
    """A 1x1 convolution with a stride, without bias; with fewer than 8 channels it first takes the pixels it needs.

    There, on CPUs with AVX2 and in channels_last, the backward pass of torch 2.15's own corrupts the memory.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (B, in, H, W) -> (B, out, H/stride, W/stride)
        if self.in_channels >= 8:
            return super().forward(x)
        rows, columns = self.stride
        return conv2d(x[:, :, ::rows, ::columns], self.weight)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: `relu(shortcut(x) + bn(conv(relu(bn(conv(x))))))`."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        self.out_channels = out_channels
        self.residual = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        same_shape = stride == 1 and in_channels == out_channels
        self.shortcut = nn.Identity() if same_shape else Shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:  # (B, in, H, W) -> (B, out, H/stride, W/stride)
        return torch.relu(self.shortcut(x) + self.residual(x))


def small_resnet(in_channels: int = 1, widths: tuple[int, int, int, int] = (16, 24, 48, 64)) -> Stages:
    """A residual network small enough to train on two CPU cores in a minute.

    A 5x5 stem with stride 2, then three residual blocks, the second with stride 2: a 32x32 image becomes an 8x8 map.
    With the default widths it has about 110,000 parameters (114,000 with a 64-d linear embedding behind it).

    Args:
        in_channels: channels of the image; 1 for grey.
        widths: channels of the stem and of the three blocks.

    Returns:
        A module `(B, in_channels, S, S) -> (B, widths[-1], S/4, S/4)` with `.out_channels`.

    Raises:
        ValueError: if `widths` does not hold four positive numbers.

    Taught in notebook 00.
    """
    if len(widths) != 4 or min(widths) < 1:
        raise ValueError(f"widths: expected four positive channel counts, got {widths}")
    require_sizes(in_channels=in_channels)
    stem, first, second, third = widths
    return Stages(
        nn.Conv2d(in_channels, stem, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(stem),
        nn.ReLU(inplace=True),
        ResidualBlock(stem, first),
        ResidualBlock(first, second, stride=2),
        ResidualBlock(second, third),
    )
