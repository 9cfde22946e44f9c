import math
from functools import partial

import pytest
import torch
from torch import nn

from dmlnb import geometry
from dmlnb.losses import (
    ChanceConstrainedLoss,
    ProximalAnchor,
    contrastive_loss,
    cosine_contrastive_loss,
    multi_similarity_loss,
    proxy_anchor_loss,
    proxy_nca_loss,
    soft_triple_loss,
    triplet_loss,
)

PAIR = [contrastive_loss, cosine_contrastive_loss, triplet_loss, multi_similarity_loss]
PROXY = [proxy_anchor_loss, proxy_nca_loss, soft_triple_loss]
B, C, K, D = 8, 3, 2, 5


def make(base, **options):
    return ChanceConstrainedLoss(base, C, D, **{"proxies_per_class": K} | options).double()


def batch():
    return torch.randn(B, D, dtype=torch.float64), torch.arange(B) % C


def ball(v):
    return [x / max(1.0, x.norm().item()) for x in v]


def test_contrastive_against_a_loop():
    loss, (x, y) = make(contrastive_loss, pair_weight=0.1), batch()
    pull, push, pair_pull, pair_push = [], [], [], []
    rows = ball(x)
    for i in range(B):
        for c in range(C):
            for proxy in ball(loss.proxies.detach()[c]):
                d = (rows[i] - proxy).norm().item()
                (pull if c == y[i] else push).append(d if c == y[i] else 0.5 - d)
        for j in range(B):
            d = (rows[i] - rows[j]).norm().item()
            if i != j:
                (pair_pull if y[i] == y[j] else pair_push).append(d if y[i] == y[j] else 0.5 - d)
    mean = lambda terms: sum(t for t in terms if t > 0) / max(1, sum(t > 0 for t in terms))
    expected = mean(pull) + mean(push) + 0.1 * (mean(pair_pull) + mean(pair_push))
    assert loss(x, y).item() == pytest.approx(expected)


def test_triplet_against_a_loop():
    loss, (x, y) = make(partial(triplet_loss, margin=0.3), normalize=None), batch()
    p, terms = loss.proxies.detach(), []
    for i in range(B):
        for own in p[y[i]]:
            for c in set(range(C)) - {int(y[i])}:
                terms += [((x[i] - own).norm() - (x[i] - other).norm() + 0.3).item() for other in p[c]]
    active = [t for t in terms if t > 0]
    assert loss(x, y).item() == pytest.approx(sum(active) / len(active))


def test_multi_similarity_and_cosine_contrastive_against_loops():
    x, y = batch()
    loss = make(multi_similarity_loss, normalize=None)
    total = 0.0
    for i in range(B):
        s = loss.proxies.detach() @ x[i]  # (C, K)
        other = torch.arange(C) != y[i]
        total += math.log(1 + sum(math.exp(2 * (0.5 - v)) for v in s[y[i]].tolist())) / 2
        total += math.log(1 + sum(math.exp(50 * (v - 0.5)) for v in s[other].flatten().tolist())) / 50
    assert loss(x, y).item() == pytest.approx(total / B)

    loss = make(cosine_contrastive_loss, normalize=None)
    total = 0.0
    for i in range(B):
        for c in range(C):
            for s in (loss.proxies.detach()[c] @ x[i]).tolist():
                total += max(0.0, 1 - s - 1e-5) if c == y[i] else max(0.0, s - 0.5)
    assert loss(x, y).item() == pytest.approx(total / B)


@pytest.mark.parametrize("base", PROXY)
@pytest.mark.parametrize("normalize", ["ball", "sphere"])
def test_proxy_losses_get_the_proxies_of_all_classes(base, normalize):
    loss, (x, y) = make(base, normalize=normalize, proxy_weight=2.0), batch()
    assert loss(x, y).item() == pytest.approx(2 * base(x, y, loss.proxies, normalize=normalize).item())


@pytest.mark.parametrize("base", PAIR + PROXY)
@pytest.mark.parametrize("normalize", ["ball", "sphere"])
def test_invariants(base, normalize):
    loss, (x, y) = make(base, normalize=normalize), batch()
    value = loss(x, y)
    order = torch.randperm(B)
    assert torch.allclose(loss(x[order], y[order]), value)
    with torch.no_grad():
        loss.proxies.copy_(loss.proxies[:, torch.randperm(K)])
    assert torch.allclose(loss(x, y), value)  # the proxies of a class have no order
    longer = geometry.normalize(x)
    assert torch.allclose(loss(3 * longer, y), loss(7 * longer, y))  # outside the ball only directions count


@pytest.mark.parametrize("base", [multi_similarity_loss, *PROXY])
def test_gradients(base):
    settings = {"scale": 5.0, "gamma": 0.5} if base is soft_triple_loss else {}
    loss, (x, y) = make(partial(base, **settings), normalize="sphere"), batch()
    labels = y[:4]

    def value(x, proxies):
        return torch.func.functional_call(loss, {"proxies": proxies}, (x, labels))

    assert torch.autograd.gradcheck(value, (x[:4].requires_grad_(), loss.proxies))


@pytest.mark.parametrize("base", [contrastive_loss, cosine_contrastive_loss, triplet_loss])
def test_hinge_gradients_by_finite_differences_away_from_the_hinges(base):
    loss, (x, y) = make(base, normalize="sphere"), batch()
    x.requires_grad_()
    loss(x, y).backward()
    direction = torch.randn_like(x)
    with torch.no_grad():
        slope = (loss(x + 1e-7 * direction, y) - loss(x - 1e-7 * direction, y)) / 2e-7
    assert slope.item() == pytest.approx((x.grad * direction).sum().item(), rel=1e-4)
    assert loss.proxies.grad.abs().sum() > 0


@pytest.mark.parametrize("base", PAIR + PROXY)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    "x", [torch.zeros(B, D), torch.ones(B, D), 1e4 * torch.ones(B, D), torch.full((1, D), 1e-20)]
)
def test_extremes_stay_finite(base, dtype, x):
    loss = ChanceConstrainedLoss(base, C, D, proxies_per_class=K)
    with torch.no_grad():
        loss.proxies[0] = x[0]  # a proxy on top of its samples: distance 0
        loss.proxies[1] = 0.0
    x = x.to(dtype).requires_grad_()
    value = loss(x, torch.zeros(len(x), dtype=torch.int64))
    value.backward()
    assert value.dtype == torch.float32 and torch.isfinite(value)
    assert torch.isfinite(x.grad).all() and torch.isfinite(loss.proxies.grad).all()


@pytest.mark.parametrize("base", PAIR)
def test_one_class_alone_has_no_negatives(base):
    loss = ChanceConstrainedLoss(base, 1, D, proxies_per_class=K)
    loss(torch.randn(4, D), torch.zeros(4, dtype=torch.int64)).backward()
    assert torch.isfinite(loss.proxies.grad).all()


def test_samples_on_their_proxies_and_far_from_others_cost_nothing():
    loss = make(contrastive_loss)
    with torch.no_grad():
        loss.proxies.copy_(torch.eye(C, D)[:, None].expand(-1, K, -1))
    assert loss(torch.eye(C, D, dtype=torch.float64), torch.arange(C)).item() == 0


@pytest.mark.parametrize("base", PAIR + PROXY)
def test_bad_labels_and_embeddings_are_named(base):
    loss, (x, y) = make(base), batch()
    for bad in (y + 1, y - 1, y.float(), y[:2]):
        with pytest.raises(ValueError, match="labels"):
            loss(x, bad)
    for bad in (x * torch.nan, x[:, :-1]):
        with pytest.raises(ValueError, match="embeddings|references"):
            loss(bad, y)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_classes": 0}, "num_classes"),
        ({"dim": 0}, "dim"),
        ({"proxies_per_class": 0}, "proxies_per_class"),
        ({"pair_weight": -1.0}, "pair_weight"),
        ({"proxy_weight": 0.0}, "proxy_weight"),
        ({"normalize": "cube"}, "normalize"),
        ({"base": soft_triple_loss, "pair_weight": 0.1}, "pair_weight"),
    ],
)
def test_bad_settings_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        ChanceConstrainedLoss(**{"base": contrastive_loss, "num_classes": C, "dim": D} | options)


# --- the proximal anchor ------------------------------------------------------------------------------------------


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()


def moved(net):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p))
    return net


def test_the_penalty_and_the_gradient_are_two_forms_of_one_term():
    net = network()
    anchor = ProximalAnchor(net.parameters(), 0.3).double()
    assert anchor.penalty() == 0 and anchor.distance() == 0
    before = [p.detach().clone() for p in net.parameters()]
    moved(net)
    anchor.penalty().backward()
    by_loss = [p.grad.clone() for p in net.parameters()]
    for p in net.parameters():
        p.grad = None
    next(net.parameters()).grad = torch.ones_like(next(net.parameters()))  # what was there stays
    anchor.add_gradient()
    for i, (p, old, expected) in enumerate(zip(net.parameters(), before, by_loss, strict=True)):
        assert torch.allclose(expected, 0.3 * (p - old), rtol=1e-6)
        assert torch.allclose(p.grad, expected + (i == 0), rtol=1e-6)
    squared = sum((p - old).square().sum() for p, old in zip(net.parameters(), before, strict=True)).item()
    assert anchor.penalty().item() == pytest.approx(0.15 * squared, rel=1e-6)
    assert anchor.distance() == pytest.approx(math.sqrt(squared))
    anchor.move()
    assert anchor.penalty() == 0


def test_the_proximal_gradient_comes_before_decay_and_clipping():
    weight = nn.Parameter(torch.zeros(2))
    anchor = ProximalAnchor([weight], 1.0)
    with torch.no_grad():
        weight.copy_(torch.tensor([3.0, 4.0]))
    weight.grad = torch.zeros(2)
    anchor.add_gradient()
    assert weight.grad.tolist() == [3.0, 4.0]
    weight.grad += 1.0 * weight.detach()  # decay
    torch.nn.utils.clip_grad_norm_([weight], 5.0)
    assert torch.allclose(
        weight.grad, torch.tensor([3.0, 4.0])
    )  # (6, 8) clipped to norm 5: both terms were inside


def test_the_regularised_step_is_a_relaxed_projection():
    """For L = dist(w, C)²/2 the proximal problem's solution is w̄ + (Π w̄ − w̄) / (1 + λ)."""
    start, radius = torch.tensor([3.0, 4.0], dtype=torch.float64), 1.0
    for strength in (0.0, 0.5, 4.0):
        w = nn.Parameter(start.clone())
        anchor = ProximalAnchor([w], strength).double()
        optimizer = torch.optim.SGD([w], lr=0.15)
        for _ in range(400):
            optimizer.zero_grad()
            ((w.norm() - radius).clamp(min=0) ** 2 / 2 + anchor.penalty()).backward()
            optimizer.step()
        projected = start / start.norm()
        assert torch.allclose(w.detach(), start + (projected - start) / (1 + strength), atol=1e-6)


def test_frozen_parameters_are_not_anchored_and_none_are_registered():
    net = network()
    net[0].weight.requires_grad_(False)
    anchor = ProximalAnchor(net.parameters(), 1.0)
    assert list(anchor.parameters()) == [] and set(anchor.state_dict()) == {"anchor", "strength"}
    assert anchor.anchor.numel() == sum(p.numel() for p in net.parameters()) - 12
    moved(net)
    anchor.add_gradient()
    assert net[0].weight.grad is None and net[0].bias.grad is not None


def test_bad_anchors_are_named():
    with pytest.raises(ValueError, match="parameters"):
        ProximalAnchor([])
    with pytest.raises(ValueError, match="strength"):
        ProximalAnchor(network().parameters(), -1.0)
    with pytest.raises(ValueError, match="strength"):
        ProximalAnchor(network().parameters()).set_strength(math.nan)
