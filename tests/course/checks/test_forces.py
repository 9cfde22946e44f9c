import pytest
import torch

from dmlnb.course import checks


def supcon(s, labels, temperature, itself=True, own=True, mean=True, alone=True):
    total, anchors = 0.0, 0
    for a in range(len(s)):
        others = [i for i in range(len(s)) if i != a or not itself]
        positives = [i for i in range(len(s)) if i != a and labels[i] == labels[a]]
        if not positives and alone:
            continue
        anchors += 1
        weight = lambda i, a=a: (s[a, i] / temperature).exp()
        parts = []
        for p in positives:
            among = others if own else [i for i in others if labels[i] != labels[a] or i == p]
            parts.append(-(weight(p) / sum(weight(i) for i in among)).log())
        total += sum(parts) / (len(parts) if mean and parts else 1)
    return total / anchors


def batch_hard(d, labels, margin, far=max, near=min, itself=False, active=False):
    costs = []
    for a in range(len(d)):
        positive = [d[a, i] for i in range(len(d)) if labels[i] == labels[a] and i != a]
        negative = [d[a, i] for i in range(len(d)) if labels[i] != labels[a] or (itself and i == a)]
        costs.append((far(positive) - near(negative) + margin).clamp(min=0))
    costs = [c for c in costs if c > 0 or not active]
    return sum(costs) / max(len(costs), 1)


def mean_of(values):
    return sum(values) / len(values)


def remember(memory, seen, batch):
    rows = memory.tolist()
    for number, row in enumerate(batch.tolist()):
        rows[(seen + number) % len(rows)] = row
    return torch.tensor(rows)


def without_wrapping(memory, seen, batch):
    rows = memory.clone()
    place = seen % len(rows)
    rows[place : place + len(batch)] = batch[: len(rows) - place]
    return rows


def pulls(s, own, temperature):
    s = s.clone().requires_grad_()
    loss = -torch.log_softmax(s / temperature, dim=0)[own]
    return -torch.autograd.grad(loss, s)[0]


def one_hot(s, own):
    return torch.eye(len(s))[own]


CASES = {
    "supcon": (
        supcon,
        {
            "compared with itself": lambda *x: supcon(*x, itself=False),
            "positives not in the denominator": lambda *x: supcon(*x, own=False),
            "a sum over positives": lambda *x: supcon(*x, mean=False),
            "lone anchors in the mean": lambda *x: supcon(*x, alone=False),
        },
    ),
    "batch_hard": (
        batch_hard,
        {
            "nearest positive": lambda *x: batch_hard(*x, far=min),
            "farthest negative": lambda *x: batch_hard(*x, near=max),
            "mean of the negatives": lambda *x: batch_hard(*x, near=mean_of),
            "its own negative": lambda *x: batch_hard(*x, itself=True),
            "a mean over active anchors": lambda *x: batch_hard(*x, active=True),
        },
    ),
    "remember": (
        remember,
        {
            "always at the beginning": lambda m, n, b: remember(m, 0, b),
            "no wrapping": without_wrapping,
            "shifts all rows": lambda m, n, b: torch.cat([m[len(b) :], b]),
            "turned round": lambda m, n, b: remember(m, n, b.flip(0)),
        },
    ),
    "softmax_pulls": (
        pulls,
        {
            "the gradient, not minus it": lambda s, own, t: -pulls(s, own, t),
            "without 1 / T": lambda s, own, t: t * pulls(s, own, t),
            "the own proxy pulls with 1": lambda s, own, t: pulls(s, own, t).where(
                one_hot(s, own) == 0, 1 / t
            ),
            "every other pushes alike": lambda s, own, t: (
                (one_hot(s, own) - 1 / len(s)) * pulls(s, own, t)[own] / (1 - 1 / len(s))
            ),
        },
    ),
}
WRONG = [(name, wrong) for name, (_, wrongs) in CASES.items() for wrong in wrongs]


@pytest.mark.parametrize("name", CASES)
def test_an_independent_answer_is_right(name, capsys):
    answer = CASES[name][0]
    assert getattr(checks, name)(answer) is answer
    assert capsys.readouterr().out == "right\n"


@pytest.mark.parametrize("name, wrong", WRONG)
def test_a_wrong_answer_is_told_why(name, wrong, capsys):
    answer = CASES[name][1][wrong]
    assert getattr(checks, name)(answer) is not answer
    assert capsys.readouterr().out.startswith("wrong, because this does not hold: ")


@pytest.mark.parametrize("name", CASES)
def test_without_an_answer_the_package_s_function_comes_back(name, capsys):
    assert callable(getattr(checks, name)(None)) and capsys.readouterr().out == "not attempted yet\n"
