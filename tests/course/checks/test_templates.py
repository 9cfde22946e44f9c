import pytest
import torch
from torch.nn.functional import cross_entropy, relu, softmax

from dmlnb.course import checks
from dmlnb.losses import class_template_loss
from dmlnb.models import TemplateBlock


def slot(scores, no_match, sharpness):
    return torch.softmax(sharpness * torch.cat([torch.tensor([no_match]), scores]), dim=0)[1:]


def standardise(a, dim=0):
    return (a - a.mean(dim, keepdim=True)) / (a.var(dim, unbiased=False, keepdim=True) + 1e-5).sqrt()


def add(x, shares, vectors):
    out = x.clone()
    for k in range(len(shares)):
        out += shares[k] * vectors[:, k, None, None]
    return out


def regions(scores, labels):
    flat = scores.movedim(1, 3).flatten(0, 2)
    return cross_entropy(flat, labels.repeat_interleave(scores[0, 0].numel()))


RIGHT = {
    "softmax_with_no_match": slot,
    "batchnorm_relu": lambda a, g, b: relu(g * standardise(a) + b),
    "add_matches": add,
    "dense_loss": regions,
}

# (exercise, wrong answer, words of the property that must be named)
WRONG = {
    "no slot": ("softmax_with_no_match", lambda a, m, s: softmax(s * a, 0), "no match takes part"),
    "slot returned": (
        "softmax_with_no_match",
        lambda a, m, s: softmax(s * torch.cat([torch.tensor([m]), a]), 0),
        "is not returned",
    ),
    "slot is zero": ("softmax_with_no_match", lambda a, m, s: slot(a, 0.0, s), "score of no match counts"),
    "slot not sharpened": (
        "softmax_with_no_match",
        lambda a, m, s: softmax(torch.cat([torch.tensor([m]), s * a]), 0)[1:],
        "multiplies the score of no match",
    ),
    "overflow": (
        "softmax_with_no_match",
        lambda a, m, s: (s * a).exp() / ((s * torch.tensor(m)).exp() + (s * a).exp().sum()),
        "no overflow",
    ),
    "last dropped": (
        "softmax_with_no_match",
        lambda a, m, s: softmax(s * torch.cat([torch.tensor([m]), a]), 0)[:-1],
        "score of no match counts",
    ),
    "no relu": ("batchnorm_relu", lambda a, g, b: g * standardise(a) + b, "no share is negative"),
    "over templates": (
        "batchnorm_relu",
        lambda a, g, b: relu(g * standardise(a, 1) + b),
        "not of one region",
    ),
    "beta first": ("batchnorm_relu", lambda a, g, b: relu(g * (standardise(a) + b)), "beta is added after"),
    "relu first": ("batchnorm_relu", lambda a, g, b: g * relu(standardise(a)) + b, "no share is negative"),
    "no epsilon": (
        "batchnorm_relu",
        lambda a, g, b: relu(g * (a - a.mean(0)) / a.std(0, unbiased=False) + b),
        "equal scores",
    ),
    "not standardised": (
        "batchnorm_relu",
        lambda a, g, b: relu(g * (a - a.mean(0)) + b),
        "mean and deviation",
    ),
    "no shortcut": ("add_matches", lambda x, p, v: add(torch.zeros_like(x), p, v), "shortcut"),
    "normalised": (
        "add_matches",
        lambda x, p, v: add(x, p / p.sum(0, keepdim=True).where(p.sum(0) != 0, 1), v),
        "is a column",
    ),
    "best only": ("add_matches", lambda x, p, v: add(x, p * (p == p.amax(0)), v) * 1.0, "sum over templates"),
    "sum over regions": (
        "add_matches",
        lambda x, p, v: x + (v @ p.sum((1, 2)))[:, None, None],
        "is a column",
    ),
    "channels, not maps": ("add_matches", lambda x, p, v: v @ p.flatten(1), "shape of x"),
    "pooled": ("dense_loss", lambda s, y: cross_entropy(s.mean((2, 3)), y), "every region is asked"),
    "sum": ("dense_loss", lambda s, y: regions(s, y) * s[0, 0].numel(), "not their sum"),
    "mixed axes": ("dense_loss", lambda s, y: regions(s.mT.reshape(s.shape), y.flip(0)), "classes are"),
    "softmax over regions": (
        "dense_loss",
        lambda s, y: -torch.log_softmax(s.flatten(2), 2)[torch.arange(len(y)), y].mean(),
        "not their sum",
    ),
    "vector of losses": (
        "dense_loss",
        lambda s, y: cross_entropy(s, y[:, None, None].expand(-1, *s.shape[2:]), reduction="none"),
        "one number",
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_accepts_a_right_answer_and_returns_it(name, capsys):
    assert getattr(checks, name)(RIGHT[name]) is RIGHT[name]
    assert capsys.readouterr().out == "right\n"


@pytest.mark.parametrize("name", RIGHT)
def test_accepts_the_package_and_blank_answers(name, capsys):
    package = getattr(checks, name)(lambda *inputs: ...)
    assert capsys.readouterr().out == "not attempted yet\n"
    assert getattr(checks, name)(package) is package
    assert capsys.readouterr().out == "right\n"


@pytest.mark.parametrize("case", WRONG)
def test_rejects_a_wrong_answer_and_names_the_property(case, capsys):
    name, attempt, words = WRONG[case]
    returned = getattr(checks, name)(attempt)
    text = capsys.readouterr().out
    assert text.startswith("wrong, because this does not hold: "), text
    assert words in text.split("\n")[0]
    assert returned is not attempt


def test_three_wrong_answers_at_least_for_each_exercise():
    names = [name for name, _, _ in WRONG.values()]
    assert all(names.count(name) >= 3 for name in RIGHT)


# The right options of the questions are true.


def test_a_fresh_template_fires_at_about_half_of_the_regions():
    block = TemplateBlock(8, 20).train()
    share = (block.match(torch.randn(16, 8, 8, 8)).assignment > 0).double().mean()
    assert 0.47 < share < 0.53


def test_background_answers_best_with_even_scores_and_a_shift_changes_nothing():
    torch.manual_seed(0)
    labels = torch.arange(4)
    even = torch.zeros(4, 4, 1, 1)
    loss = class_template_loss(even, labels)
    for _ in range(50):  # a region that cannot see the letter says the same for every image
        assert class_template_loss(torch.randn(1, 4, 1, 1).expand_as(even), labels) >= loss
    assert torch.allclose(class_template_loss(even - 50, labels), loss)


def test_vectors_of_mean_zero_add_nothing_for_equal_shares():
    vectors = torch.randn(3, 6, dtype=torch.float64)
    vectors -= vectors.mean(dim=1, keepdim=True)
    x, shares = torch.randn(3, 2, 2, dtype=torch.float64), torch.full((6, 2, 2), 0.4, dtype=torch.float64)
    assert torch.allclose(add(x, shares, vectors), x, atol=1e-12)
