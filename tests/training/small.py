"""A network, a loss and a training run small enough for tests."""

import torch

from dmlnb.losses import ProxyAnchorLoss
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import make_optimizer, train

STEPS = 8


def make(seed=0, width=8):
    torch.manual_seed(seed)
    net = EmbeddingNet(small_resnet(1, (4, 8, 8, width)), GlobalAveragePooling(), dim=6)
    return net, ProxyAnchorLoss(4, 6)


def run(data, **options):
    net, loss = make()
    history = train(net, loss, *data, seed=5, progress=False, device="cpu", **options)
    return net, loss, history


def same(a, b):
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def stepped(net, loss, kind=None):
    """An optimiser that has made one step."""
    if kind is None:
        optimizer = make_optimizer(net, loss, learning_rate=1e-3, proxy_factor=10, weight_decay=0.1)
    else:
        optimizer = kind([*net.parameters(), *loss.parameters()])
    value = loss(net(torch.rand(4, 1, 16, 16)), torch.arange(4))
    value.backward()
    optimizer.step()
    optimizer.zero_grad()
    return optimizer


def everything(net, loss, optimizer):
    """Copies of all tensors of the three."""
    state = optimizer.state_dict()["state"]
    moments = [torch.as_tensor(v) for _, values in sorted(state.items()) for _, v in sorted(values.items())]
    return [t.clone() for t in (*net.state_dict().values(), *loss.state_dict().values(), *moments)]


def equal(a, b):
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def one_line(error, *words):
    text = str(error.value)
    assert "\n" not in text and all(word in text for word in words), text
