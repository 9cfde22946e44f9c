import pytest
import torch
from torch.nn.functional import cross_entropy, normalize, one_hot

from dmlnb.course import checks


def cosines(features, templates, scale):
    return scale * normalize(features, dim=1) @ normalize(templates, dim=1).T


def squared(features, codes):
    return (features[:, None] - codes[None]).square().sum(dim=2)


def shares(own, decided, number):
    table = one_hot(own, number).float().T @ one_hot(decided, number).float()
    return table / table.sum(dim=1, keepdim=True)


def counts(own, decided, number):
    return one_hot(own, number).float().T @ one_hot(decided, number).float()


def divergence(scores, targets):
    return (torch.xlogy(targets, targets) - targets * scores.log_softmax(dim=1)).sum(dim=1).mean()


RIGHT = {
    "template_scores": cosines,
    "soft_codes": lambda f, c, tau: (-tau * squared(f, c)).softmax(dim=1),
    "decision_matrix": shares,
    "template_divergence": divergence,
}

# (exercise, wrong answer, words of the property that must be named)
WRONG = {
    "inner product": ("template_scores", lambda f, t, s: s * f @ t.T, "template ten times as long"),
    "templates only": (
        "template_scores",
        lambda f, t, s: s * f @ normalize(t, dim=1).T,
        "features ten times",
    ),
    "no scale": ("template_scores", lambda f, t, s: cosines(f, t, 1.0), "multiplied by the scale"),
    "transposed": ("template_scores", lambda f, t, s: cosines(f, t, s).T, "(n, C), (K, C) → (n, K)"),
    "NaN at zero": (
        "template_scores",
        lambda f, t, s: s * (f / f.norm(dim=1, keepdim=True)) @ normalize(t, dim=1).T,
        "not NaN",
    ),
    "plus sign": ("soft_codes", lambda f, c, tau: (tau * squared(f, c)).softmax(dim=1), "minus the distance"),
    "not squared": (
        "soft_codes",
        lambda f, c, tau: (-tau * squared(f, c).sqrt()).softmax(dim=1),
        "distance is squared",
    ),
    "divides": ("soft_codes", lambda f, c, tau: (-squared(f, c) / tau).softmax(dim=1), "no temperature"),
    "ignores tau": ("soft_codes", lambda f, c, tau: (-squared(f, c)).softmax(dim=1), "no temperature"),
    "over regions": ("soft_codes", lambda f, c, tau: (-tau * squared(f, c)).softmax(dim=0), "sum to 1"),
    "counts": ("decision_matrix", counts, "no counts"),
    "columns": (
        "decision_matrix",
        lambda o, d, n: counts(o, d, n) / counts(o, d, n).sum(dim=0, keepdim=True).clamp(min=1),
        "no counts",
    ),
    "swapped": (
        "decision_matrix",
        lambda o, d, n: counts(d, o, n) / counts(d, o, n).sum(dim=1, keepdim=True).clamp(min=1),
        "the row is the region",
    ),
    "whole table": ("decision_matrix", lambda o, d, n: counts(o, d, n) / len(o), "no counts"),
    "cross-entropy": (
        "template_divergence",
        lambda s, t: -(t * s.log_softmax(dim=1)).sum(dim=1).mean(),
        "the target's entropy belongs to it",
    ),
    "NaN at zero target": (
        "template_divergence",
        lambda s, t: (t * (t.log() - s.log_softmax(dim=1))).sum(dim=1).mean(),
        "not NaN",
    ),
    "argmax": ("template_divergence", lambda s, t: cross_entropy(s, t.argmax(dim=1)), "it is 0 when"),
    "sum": ("template_divergence", lambda s, t: len(s) * divergence(s, t), "cross-entropy"),
    "reversed": (
        "template_divergence",
        lambda s, t: divergence(t.clamp(min=1e-9).log(), s.softmax(dim=1)),
        "cross-entropy",
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_accepts_a_right_answer_and_the_package(name, capsys):
    assert getattr(checks, name)(RIGHT[name]) is RIGHT[name]
    package = getattr(checks, name)()
    assert capsys.readouterr().out == "right\nnot attempted yet\n"
    assert getattr(checks, name)(package) is package
    assert capsys.readouterr().out == "right\n"


@pytest.mark.parametrize("case", WRONG)
def test_rejects_a_wrong_answer_and_names_the_property(case, capsys):
    name, attempt, words = WRONG[case]
    assert getattr(checks, name)(attempt) is not attempt
    text = capsys.readouterr().out
    assert text.startswith("wrong, because this does not hold: ") and words in text.split("\n")[0]


def test_three_wrong_answers_at_least_for_each_exercise():
    names = [name for name, _, _ in WRONG.values()]
    assert all(names.count(name) >= 3 for name in RIGHT)


# The right options of the predict questions are true.


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
