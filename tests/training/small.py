"""A network, a loss and a training run small enough for tests."""

import torch

from dmlnb.losses import ProxyAnchorLoss
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import train

STEPS = 8


def make(seed=0):
    torch.manual_seed(seed)
    net = EmbeddingNet(small_resnet(1, (4, 8, 8, 8)), GlobalAveragePooling(), dim=6)
    return net, ProxyAnchorLoss(4, 6)


def run(data, **options):
    net, loss = make()
    history = train(net, loss, *data, seed=5, progress=False, device="cpu", **options)
    return net, loss, history


def same(a, b):
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )
