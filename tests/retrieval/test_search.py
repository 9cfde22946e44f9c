"""The search against a float64 loop: narrow cones, ties, duplicates, several blocks, both ways to find candidates."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmlnb.retrieval import evaluate, nearest
from dmlnb.retrieval import search as search_module


@pytest.fixture
def candidates(monkeypatch):
    """Every search goes through float32, its tiles and its margins, also in a small gallery."""
    monkeypatch.setattr(search_module, "_SHARE", 1)
    monkeypatch.setattr(search_module, "_TILE", (17, 64))


def loop(queries, gallery, k, metric, own=None):
    """Nearest rows by differences in float64, one query after the other; equal ones by their number."""
    queries, gallery = queries.double().numpy(), gallery.double().numpy()
    if metric == "cosine":
        queries, gallery = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (queries, gallery))
    answers = []
    for i, q in enumerate(queries):
        distance = [
            np.inf if own is not None and own[i] == j else ((q - x) ** 2).sum() for j, x in enumerate(gallery)
        ]
        answers.append(np.argsort(distance, kind="stable")[:k])
    return torch.tensor(np.array(answers))


def cone(num, dim, spread, classes):
    """Classes of 10 whose directions differ by `spread` around a common one, and stray by a third of that."""
    unit = lambda v: torch.nn.functional.normalize(v, dim=1)
    labels = torch.arange(num) // 10 % classes
    centres = unit(torch.randn(classes, dim))
    return unit(torch.randn(1, dim)) + spread * (centres[labels] + 0.3 * unit(torch.randn(num, dim))), labels


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("spread", [3e-1, 3e-4, 3e-6])
def test_a_narrow_cone_is_searched_exactly(spread, metric):
    embeddings, labels = cone(200, 128, spread, 20)
    assert torch.equal(
        nearest(embeddings, k=12, metric=metric)[0], loop(embeddings, embeddings, 12, metric, range(200))
    )
    if spread > 1e-5:  # below, float32 has rounded the classes away before anyone searched
        report = evaluate(embeddings, labels, metric=metric)
        assert report.recall_at[1] == report.map_at_r == 1.0


def test_two_opposite_cones_are_searched_exactly():
    near, labels = cone(150, 32, 1e-4, 15)
    far, _ = cone(150, 32, 1e-4, 15)
    embeddings = torch.cat([near, -far])  # moving the mean does not help here
    assert torch.equal(nearest(embeddings, k=9)[0], loop(embeddings, embeddings, 9, "cosine", range(300)))
    assert evaluate(embeddings, torch.cat([labels, labels + 15])).map_at_r > 0.99


@pytest.mark.usefixtures("candidates")
@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("spread", [1.0, 3e-4])
def test_candidates_are_ordered_exactly(metric, spread):
    embeddings, _ = cone(600, 48, spread, 30)
    for k in (1, 7, 40):
        answer, _ = nearest(embeddings[:50], embeddings, k=k, metric=metric, own=torch.arange(50))
        assert torch.equal(answer, loop(embeddings[:50], embeddings, k, metric, range(50)))


@pytest.mark.usefixtures("candidates")
@pytest.mark.parametrize("k", [3, 200])
def test_queries_in_the_gallery_and_others_are_searched_together(k):
    gallery, own = torch.randn(300, 12), torch.arange(40)
    own[::2] = -1  # these are in the gallery too, and find themselves
    answer, _ = nearest(gallery[:40], gallery, k=k, own=own)
    assert torch.equal(answer, loop(gallery[:40], gallery, k, "cosine", own))
    assert torch.equal(answer[::2, 0], torch.arange(0, 40, 2))
    nobody = torch.full((40,), -1)
    everything, _ = nearest(gallery[:40], gallery, k=300, own=nobody)
    assert torch.equal(everything, loop(gallery[:40], gallery, 300, "cosine"))


@pytest.mark.usefixtures("candidates")
@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_more_duplicates_than_candidates_are_ordered_by_their_number(metric):
    embeddings = torch.randn(4, 8).repeat(100, 1)  # rows i, i + 4, i + 8, ... are the same
    answer, _ = nearest(embeddings, k=5, metric=metric)
    for i, j in itertools.product(range(400), range(5)):
        same = [r for r in range(i % 4, 400, 4) if r != i]
        assert answer[i, j] == same[j]


def test_thousands_of_duplicates_cost_no_quadratic_memory_and_keep_their_order(monkeypatch):
    monkeypatch.setattr(search_module, "_BLOCK", 20_000)
    answer, score = nearest(torch.ones(1500, 4), k=3)
    assert (
        answer[0].tolist() == [1, 2, 3]
        and answer[1].tolist() == [0, 2, 3]
        and answer[9].tolist() == [0, 1, 2]
    )
    assert (score == 1).all()


def test_similarities_near_one_keep_their_digits():
    angles = torch.tensor([0.0, 1e-3, 2e-5, -3e-7], dtype=torch.float64)
    rows = torch.stack([angles.cos(), angles.sin()], dim=1)
    answer, score = nearest(rows[:1], rows, k=3, own=[0])
    assert answer.tolist() == [[3, 2, 1]] and score.dtype == torch.float64
    assert torch.allclose(1 - score[0], torch.tensor([4.5e-14, 2e-10, 5e-7], dtype=torch.float64), rtol=1e-2)
    assert torch.allclose(nearest(rows[:1], -rows, k=4)[1], -torch.ones(1, 4, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e12])
def test_l2_does_not_depend_on_the_unit(scale):
    embeddings = torch.randn(100, 5, dtype=torch.float64)
    answer, score = nearest(embeddings, k=4, metric="l2")
    scaled, squares = nearest(embeddings * scale, k=4, metric="l2")
    assert torch.equal(answer, scaled) and torch.allclose(squares / scale**2, score)


@pytest.mark.parametrize("share", [1, 16])
def test_a_query_far_beyond_a_tiny_gallery_gets_an_answer(share, monkeypatch):
    monkeypatch.setattr(search_module, "_SHARE", share)
    gallery = 1e-20 * torch.randn(60, 3)
    answer, score = nearest(torch.ones(2, 3), gallery, k=3, metric="l2")
    assert answer.tolist() == [[0, 1, 2]] * 2 and (score == 3).all()  # no float64 tells these distances apart
    far = nearest(torch.full((1, 3), 1e6), torch.randn(60, 3).double(), k=3, metric="l2")
    assert torch.isfinite(far[1]).all()


def test_a_zero_vector_has_cosine_zero_with_everything():
    rows = torch.tensor([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.1], [1.0, 0.1], [0.0, 0.0]])
    answer, score = nearest(rows, k=4)
    assert answer.tolist()[0] == [3, 1, 4, 2] and answer.tolist()[1] == [0, 2, 3, 4]
    assert score[0, 1:3].tolist() == [0, 0] and score[1].abs().max() < 1e-15


def exact(queries, gallery, own, metric):
    """Ranking of small integer vectors in whole numbers: no rounding, so ties are ties."""
    order = []
    for i, q in enumerate(queries):

        def key(j, q=q):
            x = gallery[j]
            if metric == "l2":
                return (sum((a - b) ** 2 for a, b in zip(q, x, strict=True)), j)
            dot, square = sum(a * b for a, b in zip(q, x, strict=True)), sum(b * b for b in x)
            return (-Fraction(dot * abs(dot), square or 1), j)  # the sign and square of |q| cosine

        order.append(sorted((j for j in range(len(gallery)) if j != own[i]), key=key))
    return order


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    metric=st.sampled_from(["cosine", "l2"]),
    share=st.sampled_from([1, 16]),
    block=st.sampled_from([1, 7, 1 << 22]),
)
def test_small_whole_numbers_are_ranked_as_in_whole_numbers(data, metric, share, block):
    number = data.draw(st.integers(3, 14))
    dim = data.draw(st.integers(1, 3))
    vector = st.lists(st.integers(-3, 3), min_size=dim, max_size=dim)
    gallery = data.draw(st.lists(vector, min_size=number, max_size=number))
    own = data.draw(st.lists(st.integers(-1, number - 1), min_size=1, max_size=6))
    queries = [gallery[i] if i >= 0 else data.draw(vector) for i in own]
    k = data.draw(st.integers(1, number - 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_module, "_SHARE", share)
        patch.setattr(search_module, "_BLOCK", block)
        answer, _ = nearest(
            torch.tensor(queries).float(), torch.tensor(gallery).float(), k=k, metric=metric, own=own
        )
    assert answer.tolist() == [line[:k] for line in exact(queries, gallery, own, metric)]


def test_a_query_from_outside_among_others_keeps_its_last_row():
    """All rows are equally far from a zero vector, but for rounding."""
    gallery = torch.tensor([[0.0, -1.0], [0.0, -1.0], [1.0, 3.0], [0.0, 1.0]])
    queries = torch.tensor([[0.0, -1.0], [0.0, 0.0]])
    for k, expected in ((2, [[1, 2], [0, 1]]), (3, [[1, 2, 3], [0, 1, 2]])):
        answer, scores = nearest(queries, gallery, k=k, metric="cosine", own=[0, -1])
        assert answer.tolist() == expected and scores[1].abs().max() < 1e-15
    assert nearest(gallery[:2], gallery, k=3, own=[-1, 1])[0].tolist() == [[0, 1, 2], [0, 2, 3]]


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    metric=st.sampled_from(["cosine", "l2"]),
    spread=st.sampled_from([1.0, 1e-3, 1e-5]),
    share=st.sampled_from([1, 16]),
)
def test_random_cones_with_duplicates_are_ranked_as_in_a_loop(data, metric, spread, share):
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 10**6)))
    number, k = data.draw(st.integers(5, 60)), data.draw(st.integers(1, 4))
    rows = 1 + spread * torch.randn(number, 6, generator=generator)
    rows[torch.randint(number, (number // 3,), generator=generator)] = rows[0].clone()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_module, "_SHARE", share)
        answer, _ = nearest(rows, k=k, metric=metric)
    assert torch.equal(answer, loop(rows, rows, k, metric, range(number)))


@settings(max_examples=30, deadline=None)
@given(data=st.data(), block=st.sampled_from([3, 50, 1 << 22]))
def test_the_report_of_whole_numbers_equals_a_loop(data, block):
    number = data.draw(st.integers(4, 20))
    vector = st.lists(st.integers(-2, 2), min_size=2, max_size=2)
    rows = data.draw(st.lists(vector, min_size=number, max_size=number))
    labels = data.draw(st.lists(st.integers(0, 3), min_size=number, max_size=number))
    if all(labels.count(c) < 2 for c in labels):
        labels[0] = labels[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dmlnb.retrieval.report._BLOCK", block)
        patch.setattr(search_module, "_BLOCK", block)
        report = evaluate(torch.tensor(rows).float(), labels, ks=(1, 2, 2))
    recall, precision, average = {1: [], 2: []}, [], []
    for i, line in enumerate(exact(rows, rows, range(number), "cosine")):
        hits = [labels[j] == labels[i] for j in line]
        if r := sum(hits):
            for k in recall:
                recall[k].append(any(hits[:k]))
            precision.append(sum(hits[:r]) / r)
            average.append(sum(sum(hits[: j + 1]) / (j + 1) for j in range(r) if hits[j]) / r)
    assert report.recall_at == pytest.approx({k: np.mean(v) for k, v in recall.items()})
    assert (report.precision_at_r, report.map_at_r) == pytest.approx((np.mean(precision), np.mean(average)))
