import math

import pytest
import torch

from dmlnb.retrieval import evaluate, nearest, rerank


def slow(queries, gallery, k1, k2, weight, candidates, own=None):
    """Sets and sums of the formula, one after the other."""
    unit = lambda v: torch.nn.functional.normalize(v.double(), dim=1)
    queries, gallery = unit(queries), unit(gallery)
    num = len(gallery)
    distance = lambda a, b: float((a - b).square().sum())

    def near(x, k, without):
        others = [j for j in range(num) if j != without]
        return sorted(others, key=lambda j: (distance(x, gallery[j]), j))[:k]

    half = math.ceil(k1 / 2)
    N = {k: [near(gallery[g], k, g) for g in range(num)] for k in {k1, half}}
    R = {k: [{h for h in N[k][g] if g in N[k][h]} | {g} for g in range(num)] for k in N}

    def vector(x, members):
        extended = set(members)
        for h in members:
            if 3 * len(members & R[half][h]) >= 2 * len(R[half][h]):
                extended |= R[half][h]
        weights = {h: math.exp(-distance(x, gallery[h])) for h in extended}
        return torch.tensor([weights.get(h, 0) / (sum(weights.values()) or 1) for h in range(num)])

    raw = [vector(gallery[g], R[k1][g]) for g in range(num)]
    V = [(raw[g] + sum(raw[h] for h in near(gallery[g], k2 - 1, g))) / k2 for g in range(num)]
    answers = []
    for i, q in enumerate(queries):
        left_out = None if own is None else own[i]
        first = near(q, k1, left_out)
        members = {h for h in first if distance(q, gallery[h]) <= distance(gallery[h], gallery[N[k1][h][-1]])}
        v = (vector(q, members) + sum(V[h] for h in near(q, k2 - 1, left_out))) / k2
        score = {}
        for g in near(q, candidates, left_out):
            small, large = torch.minimum(v, V[g]).sum(), torch.maximum(v, V[g]).sum()
            score[g] = float(1 - (1 - weight) * (1 - small / large) - weight * (1 - q @ gallery[g]))
        answers.append(sorted(score.items(), key=lambda item: -item[1]))
    return answers


@pytest.mark.parametrize("k1, k2, candidates", [(6, 3, 12), (5, 1, 30), (1, 2, 4), (20, 6, 100)])
def test_equals_a_slow_loop(k1, k2, candidates):
    gallery, queries = torch.randn(30, 4), torch.randn(5, 4)
    rows, scores = rerank(queries, gallery, k=4, neighbours=k1, expansion=k2, candidates=candidates)
    expected = slow(queries, gallery, k1, k2, 0.3, candidates)
    assert torch.allclose(scores, torch.tensor([[s for _, s in a[:4]] for a in expected]).double(), atol=1e-6)
    assert rows.tolist() == [[g for g, _ in a[:4]] for a in expected]


def test_own_is_left_out_as_in_the_loop():
    gallery = torch.randn(25, 3)
    rows, _ = rerank(gallery[:6], gallery, k=3, neighbours=5, expansion=2, candidates=10, own=range(6))
    expected = slow(gallery[:6], gallery, 5, 2, 0.3, 10, own=range(6))
    assert rows.tolist() == [[g for g, _ in a[:3]] for a in expected]


def test_weight_one_is_the_cosine_and_queries_do_not_see_each_other():
    gallery, queries = torch.randn(40, 5), torch.randn(8, 5)
    rows, scores = rerank(queries, gallery, k=6, weight=1.0)
    expected, cosine = nearest(queries, gallery, k=6)
    assert torch.equal(rows, expected) and torch.allclose(scores, cosine)
    together, alone = rerank(queries, gallery, k=6), rerank(queries[3:4], gallery, k=6)
    assert torch.equal(together[0][3:4], alone[0]) and torch.allclose(together[1][3:4], alone[1])


def test_it_finds_the_end_of_a_curved_class():
    t = torch.linspace(0, 2.2, 30)  # a class along an arc, and another beside its beginning
    arc = torch.stack([t.cos(), t.sin(), torch.zeros(30)], dim=1)
    other = torch.nn.functional.normalize(torch.tensor([1.0, 0.0, 1.0]) + 0.05 * torch.randn(30, 3), dim=1)
    rows, labels = torch.cat([arc, other]), torch.arange(2).repeat_interleave(30)
    own = torch.arange(60)
    plain = evaluate(rows, labels).precision_at_r
    found, _ = rerank(rows, rows, k=29, own=own, neighbours=10, expansion=3, weight=0.1)
    assert (labels[found] == labels[:, None]).double().mean() > plain


@pytest.mark.parametrize(
    "change, message",
    [
        ({"neighbours": 0}, "neighbours"),
        ({"expansion": 0}, "expansion"),
        ({"weight": 1.5}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"candidates": 0}, "candidates"),
        ({"k": 9, "candidates": 8}, "k: expected 1 .. 8"),
        ({"gallery": torch.ones(1, 3)}, "gallery: expected at least two"),
        ({"queries": torch.ones(2, 4)}, "queries"),
    ],
)
def test_bad_input_is_named(change, message):
    arguments = {"queries": torch.randn(2, 3), "gallery": torch.randn(10, 3)} | change
    with pytest.raises(ValueError, match=message):
        rerank(arguments.pop("queries"), arguments.pop("gallery"), **arguments)
