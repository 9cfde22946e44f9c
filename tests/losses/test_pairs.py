import math
import sys
from functools import partial

import pytest
import torch

from dmlnb.losses import contrastive_loss, cosine_contrastive_loss, multi_similarity_loss, triplet_loss
from dmlnb.losses.pairs import active_mean, log1p_sum_exp
from timings import losses as timed

MINED = [partial(triplet_loss, mined=mined) for mined in ("semi-hard", "hard")]
LOSSES = [contrastive_loss, cosine_contrastive_loss, triplet_loss, multi_similarity_loss, *MINED]


def batch(n=10, d=4, classes=3, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=g, dtype=dtype), torch.randint(0, classes, (n,), generator=g)


def loops(embeddings, labels):
    """All ordered pairs (i, j, same, distance, cosine) of unit vectors."""
    x = [v / v.norm() for v in embeddings]
    for i in range(len(x)):
        for j in range(len(x)):
            if i != j:
                yield i, j, bool(labels[i] == labels[j]), (x[i] - x[j]).norm().item(), (x[i] @ x[j]).item()


def mean_of_active(terms):
    active = [t for t in terms if t > 0]
    return sum(active) / len(active) if active else 0.0


def test_contrastive_against_a_loop():
    embeddings, labels = batch()
    pull = mean_of_active([d - 0.1 for *_, same, d, _ in loops(embeddings, labels) if same])
    push = mean_of_active([0.9 - d for *_, same, d, _ in loops(embeddings, labels) if not same])
    found = contrastive_loss(embeddings, labels, positive_margin=0.1, negative_margin=0.9)
    assert found.item() == pytest.approx(pull + push)


def test_cosine_contrastive_against_a_loop():
    embeddings, labels = batch()
    total = sum(
        max(0, 1 - s - 1e-5) if same else max(0, s - 0.5) for *_, same, _, s in loops(embeddings, labels)
    )
    assert cosine_contrastive_loss(embeddings, labels).item() == pytest.approx(total / 10)


def test_triplet_against_a_loop():
    embeddings, labels = batch()
    pairs = list(loops(embeddings, labels))
    terms = [
        dp - dn + 0.2
        for a, _, same, dp, _ in pairs
        if same
        for b, _, other, dn, _ in pairs
        if b == a and not other
    ]
    assert triplet_loss(embeddings, labels, margin=0.2).item() == pytest.approx(mean_of_active(terms))


@pytest.mark.parametrize("mined", ["all", "semi-hard", "hard"])
def test_mined_triplets_against_a_loop_and_pytorch_metric_learning(mined):
    from pytorch_metric_learning import losses as pml
    from pytorch_metric_learning.miners import TripletMarginMiner

    embeddings, labels = batch(16, 4, 4, seed=3)
    pairs = list(loops(embeddings, labels))
    triplets = [
        (dp, dn)
        for a, _, same, dp, _ in pairs
        if same
        for b, _, other, dn, _ in pairs
        if b == a and not other
    ]
    counts = {
        "all": lambda dp, dn: True,
        "semi-hard": lambda dp, dn: dn > dp,
        "hard": lambda dp, dn: dn <= dp,
    }
    terms = [dp - dn + 0.2 for dp, dn in triplets if counts[mined](dp, dn)]
    found = triplet_loss(embeddings, labels, margin=0.2, mined=mined)
    assert found.item() == pytest.approx(mean_of_active(terms)) and found > 0
    miner = TripletMarginMiner(margin=0.2, type_of_triplets=mined.replace("-", ""))
    theirs = pml.TripletMarginLoss(margin=0.2)(embeddings, labels, miner(embeddings, labels))
    assert found.item() == pytest.approx(theirs.item(), rel=1e-5)


def test_semi_hard_and_hard_triplets_share_out_the_active_ones():
    embeddings, labels = batch(16, 4, 4, seed=3)
    with pytest.raises(ValueError, match="^mined: expected one of all, semi-hard, hard, got 'soft'"):
        triplet_loss(embeddings, labels, mined="soft")
    apart = torch.eye(4, dtype=torch.float64)[
        labels
    ]  # every positive at 0, every negative at the same distance
    assert triplet_loss(apart, labels, margin=2.0, mined="hard") == 0
    assert triplet_loss(apart, labels, margin=2.0, mined="semi-hard") == triplet_loss(
        apart, labels, margin=2.0
    )


def test_multi_similarity_against_a_loop():
    embeddings, labels = batch()
    total = 0.0
    for a in range(10):
        rows = [(same, s) for i, _, same, _, s in loops(embeddings, labels) if i == a]
        total += math.log(1 + sum(math.exp(2 * (0.5 - s)) for same, s in rows if same)) / 2
        total += math.log(1 + sum(math.exp(50 * (s - 0.5)) for same, s in rows if not same)) / 50
    assert multi_similarity_loss(embeddings, labels).item() == pytest.approx(total / 10)


def test_equal_to_pytorch_metric_learning():
    from pytorch_metric_learning import losses as pml

    embeddings, labels = batch(24, 6, 5, seed=1)
    pairs = [
        (contrastive_loss, {"negative_margin": 1.0}, pml.ContrastiveLoss(pos_margin=0, neg_margin=1.0)),
        (triplet_loss, {"margin": 0.2}, pml.TripletMarginLoss(margin=0.2)),
        (multi_similarity_loss, {}, pml.MultiSimilarityLoss(alpha=2, beta=50, base=0.5)),
    ]
    for ours, options, theirs in pairs:
        a, b = (embeddings.clone().requires_grad_() for _ in range(2))
        x, y = ours(a, labels, **options), theirs(b, labels)
        assert x.item() == pytest.approx(y.item(), rel=1e-5), ours.__name__
        x.backward(), y.backward()
        assert torch.allclose(a.grad, b.grad, atol=1e-6), ours.__name__


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients(loss):
    embeddings, labels = batch(6)
    assert torch.autograd.gradcheck(lambda e: loss(e, labels), (embeddings.requires_grad_(),))


@pytest.mark.parametrize("loss", LOSSES)
def test_order_scale_and_label_names_do_not_matter(loss):
    embeddings, labels = batch()
    order = torch.randperm(10)
    value = loss(embeddings, labels)
    assert torch.allclose(value, loss(7 * embeddings[order], 100 - labels[order]))


@pytest.mark.parametrize("loss", LOSSES)
def test_references_equal_to_the_batch_add_only_the_pairs_with_itself(loss):
    embeddings, labels = batch(8)
    proxies, proxy_labels = batch(5, seed=3)
    together = loss(embeddings, labels, references=proxies, reference_labels=proxy_labels)
    shuffled = torch.randperm(5)
    assert torch.allclose(
        together,
        loss(embeddings, labels, references=proxies[shuffled], reference_labels=proxy_labels[shuffled]),
    )
    one = loss(embeddings[:1], labels[:1], references=embeddings[:1], reference_labels=labels[:1])
    assert one.item() == pytest.approx(
        {multi_similarity_loss: math.log(1 + math.exp(-1)) / 2}.get(loss, 0.0), abs=1e-6
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("case", ["equal", "zero", "huge", "tiny", "one sample", "one class"])
def test_extremes_stay_finite(loss, dtype, case):
    embeddings, labels = batch(8, dtype=torch.float32)
    embeddings = {
        "equal": torch.ones(8, 4),
        "zero": torch.zeros(8, 4),
        "huge": embeddings * 1e4,
        "tiny": embeddings * 1e-4,
    }.get(case, embeddings)
    if case == "one sample":
        embeddings, labels = embeddings[:1], labels[:1]
    if case == "one class":
        labels = torch.zeros_like(labels)
    embeddings = embeddings.to(dtype).requires_grad_()
    value = loss(embeddings, labels)
    assert value.dtype == torch.float32 and torch.isfinite(value) and value >= 0
    value.backward()
    assert torch.isfinite(embeddings.grad).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_bad_input_is_named(loss):
    embeddings, labels = batch()
    for bad, message in (
        (embeddings[0], "embeddings"),
        (embeddings * torch.nan, "finite"),
        (embeddings[:0], "embeddings"),
    ):
        with pytest.raises(ValueError, match=message):
            loss(bad, labels)
    for bad in (labels[:-1], labels - 5, labels.double()):
        with pytest.raises(ValueError, match="labels"):
            loss(embeddings, bad)
    with pytest.raises(ValueError, match="reference_labels"):
        loss(embeddings, labels, references=embeddings)


def test_active_mean():
    mask = torch.tensor([True, True, True, True, False])
    assert active_mean(torch.tensor([1.0, 0.0, -5.0, 3.0, 9.0]), mask).item() == 2.0
    assert active_mean(torch.zeros(5), mask).item() == 0.0


def test_references_equal_pytorch_metric_learning():
    from pytorch_metric_learning import losses as pml

    embeddings, labels = batch(24, 6, 5, seed=1)
    references, reference_labels = batch(15, 6, 5, seed=2)
    pairs = [
        (contrastive_loss, {"negative_margin": 1.0}, pml.ContrastiveLoss(pos_margin=0, neg_margin=1.0)),
        (triplet_loss, {"margin": 0.2}, pml.TripletMarginLoss(margin=0.2)),
        (multi_similarity_loss, {}, pml.MultiSimilarityLoss(alpha=2, beta=50, base=0.5)),
    ]
    for ours, options, theirs in pairs:
        a, b, c, d = (v.clone().requires_grad_() for v in (embeddings, embeddings, references, references))
        x = ours(a, labels, references=c, reference_labels=reference_labels, **options)
        y = theirs(b, labels, ref_emb=d, ref_labels=reference_labels)
        assert x.item() == pytest.approx(y.item(), rel=1e-5), ours.__name__
        x.backward(), y.backward()
        assert torch.allclose(a.grad, b.grad, atol=1e-6) and torch.allclose(c.grad, d.grad, atol=1e-6)


def test_cosine_contrastive_with_references_against_a_loop():
    (embeddings, labels), (references, reference_labels) = batch(), batch(7, seed=2)
    total = 0.0
    for x, y in zip(embeddings, labels, strict=True):
        for r, z in zip(references, reference_labels, strict=True):
            s = (x @ r / (x.norm() * r.norm())).item()
            total += max(0, 1 - s - 1e-5) if y == z else max(0, s - 0.3)
    options = {"references": references, "reference_labels": reference_labels, "margin": 0.3}
    assert cosine_contrastive_loss(embeddings, labels, **options).item() == pytest.approx(total / 10)


@pytest.mark.parametrize("loss", LOSSES)
def test_normalisers(loss):
    embeddings, labels = batch()
    unit = embeddings / embeddings.norm(dim=1, keepdim=True)
    small = 0.3 * unit
    assert torch.allclose(loss(embeddings, labels), loss(unit, labels, normalize=None))
    assert torch.allclose(loss(3 * unit, labels, normalize="ball"), loss(unit, labels, normalize=None))
    assert torch.allclose(loss(small, labels, normalize="ball"), loss(small, labels, normalize=None))
    with pytest.raises(ValueError, match="normalize"):
        loss(embeddings, labels, normalize="cube")


@pytest.mark.parametrize("loss", LOSSES)
def test_integer_types_of_labels_and_autocast_do_not_matter(loss):
    embeddings, labels = batch(dtype=torch.float32)
    value = loss(embeddings, labels)
    for other in (torch.uint8, torch.int32):
        assert torch.equal(loss(embeddings, labels.to(other)), value)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(embeddings, labels), value)


@pytest.mark.parametrize("loss", LOSSES)
def test_bad_references_are_named(loss):
    embeddings, labels = batch()
    with pytest.raises(ValueError, match="expected both or neither"):
        loss(embeddings, labels, reference_labels=labels)
    with pytest.raises(ValueError, match="references: expected 4 coordinates"):
        loss(embeddings, labels, references=embeddings[:, :3], reference_labels=labels)
    with pytest.raises(ValueError, match="references: expected finite"):
        loss(embeddings, labels, references=embeddings * torch.nan, reference_labels=labels)


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_scales_must_be_positive(name):
    with pytest.raises(ValueError, match=name):
        multi_similarity_loss(*batch(), **{name: 0.0})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log1p_sum_exp_without_overflow_or_underflow(dtype):
    logits = torch.tensor([[500.0, 499.0, -500.0], [-500.0, -90.0, 1.0], [3.0, 900.0, 2.0]], dtype=dtype)
    mask = torch.tensor([[True, True, True], [True, True, False], [True, False, True]])
    logits.requires_grad_()
    found = log1p_sum_exp(logits, mask, dim=1)
    right = [500 + math.log(1 + math.exp(-1)), 0.0, math.log(1 + math.exp(3) + math.exp(2))]
    assert torch.allclose(found, torch.tensor(right, dtype=dtype))
    assert log1p_sum_exp(logits, torch.zeros_like(mask), dim=0).tolist() == [0, 0, 0]
    found.sum().backward()
    own = 1 / (1 + math.exp(-1))
    total = 1 + math.exp(3) + math.exp(2)
    right = [[own, 1 - own, 0], [0, 0, 0], [math.exp(3) / total, 0, math.exp(2) / total]]
    assert torch.allclose(logits.grad, torch.tensor(right, dtype=dtype))


def test_the_timing_of_losses_runs_and_says_where_pytorch_metric_learning_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(timed, "DIMS", (8,))
    monkeypatch.setattr(timed, "SIZES", (64,))
    timed.main(quick=True)
    printed = capsys.readouterr().out
    assert "contrastive" in printed and "with merging term" in printed and "differ" not in printed
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning", None)
    timed.main(quick=True)
    assert capsys.readouterr().out == "pytorch-metric-learning is missing: nothing to compare with\n"


def test_a_masked_infinity_does_not_reach_a_mean():
    terms = torch.tensor([[1.0, torch.inf], [3.0, -2.0]], requires_grad=True)
    mean = active_mean(terms, torch.tensor([[True, False], [True, True]]))
    mean.backward()
    assert mean.item() == 2 and terms.grad.tolist() == [[0.5, 0], [0.5, 0]]
