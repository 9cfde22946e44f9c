import torch
from torch import sigmoid

from tests.course.checks.exercises import Exercises


def bisect(scores, mass):
    low, high = -200.0, 200.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(scores + middle).mean() < mass else (low, middle)
    return sigmoid(scores + low)


def cheapest(cost, mass):
    gates, left = torch.zeros(cost.shape[1]), mass * cost.shape[1]
    for j in cost.min(dim=0).values.argsort():
        gates[j] = min(1.0, left)
        left -= float(gates[j])
    return gates


def jacobian_product(gates, upstream):
    scores = torch.logit(gates).requires_grad_()
    slope = gates * (1 - gates)
    shift = -(slope * (scores - scores.detach())).sum() / slope.sum()  # dτ/ds of the implicit equation
    return torch.autograd.grad(sigmoid(scores + shift) @ upstream, scores)[0]


def padded(scores, valid, mass):
    gates = torch.zeros_like(scores)
    gates[valid] = bisect(scores[valid], mass)
    return gates


def slope(gates):
    return gates * (1 - gates)


RIGHT = {
    "scores": lambda cost, sharpness: torch.logsumexp(-sharpness * cost, dim=0),
    "gates": bisect,
    "cheapest_tokens": cheapest,
    "gate_gradient": lambda g, up: slope(g) * (up - (slope(g) * up).sum() / slope(g).sum()),
    "padded_gates": padded,
}

WRONG = {
    "wrong axis": ("scores", lambda c, g: torch.logsumexp(-g * c, dim=1), "one score a token"),
    "plus": ("scores", lambda c, g: torch.logsumexp(g * c, dim=0), "the score is −γ c"),
    "no log": ("scores", lambda c, g: torch.exp(-g * c).sum(dim=0), "the score is −γ c"),
    "minimum": ("scores", lambda c, g: (-g * c).amax(dim=0), "log m"),
    "naive": ("scores", lambda c, g: torch.exp(-g * c).sum(dim=0).log(), "stays finite"),
    "softmax": ("gates", lambda s, mass: torch.softmax(s, dim=0), "mean of the gates is the mass"),
    "scaled softmax": ("gates", lambda s, mass: len(s) * mass * torch.softmax(s, dim=0), "larger than 1"),
    "no shift": ("gates", lambda s, mass: sigmoid(s), "mean of the gates is the mass"),
    "scaled sigmoid": ("gates", lambda s, mass: sigmoid(s) * mass / sigmoid(s).mean(), "larger than 1"),
    "narrow": ("gates", lambda s, mass: bisect(s.clamp(max=20), mass), "adding the same number"),
    "dearest": ("cheapest_tokens", lambda c, mass: cheapest(-c, mass), "nearest to any"),
    "mean cost": ("cheapest_tokens", lambda c, mass: cheapest(c.mean(0, keepdim=True), mass), "linear programme"),
    "whole only": ("cheapest_tokens", lambda c, mass: cheapest(c, mass).round(), "what is left"),
    "one prototype": ("cheapest_tokens", lambda c, mass: cheapest(c[:1], mass), "nearest to any"),
    "τ held fast": ("gate_gradient", lambda g, up: slope(g) * up, "changes nothing"),
    "plain mean": ("gate_gradient", lambda g, up: slope(g) * (up - up.mean()), "sums to zero"),
    "gates' mean": ("gate_gradient", lambda g, up: slope(g) * (up - (g * up).sum() / g.sum()), "sums to zero"),
    "no slope": ("gate_gradient", lambda g, up: up - up.mean(), "open or shut"),
    "padding takes part": ("padded_gates", lambda s, v, mass: bisect(s, mass), "padding ships nothing"),
    "cut off afterwards": ("padded_gates", lambda s, v, mass: bisect(s, mass) * v, "over the valid regions"),
    "stretched": ("padded_gates", lambda s, v, mass: bisect(s, mass) * v * mass / (bisect(s, mass) * v)[v].mean(),
                  "had without padding"),
    "mean over all": ("padded_gates", lambda s, v, mass: bisect(s.masked_fill(~v, -1e4), mass), "over the valid"),
    "valid only": ("padded_gates", lambda s, v, mass: bisect(s[v], mass), "padding too"),
}  # fmt: skip


class TestExercises(Exercises):
    """The answers above."""


def test_the_gradient_that_is_checked_is_that_of_the_implicit_equation():
    gates, upstream = torch.rand(7, dtype=torch.float64), torch.randn(7, dtype=torch.float64)
    assert torch.allclose(RIGHT["gate_gradient"](gates, upstream), jacobian_product(gates, upstream))
