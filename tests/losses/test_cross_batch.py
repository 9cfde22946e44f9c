import math

import pytest
import torch
from torch import nn

from dmlnb.losses import CrossBatchLoss, JointLoss, class_halves, cross_batch_loss, ridge_predictor
from dmlnb.losses.proxies import ProxyAnchorLoss

C, D, M = 6, 3, 5
LABELS = torch.tensor([4, 4, 1, 0, 0, 0, 3, 1])


def histograms(n, m=M, dtype=torch.float64):
    return torch.softmax(2 * torch.randn(n, m, dtype=dtype), dim=1)


# --- ridge ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, M, 40])
def test_ridge_minimises_its_objective(n):
    z, y = histograms(n), torch.randn(n, D, dtype=torch.float64)
    fit = ridge_predictor(z, y, 0.05)
    objective = lambda w: float((z @ w - y).square().sum() + 0.05 * w.square().sum())
    assert torch.allclose(z.T @ (z @ fit - y) + 0.05 * fit, torch.zeros(M, D).double(), atol=1e-12)
    for _ in range(20):
        assert objective(fit + 0.1 * torch.randn_like(fit)) > objective(fit)


@pytest.mark.parametrize("n", [1, 3, M, 40])
def test_both_systems_give_the_same_fit(n):
    z, y, eps = histograms(n), torch.randn(n, D, dtype=torch.float64), 0.05
    small = z.T @ torch.linalg.inv(z @ z.T + eps * torch.eye(n)) @ y
    large = torch.linalg.inv(z.T @ z + eps * torch.eye(M)) @ z.T @ y
    assert torch.allclose(ridge_predictor(z, y, eps), small, atol=1e-11)
    assert torch.allclose(ridge_predictor(z, y, eps), large, atol=1e-11)


def test_ridge_by_hand():
    fit = ridge_predictor(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[2.0], [4.0]]), 1.0)
    assert torch.allclose(
        fit, torch.tensor([[2.0], [0.0]])
    )  # (2 + 4) / (2 + 1), and a prototype that never occurs


def test_scaling_attributes_is_dividing_the_ridge():
    z, y, w = histograms(7), torch.randn(7, D).double(), histograms(4)
    scaled = (8 * w) @ ridge_predictor(8 * z, y, 0.05)
    assert torch.allclose(scaled, w @ ridge_predictor(z, y, 0.05 / 64), atol=1e-12)


def test_permutations_of_samples_and_prototypes():
    z, y = histograms(9), torch.randn(9, D).double()
    rows, columns = torch.randperm(9), torch.randperm(M)
    fit = ridge_predictor(z, y, 0.1)
    assert torch.allclose(ridge_predictor(z[rows], y[rows], 0.1), fit, atol=1e-12)
    assert torch.allclose(ridge_predictor(z[:, columns], y, 0.1), fit[columns], atol=1e-12)


@pytest.mark.parametrize("n", [3, 8])
def test_gradient_of_the_fit(n):
    z, y = histograms(n).requires_grad_(), torch.randn(n, D, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z, y: ridge_predictor(z, y, 0.05), (z, y))
    upstream = torch.randn(M, D, dtype=torch.float64)
    ridge_predictor(z, y, 0.05).backward(upstream)
    kernel = torch.linalg.inv(z @ z.T + 0.05 * torch.eye(n)).detach()  # the gradient in closed form
    s, t = kernel @ y.detach(), kernel @ z.detach() @ upstream
    assert torch.allclose(y.grad, t, atol=1e-12)
    assert torch.allclose(z.grad, s @ upstream.T - (t @ s.T + s @ t.T) @ z.detach(), atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("ridge", [1e-8, 0.05, 1e6])
def test_ridge_stays_finite(dtype, ridge):
    for n in (1, 4, 30):
        equal = torch.full((n, M), 1 / M)  # a system of rank one
        for z in (equal, torch.zeros(n, M), histograms(n), 100 * histograms(n)):
            fit = ridge_predictor(z.to(dtype), torch.ones(n, D, dtype=dtype), ridge)
            assert fit.dtype == torch.promote_types(dtype, torch.float32) and torch.isfinite(fit).all()


def test_ridge_names_bad_input():
    z, y = histograms(4), torch.randn(4, D).double()
    for bad in (z[0], z[:0], z * torch.nan, z.long()):
        with pytest.raises(ValueError, match="attributes"):
            ridge_predictor(bad, y, 0.1)
    for bad in (y[:3], y[:, 0], y * torch.inf):
        with pytest.raises(ValueError, match="targets"):
            ridge_predictor(z, bad, 0.1)
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="ridge"):
            ridge_predictor(z, y, bad)
    with pytest.raises(ValueError, match="ridge: expected more beside"):
        ridge_predictor(1e12 * torch.ones(4, M), y, 1e-3)


# --- halves --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 4, 7])
@pytest.mark.parametrize("arrangement", ["sorted", "interleaved", "random"])
def test_halves_share_no_class_and_hold_every_row(classes, arrangement):
    labels = torch.arange(classes).repeat_interleave(4)
    if arrangement == "interleaved":
        labels = torch.arange(classes).repeat(4)
    elif arrangement == "random":
        labels = torch.randint(classes, (40,)) * 1000
        labels[:2] = torch.tensor([0, 1000])
    first, second = class_halves(labels)
    assert set(labels[first].tolist()).isdisjoint(labels[second].tolist())
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(len(labels)))
    assert abs(len(labels[first].unique()) - len(labels[second].unique())) <= 1


def test_halves_go_by_first_appearance_not_by_the_number_of_the_class():
    first, second = class_halves(LABELS)
    assert LABELS[first].unique().tolist() == [0, 4] and LABELS[second].unique().tolist() == [1, 3]
    even, odd = class_halves(torch.tensor([7, 2, 5, 0] * 3))  # interleaved: even and odd rows
    assert even.tolist() == [0, 2, 4, 6, 8, 10] and odd.tolist() == [1, 3, 5, 7, 9, 11]


def test_one_class_cannot_be_halved():
    with pytest.raises(ValueError, match="at least two classes in the batch, got 1"):
        class_halves(torch.tensor([3, 3, 3]))
    with pytest.raises(ValueError, match="at least two classes in the batch, got 0"):
        class_halves(torch.tensor([], dtype=torch.int64))
    with pytest.raises(ValueError, match="labels"):
        class_halves(torch.tensor([0.0, 1.0]))
    with pytest.raises(ValueError, match="at least two classes"):
        CrossBatchLoss(C, D)(histograms(3), torch.tensor([1, 1, 1]))


# --- loss ----------------------------------------------------------------------------------------------------------


def loss_loop(z, y, codes, halves, ridge, scale):
    total, count = 0.0, 0
    for fitted, tested in (halves, halves[::-1]):
        fitted = fitted.tolist()
        gram = torch.zeros(len(fitted), len(fitted)).double()
        for a, i in enumerate(fitted):
            for b, j in enumerate(fitted):
                gram[a, b] = z[i] @ z[j] + ridge * (a == b)
        weights = torch.linalg.inv(gram)
        for t in tested.tolist():
            predicted = torch.zeros(codes.shape[1]).double()
            for a, i in enumerate(fitted):
                for b, j in enumerate(fitted):
                    predicted += (z[t] @ z[i]) * weights[a, b] * codes[y[j]]
            logits = [scale * float(code @ predicted) for code in codes]
            total -= logits[y[t]] - math.log(sum(math.exp(v) for v in logits))
            count += 1
    return total / count


@pytest.mark.parametrize("halves", [None, (torch.tensor([0, 2, 1]), torch.tensor([3, 6]))])
@pytest.mark.parametrize("m", [2, 12])
def test_loss_against_a_loop(halves, m):
    z, codes = histograms(8, m), torch.randn(C, D, dtype=torch.float64)
    found = cross_batch_loss(z, LABELS, codes, halves, ridge=0.3, scale=2.0)
    assert found.item() == pytest.approx(
        loss_loop(z, LABELS, codes, halves or class_halves(LABELS), 0.3, 2.0)
    )


def test_loss_by_hand():
    # one sample a half, z = 1, code 1 and -1: W of a half is its code / (1 + ridge), and so predicts the wrong class
    codes = torch.tensor([[1.0], [-1.0]]).double()
    value = cross_batch_loss(
        torch.ones(2, 1).double(), torch.tensor([0, 1]), codes, ridge=1.0, scale=1.0
    ).item()
    assert value == pytest.approx(math.log(1 + math.exp(1.0)))


def test_gradients_reach_attributes_and_codes():
    z = histograms(8).requires_grad_()
    codes = torch.randn(C, D, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda z, u: cross_batch_loss(z, LABELS, u, ridge=0.1, scale=3.0), (z, codes)
    )
    cross_batch_loss(z, LABELS, codes).backward()
    assert (z.grad.norm(dim=1) > 0).all() and (codes.grad.norm(dim=1) > 0).all()


def test_a_fit_sees_only_its_own_half():
    """The other half's attributes do not change what a half is predicted from: the loss of one half, taken apart."""
    loss = CrossBatchLoss(C, D).double()
    z, (first, second) = histograms(8), class_halves(LABELS)
    codes = loss.class_codes
    terms = []
    for fitted, tested in ((second, first), (first, second)):
        predicted = z[tested] @ ridge_predictor(z[fitted], codes[LABELS[fitted]], 0.05)
        terms.append(
            nn.functional.cross_entropy(9.5 * predicted @ codes.T, LABELS[tested]) * len(tested) / len(LABELS)
        )
    assert loss(z, LABELS).item() == pytest.approx(sum(terms).item())


def test_zero_attributes_give_log_of_the_classes_and_no_gradient():
    loss, z = CrossBatchLoss(C, D), torch.zeros(8, M, requires_grad=True)
    value = loss(z, LABELS)
    value.backward()
    assert value.item() == pytest.approx(math.log(C)) and not z.grad.any() and not loss.class_codes.grad.any()


def test_the_order_of_the_batch_does_not_matter_for_given_halves():
    loss, z = CrossBatchLoss(C, D).double(), histograms(8)
    first, second = class_halves(LABELS)
    order = torch.randperm(8)
    place = order.argsort()
    moved = loss(z[order], LABELS[order], (place[first], place[second]))
    assert moved.item() == pytest.approx(loss(z, LABELS).item())
    assert loss(z, LABELS, (second, first)).item() == pytest.approx(loss(z, LABELS).item())


def test_an_untrained_loss_starts_above_log_of_the_classes():
    torch.manual_seed(1)
    loss = CrossBatchLoss(100, 64)
    labels = torch.randperm(100)[:64]
    values = [loss(torch.softmax(torch.randn(64, 32), dim=1), labels).item() for _ in range(5)]
    assert min(values) > math.log(100)


def test_training_attributes_alone_lowers_the_loss_below_chance():
    """Attributes that are free can be arranged so that other classes explain a class."""
    labels = torch.arange(8).repeat_interleave(2)
    logits = torch.randn(16, 6, requires_grad=True)
    loss = CrossBatchLoss(8, 4)
    optimizer = torch.optim.Adam([logits, *loss.parameters()], lr=0.05)
    for _ in range(300):
        order = torch.randperm(16)
        value = loss(torch.softmax(logits[order], dim=1), labels[order])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert value.item() < 0.5 * math.log(8)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("attributes", [
    torch.full((8, M), 1 / M), torch.zeros(8, M), 100 * torch.ones(8, M), 100 * torch.eye(8),
])  # fmt: skip
def test_extremes_stay_finite(dtype, attributes):
    loss = CrossBatchLoss(C, D)
    z = attributes.to(dtype).requires_grad_()
    value = loss(z, LABELS)
    value.backward()
    assert value.dtype == torch.float32 and torch.isfinite(value)
    assert torch.isfinite(z.grad).all() and torch.isfinite(loss.class_codes.grad).all()


def test_dtypes_integer_labels_and_autocast():
    loss, z = CrossBatchLoss(C, D), histograms(8, dtype=torch.float32)
    value = loss(z, LABELS)
    for other in (torch.uint8, torch.int32):
        assert torch.equal(loss(z, LABELS.to(other)), value)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(z, LABELS), value)
    assert loss(z.double(), LABELS).item() == pytest.approx(value.item(), rel=1e-5)


def test_bad_input_is_named():
    loss, z = CrossBatchLoss(C, D), histograms(8)
    for bad in (z[0], z * torch.nan, z[:0]):
        with pytest.raises(ValueError, match="attributes"):
            loss(bad, LABELS)
    for bad in (LABELS + 3, LABELS - 1, LABELS[:3], LABELS.float()):
        with pytest.raises(ValueError, match="labels"):
            loss(z, bad)
    pair = lambda *rows: tuple(torch.tensor(r) for r in rows)
    for bad, message in (
        (pair([0, 1, 2], [3, 7]), r"no class in both, got \[1\]"),
        (pair([0, 8], [3]), "row numbers in 0 .. 7"),
        (pair([-1], [3]), "row numbers"),
        (pair([], [3]), "row numbers"),
        (pair([0.0], [3]), "row numbers"),
        (pair([True], [3]), "row numbers"),
        (pair([[0]], [3]), "row numbers"),
        (pair([0], [2], [3]), "a pair"),
    ):
        with pytest.raises(ValueError, match=message):
            loss(z, LABELS, bad)
    for sizes in ((0, D), (C, 0)):
        with pytest.raises(ValueError, match="(num_classes|dim): expected a whole number >= 1"):
            CrossBatchLoss(*sizes)
    for name in ("ridge", "scale"):
        with pytest.raises(ValueError, match=name):
            CrossBatchLoss(C, D, **{name: 0.0})
        with pytest.raises(ValueError, match=name):
            cross_batch_loss(z, LABELS, loss.class_codes, **{name: -1.0})
    with pytest.raises(ValueError, match="class_codes"):
        cross_batch_loss(z, LABELS, loss.class_codes[0])


def test_codes_start_with_the_released_spread():
    assert CrossBatchLoss(5000, 64).class_codes.std().item() == pytest.approx((2 / 5000) ** 0.5, rel=0.02)


# --- with a loss on embeddings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
def test_joint_loss_weighs_its_two_parts(weight):
    metric, auxiliary = ProxyAnchorLoss(C, 4), CrossBatchLoss(C, D)
    x, z = torch.randn(8, 4), histograms(8)
    joint = JointLoss(metric, auxiliary, weight)
    expected = (1 - weight) * metric(x, LABELS) + weight * auxiliary(z, LABELS)
    assert joint((x, z), LABELS).item() == pytest.approx(expected.item(), rel=1e-6)
    assert {id(p) for p in joint.parameters()} == {id(metric.proxies), id(auxiliary.class_codes)}


def test_joint_loss_takes_functions_and_checks_its_weight():
    joint = JointLoss(lambda x, y: x.sum(), lambda z, y: z.sum(), 0.5)
    assert joint((torch.ones(2, 2), torch.ones(2, 3)), LABELS[:2]).item() == 5.0
    for bad in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="weight"):
            JointLoss(lambda x, y: 0, lambda z, y: 0, bad)


def test_works_beside_pytorch_metric_learning():
    from pytorch_metric_learning import losses as pml

    joint = JointLoss(pml.ContrastiveLoss(), CrossBatchLoss(C, D))
    x, z = torch.randn(8, 4, requires_grad=True), histograms(8, dtype=torch.float32).requires_grad_()
    joint((x, z), LABELS).backward()
    assert x.grad.any() and z.grad.any()
