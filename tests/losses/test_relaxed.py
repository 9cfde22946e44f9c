import math

import pytest
import torch

from dmlnb.losses import (
    RelaxedContrastiveLoss,
    RelaxedMultiSimilarityLoss,
    relative_distances,
    relaxed_contrastive_loss,
    relaxed_labels,
    relaxed_multi_similarity_loss,
)

N, DT, DS = 12, 5, 7


@pytest.fixture
def pair():
    g = torch.Generator().manual_seed(0)
    return (torch.randn(N, d, generator=g, dtype=torch.float64) for d in (DT, DS))


def loop_tables(target, source, sigma):
    """Labels and relative distances, number by number."""
    n = len(target)
    unit = [s / s.norm() for s in source]
    w = [[math.exp(-(unit[i] - unit[j]).square().sum().item() / sigma) for j in range(n)] for i in range(n)]
    d = [[(target[i] - target[j]).norm().item() for j in range(n)] for i in range(n)]
    r = [[d[i][j] / (sum(d[i]) / n) for j in range(n)] for i in range(n)]
    return w, r


def loop_contrastive(target, source, sigma, delta):
    w, r = loop_tables(target, source, sigma)
    n, total = len(target), 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                total += w[i][j] * r[i][j] ** 2 + (1 - w[i][j]) * max(delta - r[i][j], 0) ** 2
    return total / n


@pytest.mark.parametrize("sigma, delta", [(1, 1), (0.3, 1), (1, 1.5), (2, 0)])
def test_relaxed_contrastive_against_a_loop(pair, sigma, delta):
    target, source = pair
    found = RelaxedContrastiveLoss(sigma, delta)(target, source)
    assert found.item() == pytest.approx(loop_contrastive(target, source, sigma, delta), rel=1e-12)


@pytest.mark.parametrize("views", [1, 2, 3])
def test_relaxed_multi_similarity_against_a_loop(pair, views):
    target, source = pair
    w, r = loop_tables(target, source, 0.7)
    total = 0.0
    for i in range(N):
        pull = push = 0.0
        for j in range(N):
            if j != i:
                same_image = (j - i) % (N // views) == 0
                label = 1.0 if same_image else w[i][j]
                pull += label * math.exp(1.5 * r[i][j])
                push += (1 - label) * math.exp(3 * (0.8 - r[i][j]))
        total += math.log(1 + pull) / 1.5 + math.log(1 + push) / 3
    loss = RelaxedMultiSimilarityLoss(sigma=0.7, delta=0.8, alpha=1.5, beta=3)
    assert loss(target, source, views=views).item() == pytest.approx(total / N, rel=1e-12)


def test_closed_form_of_the_gradient(pair):
    target, source = pair
    target.requires_grad_()
    RelaxedContrastiveLoss()(target, source).backward()
    with torch.no_grad():
        distance = torch.cdist(target, target)
        mean, w = distance.mean(dim=1, keepdim=True), relaxed_labels(source)
        r = distance / mean
        slope = 2 * w * r - 2 * (1 - w) * (1 - r).clamp(min=0)
        g = (slope - (slope * r).mean(dim=1, keepdim=True)) / (N * mean)
        g = (g + g.T) / (distance + torch.eye(N))
        expected = torch.stack([(g[i, :, None] * (target[i] - target)).sum(dim=0) for i in range(N)])
    assert torch.allclose(target.grad, expected, atol=1e-14)


def test_gradients_reach_through_the_mean(pair):
    target, source = pair
    target.requires_grad_()
    assert torch.autograd.gradcheck(lambda t: RelaxedContrastiveLoss()(t, source), target)
    assert torch.autograd.gradcheck(lambda t: RelaxedMultiSimilarityLoss()(t, source), target)
    assert torch.autograd.gradcheck(relative_distances, target)


def test_the_source_gets_no_gradient(pair):
    target, source = pair
    source.requires_grad_()
    RelaxedContrastiveLoss()(target.requires_grad_(), source).backward()
    assert source.grad is None and not relaxed_labels(source).requires_grad


def test_labels_by_hand():
    source = torch.tensor([[2.0, 0.0], [5.0, 0.0], [0.0, 1.0], [-3.0, 0.0], [0.0, 0.0]])
    w = relaxed_labels(source)
    expected = [
        1,
        1,
        math.exp(-2),
        math.exp(-4),
        math.exp(-1),
    ]  # same direction, orthogonal, opposite, no direction
    assert torch.allclose(w[0], torch.tensor(expected), atol=1e-6)
    assert torch.equal(w, w.T) and (w.diagonal() == 1).all()


def test_labels_are_a_cosine_kernel(pair):
    _, source = pair
    cosine = torch.nn.functional.cosine_similarity(source[:, None], source[None], dim=2)
    for sigma in (0.1, 1.0, 4.0):
        assert torch.allclose(relaxed_labels(source, sigma=sigma), torch.exp(-2 * (1 - cosine) / sigma))


def test_class_labels_are_a_special_case(pair):
    target, _ = pair
    y = torch.arange(N) % 4
    one_hot = torch.nn.functional.one_hot(y).double()
    same = (y[:, None] == y).double()
    for delta in (1.0, 1.5):
        soft = RelaxedContrastiveLoss(sigma=0.01, delta=delta)(target, one_hot)
        assert soft.item() == pytest.approx(
            relaxed_contrastive_loss(target, same, delta=delta).item(), rel=1e-10
        )


def test_limits_of_the_width(pair):
    target, source = pair
    r = relative_distances(target)
    push_only = (1 - r).clamp(min=0).square().sum() / N - 1  # without the diagonal, which would give N/N
    assert RelaxedContrastiveLoss(sigma=1e-6)(target, source).item() == pytest.approx(push_only.item())
    for delta in (0.0, 1.0, 3.0):
        pull_only = r.square().sum() / N
        assert RelaxedContrastiveLoss(1e12, delta)(target, source).item() == pytest.approx(pull_only.item())


def test_within_the_margin_it_is_a_regression(pair):
    target, source = pair
    r, w = relative_distances(target), relaxed_labels(source)
    delta = 1.1 * r.max().item()
    off = ~torch.eye(N, dtype=torch.bool)
    square = (r - delta * (1 - w)).square() + w * (1 - w) * delta**2
    assert RelaxedContrastiveLoss(1.0, delta)(target, source).item() == pytest.approx(
        (square * off).sum().item() / N
    )


@pytest.mark.parametrize("loss", [RelaxedContrastiveLoss(), RelaxedMultiSimilarityLoss()])
def test_the_targets_scale_place_and_pose_do_not_matter(loss, pair):
    target, source = pair
    turn = torch.linalg.qr(torch.randn(DT, DT, dtype=torch.float64))[0]
    value = loss(target, source)
    sizes = torch.rand(N, 1, dtype=torch.float64) + 0.1
    for other in (1e-6 * target, 1e6 * target, target + 100, target @ turn):
        assert loss(other, source).item() == pytest.approx(value.item(), rel=1e-9)
    assert loss(target, sizes * source).item() == pytest.approx(value.item(), rel=1e-9)


@pytest.mark.parametrize("loss", [RelaxedContrastiveLoss(), RelaxedMultiSimilarityLoss()])
def test_gradients_neither_shift_nor_grow_nor_turn(loss, pair):
    target, source = pair
    t = target.clone().requires_grad_()
    (g,) = torch.autograd.grad(loss(t, source), t)
    assert g.sum(dim=0).abs().max() < 1e-13
    assert (t * g).sum().abs() < 1e-13
    assert torch.allclose(g.T @ t, t.T @ g, atol=1e-13)
    twice = (2 * target).requires_grad_()
    assert torch.allclose(torch.autograd.grad(loss(twice, source), twice)[0], g / 2, atol=1e-13)


@pytest.mark.parametrize(
    "loss", [RelaxedContrastiveLoss(), lambda t, s: RelaxedMultiSimilarityLoss()(t, s, views=1)]
)
def test_permutation(loss, pair):
    target, source = pair
    order = torch.randperm(N)
    assert loss(target[order], source[order]).item() == pytest.approx(loss(target, source).item(), rel=1e-12)


def test_rows_of_relative_distances_sum_to_n(pair):
    target, _ = pair
    assert torch.allclose(
        relative_distances(target).sum(dim=1), torch.full((N,), float(N), dtype=torch.float64)
    )


def test_one_row_and_two_rows():
    for loss in (RelaxedContrastiveLoss(), lambda t, s: RelaxedMultiSimilarityLoss()(t, s, views=1)):
        one = torch.randn(1, 3, requires_grad=True)
        value = loss(one, torch.randn(1, 2))
        value.backward()
        assert value == 0 and (one.grad == 0).all()
    two, source = torch.randn(2, 3, requires_grad=True), torch.randn(2, 2)
    value = RelaxedContrastiveLoss()(two, source)
    value.backward()
    assert value.item() == pytest.approx(4 * relaxed_labels(source)[0, 1].item(), rel=1e-5)
    assert two.grad.abs().max() < 1e-5  # r = 2 whatever the target does


@pytest.mark.parametrize("loss", [RelaxedContrastiveLoss(), RelaxedMultiSimilarityLoss()])
def test_collapse_is_stationary_and_finite(loss):
    for value in (0.0, 3.0):
        target = torch.full((8, 4), value, requires_grad=True)
        result = loss(target, torch.randn(8, 3))
        result.backward()
        assert torch.isfinite(result) and (target.grad == 0).all()


@pytest.mark.parametrize("loss", [RelaxedContrastiveLoss(), RelaxedMultiSimilarityLoss()])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("scale", [0.0, 1e-4, 1.0, 1e4])
def test_extremes_stay_finite(loss, dtype, scale):
    target = (scale * torch.randn(8, 4)).to(dtype)
    target[1] = target[0]
    target.requires_grad_()
    source = (scale * torch.randn(8, 3)).to(dtype)
    value = loss(target, source)
    value.backward()
    assert value.dtype == torch.float32 and torch.isfinite(value) and torch.isfinite(target.grad).all()


def test_hard_labels_stay_finite_in_the_multi_similarity_form():
    target = torch.randn(8, 4, requires_grad=True)
    for labels in (torch.zeros(8, 8), torch.ones(8, 8), torch.eye(8)):
        value = relaxed_multi_similarity_loss(target, labels)
        (g,) = torch.autograd.grad(value, target)
        assert torch.isfinite(value) and torch.isfinite(g).all()


def test_labels_of_another_dtype(pair):
    target, source = pair
    w = relaxed_labels(source)
    a = relaxed_contrastive_loss(target.float(), w)
    assert a.dtype == torch.float32
    assert a.item() == pytest.approx(relaxed_contrastive_loss(target, w.float()).item(), rel=1e-4)
    assert relaxed_contrastive_loss(target, torch.eye(N, dtype=torch.bool)).isfinite()


def test_free_points_find_the_sources_order():
    torch.manual_seed(0)
    angle = torch.linspace(0, 2 * math.pi, 25)[:24]
    source = torch.stack([angle.cos(), angle.sin()], dim=1)
    target = torch.randn(24, 2, requires_grad=True)
    optimizer = torch.optim.Adam([target], lr=0.05)
    first = RelaxedContrastiveLoss()(target, source).item()
    for _ in range(300):
        optimizer.zero_grad()
        value = RelaxedContrastiveLoss()(target, source)
        value.backward()
        optimizer.step()
    assert value.item() < 0.8 * first
    nearest = (torch.cdist(target, target) + 1e9 * torch.eye(24)).argmin(dim=1)
    steps = (nearest - torch.arange(24)).abs() % 23
    assert (steps <= 2).float().mean() > 0.8  # neighbours on the circle, or nearly


def test_bad_input_is_named(pair):
    target, source = pair
    w = relaxed_labels(source)
    loss = RelaxedContrastiveLoss()
    with pytest.raises(ValueError, match="target"):
        loss(target * torch.nan, source)
    with pytest.raises(ValueError, match="source"):
        loss(target, source[:, 0])
    with pytest.raises(ValueError, match="labels: expected shape"):
        loss(target, source[:-1])
    for bad in (w + 1, w - 1, w * torch.nan):
        with pytest.raises(ValueError, match="0 .. 1"):
            relaxed_contrastive_loss(target, bad)
    with pytest.raises(ValueError, match="delta"):
        relaxed_contrastive_loss(target, w, delta=-1)
    for make in (RelaxedContrastiveLoss, RelaxedMultiSimilarityLoss):
        with pytest.raises(ValueError, match="sigma"):
            make(sigma=0)
    with pytest.raises(ValueError, match="beta"):
        RelaxedMultiSimilarityLoss(beta=0)
    for views in (0, 5):
        with pytest.raises(ValueError, match="views"):
            RelaxedMultiSimilarityLoss()(target, source, views=views)
