import numpy as np
import pytest
import torch

from dmlnb.retrieval import evaluate, nearest


def slow(embeddings, labels, gallery=None, gallery_labels=None, ks=(1, 2, 4, 8)):
    alone = gallery is None
    gallery, gallery_labels = (embeddings, labels) if alone else (gallery, gallery_labels)
    unit = lambda v: v / v.norm()
    recall, ap, precision, skipped = {k: [] for k in ks}, [], [], 0
    for q in range(len(embeddings)):
        others = [i for i in range(len(gallery)) if not (alone and i == q)]
        scores = [float(unit(embeddings[q]) @ unit(gallery[i])) for i in others]
        ranked = [others[i] for i in np.argsort(scores)[::-1]]
        hits = [bool(gallery_labels[i] == labels[q]) for i in ranked]
        r = sum(hits)
        if r == 0:
            skipped += 1
            continue
        for k in ks:
            recall[k].append(any(hits[:k]))
        ap.append(sum(sum(hits[: i + 1]) / (i + 1) for i in range(r) if hits[i]) / r)
        precision.append(sum(hits[:r]) / r)
    return {k: np.mean(v) for k, v in recall.items()}, np.mean(ap), np.mean(precision), len(ap), skipped


@pytest.mark.parametrize("num_classes", [2, 7, 60])
def test_equals_a_slow_loop(num_classes):
    embeddings, labels = torch.randn(90, 6), torch.randint(0, num_classes, (90,))
    labels[0] = 99  # a class of one sample
    report = evaluate(embeddings, labels)
    recall, ap, precision, counted, skipped = slow(embeddings, labels)
    assert report.recall_at == pytest.approx(recall)
    assert (report.map_at_r, report.precision_at_r) == pytest.approx((ap, precision))
    assert (report.num_queries, report.num_skipped) == (counted, skipped) and skipped >= 1


def test_query_gallery_form_equals_a_slow_loop():
    queries, gallery = torch.randn(20, 4), torch.randn(50, 4)
    labels, items = torch.randint(0, 8, (20,)), torch.randint(0, 6, (50,))
    report = evaluate(queries, labels, gallery=gallery, gallery_labels=items)
    recall, ap, precision, counted, skipped = slow(queries, labels, gallery, items)
    assert report.recall_at == pytest.approx(recall)
    assert (report.map_at_r, report.precision_at_r) == pytest.approx((ap, precision))
    assert (report.num_queries, report.num_skipped) == (counted, skipped)


def test_equals_pytorch_metric_learning():
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    embeddings = torch.nn.functional.normalize(torch.randn(200, 8), dim=1)
    labels = torch.randint(0, 15, (200,))
    names = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    oracle = AccuracyCalculator(include=names, k="max_bin_count", device=torch.device("cpu"))
    expected = oracle.get_accuracy(embeddings, labels)
    report = evaluate(embeddings, labels)
    found = (report.recall_at[1], report.precision_at_r, report.map_at_r)
    assert found == pytest.approx([expected[n] for n in names], rel=1e-6)


def test_self_is_excluded_by_index_among_duplicates():
    embeddings = torch.ones(40, 3)  # all the same
    index, _ = nearest(embeddings, k=5)
    assert not (index == torch.arange(40)[:, None]).any() and index.shape == (40, 5)
    report = evaluate(torch.tensor([[1.0, 0], [0, 1.0], [1.0, 0]]), torch.tensor([0, 0, 1]))
    # the duplicate of the first is a miss; the second has both as near, and takes the one that comes first: a hit
    assert report.recall_at[1] == 0.5 and report.num_skipped == 1


def test_perfect_and_worst_retrieval():
    labels = torch.arange(5).repeat_interleave(4)
    assert evaluate(torch.eye(5)[labels], labels).map_at_r == 1.0
    pairs = torch.tensor([[1.0, 0.1], [1.0, 0.11], [-1.0, 0.1], [-1.0, 0.11]])
    assert evaluate(pairs, torch.tensor([0, 1, 0, 1]), ks=(1,)).recall_at[1] == 0


@pytest.mark.parametrize("num", [7, 50, 98, 301])
def test_a_perfect_score_is_exactly_one(num):
    report = evaluate(torch.randn(num, 3), torch.zeros(num, dtype=torch.int64))  # one class: all are hits
    assert report.map_at_r == report.precision_at_r == 1.0 and set(report.recall_at.values()) == {1.0}


def test_one_huge_class_beside_small_ones_and_k_beyond_the_gallery():
    embeddings, labels = torch.randn(300, 4), torch.zeros(300, dtype=torch.long)
    labels[:20] = torch.arange(1, 11).repeat(2)
    report = evaluate(embeddings, labels, ks=(1, 1000))
    recall, ap, *_ = slow(embeddings, labels, ks=(1, 1000))
    assert report.recall_at == pytest.approx(recall) and report.map_at_r == pytest.approx(ap)
    assert report.recall_at[1000] == 1.0


def test_blocks_do_not_change_the_answer(monkeypatch):
    embeddings, labels = torch.randn(130, 5), torch.randint(0, 9, (130,))
    whole = evaluate(embeddings, labels)
    monkeypatch.setattr("dmlnb.retrieval.report._BLOCK", 100)
    parts = evaluate(embeddings, labels)
    assert parts.map_at_r == pytest.approx(whole.map_at_r) and parts.recall_at == whole.recall_at


def test_metrics_and_invariance():
    embeddings, labels = torch.randn(60, 5), torch.randint(0, 6, (60,))
    assert evaluate(embeddings, labels) == evaluate(3 * embeddings, labels)
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    assert torch.equal(nearest(unit, k=3)[0], nearest(unit, k=3, metric="l2")[0])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"embeddings": torch.zeros(4)}, "embeddings"),
        ({"embeddings": torch.full((4, 2), torch.nan)}, "finite"),
        ({"embeddings": torch.zeros(0, 2)}, "embeddings"),
        ({"embeddings": torch.zeros(4, 2, dtype=torch.int64)}, "floating"),
        ({"labels": torch.tensor([0, 0, -1, 1])}, ">= 0"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, "labels"),
        ({"labels": torch.zeros(4)}, "integer"),
        ({"labels": torch.arange(4)}, "no query|got none"),
        ({"ks": (0,)}, "ks"),
        ({"metric": "dot"}, "metric"),
        ({"gallery": torch.zeros(2, 2)}, "both or neither"),
        ({"gallery": torch.zeros(2, 3), "gallery_labels": torch.tensor([0, 1])}, "gallery"),
    ],
)
def test_bad_input_is_named(change, message):
    arguments = {"embeddings": torch.randn(4, 2), "labels": torch.tensor([0, 0, 1, 1])} | change
    with pytest.raises(ValueError, match=message):
        evaluate(arguments.pop("embeddings"), arguments.pop("labels"), **arguments)


def test_nearest_errors():
    with pytest.raises(ValueError, match="k: expected 1 .. 3"):
        nearest(torch.randn(4, 2), k=4)
    with pytest.raises(ValueError, match="k: expected 1 .. 2"):
        nearest(torch.randn(4, 2), torch.randn(2, 2), k=3)
    with pytest.raises(ValueError, match="1e15"):
        nearest(torch.randn(4, 2) * 1e20, k=1, metric="l2")


def test_duplicates_of_one_class_equal_a_slow_loop():
    labels = torch.randint(0, 5, (25,)).repeat(3)
    embeddings = torch.randn(25, 4).repeat(
        3, 1
    )  # each vector three times, under one label: ties do not matter
    report = evaluate(embeddings, labels)
    recall, ap, precision, *_ = slow(embeddings.double(), labels)
    assert report.recall_at == pytest.approx(recall)
    assert (report.map_at_r, report.precision_at_r) == pytest.approx((ap, precision))


def test_ties_between_classes_stay_between_the_best_and_the_worst_order():
    embeddings = torch.tensor([[1.0, 0.0]]).repeat(4, 1)
    report = evaluate(embeddings, torch.tensor([0, 0, 1, 1]), ks=(1, 3))
    assert 0 <= report.map_at_r <= 1 and report.recall_at[3] == 1.0


def test_gallery_form_equals_pytorch_metric_learning():
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    unit = torch.nn.functional.normalize(torch.randn(260, 8), dim=1)
    labels = torch.randint(0, 9, (260,))
    names = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    oracle = AccuracyCalculator(include=names, k="max_bin_count", device=torch.device("cpu"))
    expected = oracle.get_accuracy(unit[:60], labels[:60], unit[60:], labels[60:], ref_includes_query=False)
    report = evaluate(unit[:60], labels[:60], gallery=unit[60:], gallery_labels=labels[60:])
    found = (report.recall_at[1], report.precision_at_r, report.map_at_r)
    assert found == pytest.approx([expected[n] for n in names], rel=1e-6)


def test_scores_are_the_similarity_and_the_squared_distance():
    queries, gallery = torch.randn(5, 6), torch.randn(9, 6)
    index, score = nearest(queries, gallery, k=9)
    cosine = torch.nn.functional.cosine_similarity(queries[:, None].double(), gallery[None].double(), dim=2)
    assert torch.allclose(score, cosine.gather(1, index), rtol=0, atol=1e-14)
    index, score = nearest(queries, gallery, k=9, metric="l2")
    squared = (queries[:, None].double() - gallery[None].double()).square().sum(dim=2)
    assert torch.allclose(score, squared.gather(1, index), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_l2_is_exact_far_from_the_origin(offset):
    embeddings = torch.randn(400, 512) + offset  # expanding |a - b|^2 here would lose all digits
    distance = torch.cdist(embeddings.double(), embeddings.double()).fill_diagonal_(torch.inf)
    expected = distance.topk(5, largest=False).indices
    assert torch.equal(nearest(embeddings, k=5, metric="l2")[0], expected)


@pytest.mark.parametrize("scale", [1e-25, 1e-14, 1e25])
def test_cosine_does_not_depend_on_the_norms(scale):
    queries, gallery = torch.randn(5, 6), torch.randn(40, 6)
    norms = torch.ones(40, 1)
    norms[::2] = scale
    assert torch.equal(nearest(queries, gallery * norms, k=9)[0], nearest(queries, gallery, k=9)[0])
    assert torch.equal(nearest(queries.double() * 1e60, gallery, k=9)[0], nearest(queries, gallery, k=9)[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_and_gradients_are_accepted(dtype):
    embeddings = torch.eye(4).repeat(3, 1).to(dtype).requires_grad_()
    for labels in (torch.arange(4).repeat(3), torch.arange(4, dtype=torch.int32).repeat(3)):
        assert evaluate(embeddings, labels).map_at_r == 1.0


def test_the_report_is_frozen_and_equal_vectors_are_finite():
    report = evaluate(torch.zeros(6, 3), torch.tensor([0, 0, 0, 1, 1, 1]))
    assert all(0 <= v <= 1 for v in [*report.recall_at.values(), report.map_at_r, report.precision_at_r])
    with pytest.raises(AttributeError):
        report.map_at_r = 1.0


def test_a_k_named_twice_counts_once_and_numpy_numbers_are_numbers():
    embeddings, labels = torch.randn(30, 4), torch.randint(0, 3, (30,))
    twice = evaluate(embeddings, labels, ks=(1, 1, 2))
    assert twice == evaluate(embeddings, labels, ks=np.array([1, 2])) and set(twice.recall_at) == {1, 2}
    assert all(type(k) is int for k in evaluate(embeddings, labels, ks=(np.int64(1),)).recall_at)
    assert torch.equal(nearest(embeddings, k=np.int64(3))[0], nearest(embeddings, k=3)[0])


def test_own_leaves_the_query_out_of_a_gallery_that_holds_it():
    embeddings, labels = torch.randn(60, 5), torch.randint(0, 8, (60,))
    order = torch.randperm(60)
    gallery, own = embeddings[order], torch.argsort(order)  # own[i]: where query i stands in the gallery
    kept = evaluate(embeddings, labels, gallery=gallery, gallery_labels=labels[order], own=own)
    assert kept == evaluate(embeddings, labels)
    assert evaluate(embeddings, labels, gallery=gallery, gallery_labels=labels[order]).recall_at[1] == 1.0
    found, scores = nearest(embeddings, gallery, k=59, own=own.to(torch.int32))
    alone, same = nearest(embeddings, k=59)
    assert torch.equal(order[found], alone) and torch.allclose(scores, same)


def test_own_may_hold_for_some_queries_only():
    gallery = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    found, _ = nearest(gallery[[0, 0]], gallery, k=2, own=[0, -1])
    assert found.tolist() == [[1, 2], [0, 1]]
    report = evaluate(gallery[[0, 0]], [5, 5], gallery=gallery, gallery_labels=[5, 6, 6], own=[0, -1])
    assert (report.num_queries, report.num_skipped, report.recall_at[1]) == (1, 1, 1.0)
