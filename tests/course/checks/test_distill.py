from statistics import NormalDist

import torch
from torch.nn.functional import cross_entropy

from tests.course.checks.exercises import Exercises


def quantile(share):
    """Where the normal distribution has this share below: by bisection."""
    low, high = -20.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if NormalDist().cdf(middle) < share else (low, middle)
    return low


def blocks(distances, labels, subclasses):
    starts = labels * subclasses
    own = [row[s : s + subclasses].argmin() + s for row, s in zip(distances, starts, strict=True)]
    return torch.stack(own)


def as_released(distances, labels, subclasses):
    """The bug of the exercise: turned round, and other classes set to 0, which the farthest of all has too."""
    own = torch.arange(distances.shape[1]) // subclasses == labels[:, None]
    return (own * (distances.amax(dim=1, keepdim=True) - distances)).argmax(dim=1)


RIGHT = {
    "start_bias": lambda share, k: -quantile(share ** (1 / k)),
    "inverse_temperature": lambda near, far, p: torch.tensor(p / (1 - p)).log() / (far - near),
    "own_subclass": blocks,
}

# (exercise, wrong answer, words of the property that must be named)
WRONG = {
    "sign": ("start_bias", lambda share, k: quantile(share ** (1 / k)), "a lower bias silences more"),
    "one template": ("start_bias", lambda share, k: -quantile(share), "their shares are multiplied"),
    "any of them": (
        "start_bias",
        lambda share, k: -quantile(1 - (1 - share) ** (1 / k)),
        "their shares are multiplied",
    ),
    "divided": ("start_bias", lambda share, k: -quantile(share / k), "their shares are multiplied"),
    "squared again": (
        "inverse_temperature",
        lambda near, far, p: torch.tensor(p / (1 - p)).log() / (far**2 - near**2),
        "only the difference counts",
    ),
    "share alone": (
        "inverse_temperature",
        lambda near, far, p: torch.tensor(p).log() / (far - near),
        "half each",
    ),
    "divides": (
        "inverse_temperature",
        lambda near, far, p: (far - near) * torch.tensor(p / (1 - p)).log(),
        "only the difference counts",
    ),
    "ratio": (
        "inverse_temperature",
        lambda near, far, p: torch.tensor(p / (1 - p)).log() / (far / near),
        "only the difference counts",
    ),
    "label ignored": ("own_subclass", lambda d, y, k: d.argmin(dim=1), "another class does not count"),
    "farthest": ("own_subclass", lambda d, y, k: blocks(-d, y, k), "the nearest one"),
    "number in the class": (
        "own_subclass",
        lambda d, y, k: blocks(d, y, k) % k,
        "another class does not count",
    ),
    "as released": ("own_subclass", as_released, "may be the farthest"),
}


class TestExercises(Exercises):
    """The answers above."""


# The right options of the predict questions are true.


def test_of_a_million_regions_none_goes_unmatched():
    assert 1e6 * 0.5**64 < 1e-10


def test_match_strength_is_discarded():
    from dmlnb.models import KDLayer

    layer, x = KDLayer(4, 6).double().eval(), torch.randn(2, 4, 3, 3, dtype=torch.float64)
    before = layer(x)[0]
    layer.norm.weight.data *= 7
    layer.norm.bias.data *= 7
    assert torch.allclose(layer(x)[0], before, atol=1e-12)


def test_without_the_value_path_cross_entropy_reaches_no_part_of_the_layer():
    from dmlnb.models import KDLayer, StagedClassifier, small_resnet

    net = StagedClassifier(small_resnet(1, (4, 4, 4, 4)), 3, {5: KDLayer(4, 6, 0.0)})
    cross_entropy(net(torch.randn(4, 1, 16, 16)), torch.tensor([0, 1, 2, 0])).backward()
    assert all(p.grad is None or not p.grad.any() for p in net.kd_layers.parameters())
    assert net.linear.weight.grad.any() and net.stages[0].weight.grad.any()
