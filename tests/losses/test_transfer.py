import math

import pytest
import torch

from dmlnb.losses import (
    DarkRankLoss,
    ProbabilisticTransferLoss,
    RelationalAngleLoss,
    RelationalDistanceLoss,
    triplet_loss,
)

N, DT, DS = 9, 4, 6
LOSSES = [RelationalDistanceLoss(), RelationalAngleLoss(), ProbabilisticTransferLoss(), DarkRankLoss()]
NAMES = ["RKD-D", "RKD-A", "PKT", "DarkRank"]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=NAMES)


@pytest.fixture
def pair():
    g = torch.Generator().manual_seed(0)
    return tuple(torch.randn(N, d, generator=g, dtype=torch.float64) for d in (DT, DS))


@each_loss
def test_gradients(loss, pair):
    target, source = pair
    assert torch.autograd.gradcheck(lambda t: loss(t, source), target.clone().requires_grad_())


def test_probabilities_against_a_loop(pair):
    def table(x):
        u = [v / (v.norm() + 1e-7) for v in x]
        k = [[(1 + (a @ b).item()) / 2 for b in u] for a in u]
        return [[v / sum(row) for v in row] for row in k]

    q, p = map(table, pair)
    terms = [p[i][j] * math.log((p[i][j] + 1e-7) / (q[i][j] + 1e-7)) for i in range(N) for j in range(N)]
    assert ProbabilisticTransferLoss()(*pair).item() == pytest.approx(sum(terms) / N**2, rel=1e-5)


def scores(x):
    u = [v / v.norm() for v in x]
    return [[-3 * (a - b).norm().item() ** 3 for b in u] for a in u]


def log_probability(values):
    return sum(v - math.log(sum(math.exp(w) for w in values[k:])) for k, v in enumerate(values))


def rankings(source_scores, length):
    for i in range(N):
        yield i, sorted((j for j in range(N) if j != i), key=lambda j: -source_scores[i][j])[:length]


def test_dark_rank_against_a_loop(pair):
    t, s = map(scores, pair)
    expected = -sum(log_probability([t[i][j] for j in order]) for i, order in rankings(s, 4)) / N
    assert DarkRankLoss()(*pair).item() == pytest.approx(expected, rel=1e-10)


def test_dark_rank_adds_a_triplet_loss_when_there_are_labels(pair):
    labels = torch.arange(N) % 3
    extra = triplet_loss(pair[0], labels, margin=0.2)
    assert DarkRankLoss()(*pair, labels).item() == pytest.approx((DarkRankLoss()(*pair) + extra).item())


def test_dark_rank_leaves_the_anchor_out_by_index():
    source = torch.randn(6, 3)
    source[1] = source[0]  # a duplicate is a neighbour, not the anchor
    target = torch.randn(6, 3)
    assert torch.isfinite(DarkRankLoss(list_length=5)(target, source))
    near, far = target.clone(), target.clone()
    near[1] = near[0]
    far[1] = -far[0]
    assert DarkRankLoss(list_length=2)(near, source) < DarkRankLoss(list_length=2)(far, source)


@pytest.mark.parametrize("loss", LOSSES[:3], ids=NAMES[:3])
def test_a_copy_costs_nothing(loss, pair):
    _, source = pair
    turn = torch.linalg.qr(torch.randn(DS, DS, dtype=torch.float64))[0]
    assert loss(3 * source @ turn, source).abs() < 1e-12


@each_loss
def test_permutation(loss, pair):
    target, source = pair
    order = torch.randperm(N)
    assert loss(target[order], source[order]).item() == pytest.approx(loss(target, source).item(), rel=1e-10)


@each_loss
def test_the_source_gets_no_gradient(loss, pair):
    target, source = (x.clone().requires_grad_() for x in pair)
    loss(target, source).backward()
    assert source.grad is None and target.grad.abs().sum() > 0


@each_loss
def test_training_lowers_the_loss(loss):
    source, target = torch.randn(12, 3), torch.randn(12, 3, requires_grad=True)
    optimizer = torch.optim.Adam([target], lr=0.03)
    first = loss(target, source).item()
    for _ in range(150):
        optimizer.zero_grad()
        loss(target, source).backward()
        optimizer.step()
    floor = DarkRankLoss()(source, source).item() if loss is LOSSES[3] else 0.0
    assert loss(target, source).item() - floor < 0.5 * (first - floor)


@each_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("make", [torch.zeros, torch.ones, lambda *s: 1e4 * torch.randn(*s), torch.randn])
def test_extremes_stay_finite(loss, dtype, make):
    for rows in (1, 2, 6):
        target = make(rows, 4).to(dtype)
        target[-1] = target[0]  # coinciding rows
        target.requires_grad_()
        value = loss(target, make(rows, 3).to(dtype))
        value.backward()
        assert value.dtype == torch.float32 and torch.isfinite(value)
        assert torch.isfinite(target.grad).all() and target.grad.abs().max() < 1e4


@each_loss
def test_bad_input_is_named(loss, pair):
    target, source = pair
    with pytest.raises(ValueError, match="source: expected 9 rows"):
        loss(target, source[:-1])
    with pytest.raises(ValueError, match="target"):
        loss(target[0], source)
    with pytest.raises(ValueError, match="source"):
        loss(target, source * torch.nan)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="list_length"):
        DarkRankLoss(list_length=0)
    with pytest.raises(ValueError, match="eps"):
        ProbabilisticTransferLoss(eps=0)
