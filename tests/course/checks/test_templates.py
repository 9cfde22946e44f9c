import torch
from torch.nn.functional import cross_entropy, relu

from dmlnb.losses import class_template_loss
from dmlnb.models import TemplateBlock
from tests.course.checks.exercises import Exercises


def standardise(a, dim=0):
    return (a - a.mean(dim, keepdim=True)) / (a.var(dim, unbiased=False, keepdim=True) + 1e-5).sqrt()


def flipped(templates, gamma):
    return torch.stack([w if g > 0 else -w for w, g in zip(templates, gamma, strict=True)])


def by_bisection(scores, gamma, threshold):
    low, high = 0.0, float((scores - threshold).max().clamp(min=0))
    shares = lambda rise: gamma * relu(scores - threshold - rise)
    if shares(0.0).sum() <= 1:
        return shares(0.0)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if shares(middle).sum() > 1 else (low, middle)
    return shares(high)


def shares_of_one(scores, gamma, threshold):
    return gamma * relu(scores - threshold)


def subtract_alike(scores, gamma, threshold):
    """Thresholds rise in units of the share, not of the score."""
    ones = torch.ones_like(scores)
    return by_bisection(gamma * (scores - threshold), ones, 0 * ones)


def best(scores, labels, per_class):
    p = scores.exp().sum(dim=(2, 3))  # (B, K)
    p = torch.stack([p[:, k : k + per_class].sum(1) for k in range(0, p.shape[1], per_class)], 1)
    return -(p[torch.arange(len(p)), labels] / p.sum(1)).log().mean()


def grouped(scores, per_class):
    return scores.unflatten(1, (-1, per_class))


def regions(scores, labels):
    flat = scores.movedim(1, 3).flatten(0, 2)
    return cross_entropy(flat, labels.repeat_interleave(scores[0, 0].numel()))


RIGHT = {
    "batchnorm_relu": lambda a, g, b: relu(g * standardise(a) + b),
    "positive_templates": flipped,
    "full_shares": by_bisection,
    "best_loss": best,
}

# (exercise, wrong answer, words of the property that must be named)
WRONG = {
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
    "unchanged": ("positive_templates", lambda w, g: w, "where gamma is negative"),
    "all flipped": ("positive_templates", lambda w, g: -w, "with positive gammas"),
    "absolute values": ("positive_templates", lambda w, g: w.abs(), "with positive gammas"),
    "wrong ones flipped": ("positive_templates", lambda w, g: -flipped(w, g), "with positive gammas"),
    "scaled only": ("positive_templates", lambda w, g: w * g.abs()[:, None], "where gamma is negative"),
    "one sign for all": ("positive_templates", lambda w, g: w * g.sum().sign(), "where gamma is negative"),
    "only the signs": ("positive_templates", lambda w, g: g.sign(), "one template for each"),
    "the relu alone": ("full_shares", shares_of_one, "sum to 1 at most"),
    "always divided": (
        "full_shares",
        lambda a, g, m: shares_of_one(a, g, m) / shares_of_one(a, g, m).sum(),
        "nothing is divided",
    ),
    "divided when full": (
        "full_shares",
        lambda a, g, m: shares_of_one(a, g, m) / shares_of_one(a, g, m).sum().clamp(min=1),
        "keep their difference",
    ),
    "gamma forgotten in the rise": ("full_shares", subtract_alike, "gamma multiplies"),
    "clipped to one": (
        "full_shares",
        lambda a, g, m: shares_of_one(a, g, m).clamp(max=1),
        "sum to 1 at most",
    ),
    "softmax": ("full_shares", lambda a, g, m: torch.softmax(g * (a - m), 0), "it is the ReLU"),
    "pooled": (
        "best_loss",
        lambda s, y, m: cross_entropy(grouped(s, m).logsumexp(2).mean((2, 3)), y),
        "one sure region",
    ),
    "dense": ("best_loss", lambda s, y, m: regions(grouped(s, m).logsumexp(2), y), "one sure region"),
    "best region only": (
        "best_loss",
        lambda s, y, m: cross_entropy(grouped(s, m).logsumexp(2).amax((2, 3)), y),
        "none of them is thrown away",
    ),
    "mean of templates": (
        "best_loss",
        lambda s, y, m: cross_entropy(grouped(s, m).mean(2).flatten(2).logsumexp(2), y),
        "neither their mean",
    ),
    "larger template": (
        "best_loss",
        lambda s, y, m: cross_entropy(grouped(s, m).amax(2).flatten(2).logsumexp(2), y),
        "neither their mean",
    ),
    "templates in turn": (
        "best_loss",
        lambda s, y, m: best(s.unflatten(1, (m, -1)).transpose(1, 2).flatten(1, 2), y, m),
        "that follow each other",
    ),
    "per class forgotten": ("best_loss", lambda s, y, m: best(s, y, 1), "neither their mean"),
}


class TestExercises(Exercises):
    """The answers above."""


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


def test_the_unit_of_the_shares_is_free_and_thresholds_stay():
    block = TemplateBlock(8, 20).double().eval()
    torch.nn.init.normal_(block.vectors)
    torch.nn.init.normal_(block.norm.bias)
    x = torch.randn(2, 8, 4, 4, dtype=torch.float64)
    before, given = block.match(x), block(x)
    with torch.no_grad():
        block.norm.weight /= 100
        block.norm.bias /= 100
        block.vectors *= 100
    after = block.match(x)
    assert torch.allclose(block(x), given, atol=1e-12)
    assert torch.equal(after.assignment > 0, before.assignment > 0)
    assert torch.allclose(after.assignment.sum(dim=1), before.assignment.sum(dim=1) / 100)
