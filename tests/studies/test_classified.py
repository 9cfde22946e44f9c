import pytest
import torch
from torch.nn.functional import cross_entropy

from dmlnb.models import CachedBackbone, StagedClassifier, Stages
from studies import classified


@pytest.fixture
def task():
    """Maps of three classes that are noise but for their class's channel: to train on, and to choose by."""
    labels = torch.arange(3).repeat_interleave(8)
    maps = torch.randn(2, len(labels), 3, 2, 2) + 2 * torch.eye(3)[labels][:, :, None, None]
    return labels, *maps


def a_net():
    return StagedClassifier(Stages(CachedBackbone(3)), 3)


def learned(task, rate, steps=20, decay=0.0):
    labels, given, choosing = task
    torch.manual_seed(0)
    return classified.learn(
        a_net(),
        lambda reading, y: cross_entropy(reading.logits, y),
        given,
        labels,
        [torch.arange(len(labels))] * steps,
        choosing=(choosing, labels),
        every=4,
        rate=rate,
        decay=decay,
        seed=0,
    )


def test_accuracy_counts_right_answers():
    net = a_net()
    net.linear.weight.data = torch.eye(3)  # a map of ones in one channel is that class
    net.linear.bias.data.zero_()
    maps = torch.eye(3)[[0, 1, 2, 2]][:, :, None, None].expand(-1, -1, 2, 2)
    assert classified.accuracy(net, maps, torch.tensor([0, 1, 2, 0])) == 0.75


def test_it_learns_and_says_at_which_step_and_how_well(task):
    labels, _, choosing = task
    net, kept = learned(task, 0.1)
    assert not net.training
    assert kept.keys() == {"validation_accuracy", "step"}
    assert kept["validation_accuracy"] == classified.accuracy(net, choosing, labels) > 0.8
    assert kept["step"] in range(3, 20, 4)


def test_the_best_step_is_kept_not_the_last(task, monkeypatch):
    found, weights = [0.2, 0.9, 0.5, 0.9, 0.4], []
    judge = lambda net, *choosing: weights.append(net.linear.weight.clone()) or found[len(weights) - 1]
    monkeypatch.setattr(classified, "accuracy", judge)
    net, kept = learned(task, 0.1)
    assert kept == {"validation_accuracy": 0.9, "step": 7}
    assert [torch.equal(net.linear.weight, weight) for weight in weights] == [
        False,
        True,
        False,
        False,
        False,
    ]


def test_the_decay_reaches_the_training(task):
    sizes = [learned(task, 0.1, decay=decay)[0].linear.weight.norm() for decay in (0.0, 1.0)]
    assert sizes[1] < sizes[0]


def test_a_search_compares_by_accuracy():
    kept = {"validation_accuracy": 0.9, "step": 7}
    assert classified.judged(kept) == {"validation_accuracy": 0.9, "step": 7, "validation_map_at_r": 0.9}
