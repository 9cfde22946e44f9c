"""Networks small enough for tests, and what is asked of each backbone."""

import torch

from dmlnb.models import (
    EmbeddingNet,
    small_resnet,
)

RESNET = ("small_resnet", {"in_channels": 3, "widths": (4, 4, 8, 8)})


def network(pooling, **how):
    net = EmbeddingNet(small_resnet(**RESNET[1]), pooling, 6, **how)
    with torch.no_grad():
        net(torch.randn(4, 3, 16, 16))  # batch statistics that are not those of a new network
    return net.eval()


def runs(net, size, channels, side, grey=True):
    with torch.inference_mode():
        x = torch.randn(1, 1 if grey else 3, size, size)
        out = net.eval()(x)
        if grey:
            assert torch.equal(out, net(x.repeat(1, 3, 1, 1)))
    assert out.shape == (1, channels, side, side) and net.out_channels == channels
    return out
