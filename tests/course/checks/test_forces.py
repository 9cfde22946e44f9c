import torch

from tests.course.checks.exercises import Exercises


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


RIGHT = {"supcon": supcon, "batch_hard": batch_hard, "remember": remember, "softmax_pulls": pulls}
WRONG = {
    "compared with itself": ("supcon", lambda *x: supcon(*x, itself=False), "not compared with itself"),
    "positives not in the denominator": ("supcon", lambda *x: supcon(*x, own=False), "in its denominator"),
    "a sum over positives": ("supcon", lambda *x: supcon(*x, mean=False), "not their sum"),
    "lone anchors in the mean": ("supcon", lambda *x: supcon(*x, alone=False), "without a positive"),
    "nearest positive": ("batch_hard", lambda *x: batch_hard(*x, far=min), "positives the farthest"),
    "farthest negative": ("batch_hard", lambda *x: batch_hard(*x, near=max), "negatives the nearest"),
    "mean of the negatives": ("batch_hard", lambda *x: batch_hard(*x, near=mean_of), "negatives the nearest"),
    "its own negative": ("batch_hard", lambda *x: batch_hard(*x, itself=True), "not its own negative"),
    "a mean over active anchors": (
        "batch_hard",
        lambda *x: batch_hard(*x, active=True),
        "counts in the mean",
    ),
    "always at the beginning": ("remember", lambda m, n, b: remember(m, 0, b), "the next batch"),
    "no wrapping": ("remember", without_wrapping, "goes on at the beginning"),
    "shifts all rows": ("remember", lambda m, n, b: torch.cat([m[len(b) :], b]), "to the first rows"),
    "turned round": ("remember", lambda m, n, b: remember(m, n, b.flip(0)), "to the first rows"),
    "the gradient, not minus it": ("softmax_pulls", lambda s, own, t: -pulls(s, own, t), "1 minus its share"),
    "without 1 / T": ("softmax_pulls", lambda s, own, t: t * pulls(s, own, t), "carry 1 / T"),
    "the own proxy pulls with 1": (
        "softmax_pulls",
        lambda s, own, t: pulls(s, own, t).where(one_hot(s, own) == 0, 1 / t),
        "1 minus its share",
    ),
    "every other pushes alike": (
        "softmax_pulls",
        lambda s, own, t: (one_hot(s, own) - 1 / len(s)) * pulls(s, own, t)[own] / (1 - 1 / len(s)),
        "pushes harder than a far one",
    ),
}


class TestExercises(Exercises):
    """The answers above."""
