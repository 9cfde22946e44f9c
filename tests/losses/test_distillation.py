import math

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from dmlnb.distill import hinton_kd, template_kl

B, K, H, W = 2, 4, 2, 3


@pytest.fixture
def case():
    scores = torch.randn(B, K, H, W, dtype=torch.float64)
    return scores, torch.softmax(torch.randn(B, K, H, W, dtype=torch.float64), dim=1)


def test_template_kl_against_a_loop(case):
    scores, targets = case
    targets = targets.clone()
    targets[0, 0], targets[0, 1] = 0.0, targets[0, 0] + targets[0, 1]  # 0 log 0 = 0
    total = 0.0
    for b in range(B):
        for i in range(H):
            for j in range(W):
                norm = sum(math.exp(v) for v in scores[b, :, i, j])
                for k in range(K):
                    p, q = targets[b, k, i, j].item(), math.exp(scores[b, k, i, j]) / norm
                    total += p * (math.log(p) - math.log(q)) if p > 0 else 0.0
    assert template_kl(scores, targets).item() == pytest.approx(total / (B * H * W))


def test_gradient_is_the_difference_of_the_distributions(case):
    scores, targets = case
    scores.requires_grad_()
    template_kl(scores, targets).backward()
    assert torch.allclose(scores.grad, (scores.softmax(dim=1) - targets) / (B * H * W), atol=1e-14)
    assert torch.autograd.gradcheck(
        lambda s: template_kl(s, targets[:1]), (scores.detach()[:1].requires_grad_(),)
    )


def test_zero_where_belief_equals_target_and_cross_entropy_for_one_hot_targets(case):
    scores, _ = case
    assert template_kl(scores, scores.softmax(dim=1)).abs() < 1e-12
    labels = torch.randint(0, K, (B, H, W))
    hard = one_hot(labels, K).permute(0, 3, 1, 2).double()
    assert torch.allclose(template_kl(scores, hard), cross_entropy(scores, labels))


def test_targets_get_no_gradient(case):
    scores, targets = case
    source = targets.clone().requires_grad_()
    template_kl(scores.requires_grad_(), source).backward()
    assert source.grad is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "scores", [torch.zeros(1, K, 1, 1), 1e4 * torch.randn(2, K, 3, 1), torch.ones(2, K, 1, 1)]
)
def test_extremes_stay_finite(dtype, scores):
    scores = scores.detach().to(dtype).requires_grad_()
    targets = (
        one_hot(torch.zeros(len(scores), *scores.shape[2:], dtype=torch.int64), K)
        .permute(0, 3, 1, 2)
        .to(dtype)
    )
    value = template_kl(scores, targets)
    value.backward()
    assert value.dtype == torch.float32 and value >= 0 and torch.isfinite(scores.grad).all()


@pytest.mark.parametrize(
    "scores, targets, words",
    [
        (torch.zeros(B, K, H), torch.zeros(B, K, H), "one shape"),
        (torch.zeros(B, K, H, W), torch.zeros(B, K, W, H), "one shape"),
        (torch.zeros(0, K, H, W), torch.zeros(0, K, H, W), "one shape"),
        (torch.full((B, K, H, W), torch.nan), torch.full((B, K, H, W), 1 / K), "scores: expected finite"),
        (torch.zeros(B, K, H, W), torch.full((B, K, H, W), torch.nan), "targets: expected distributions"),
        (torch.zeros(B, K, H, W), torch.zeros(B, K, H, W), "targets: expected distributions"),
        (
            torch.zeros(B, 2, H, W),
            torch.tensor([2.0, -1.0])[:, None, None].expand(B, 2, H, W),
            "distributions",
        ),
    ],
)
def test_bad_inputs(scores, targets, words):
    with pytest.raises(ValueError, match=words):
        template_kl(scores, targets)


def test_hinton_kd_against_a_loop():
    student, teacher = torch.randn(2, 3, 5, dtype=torch.float64)
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        p = [math.exp(v / 2) / sum(math.exp(w / 2) for w in t) for v in t]
        q = [math.exp(v / 2) / sum(math.exp(w / 2) for w in s) for v in s]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert hinton_kd(student, teacher, temperature=2.0).item() == pytest.approx(4 * total / 3)


def test_hinton_kd_has_no_gradient_for_the_teacher_and_vanishes_at_equality():
    student, teacher = torch.randn(3, 5, requires_grad=True), torch.randn(3, 5, requires_grad=True)
    hinton_kd(student, teacher).backward()
    assert student.grad is not None and teacher.grad is None
    assert hinton_kd(teacher, teacher).abs() < 1e-5
    assert torch.isfinite(hinton_kd(1e4 * student, -1e4 * teacher))


@pytest.mark.parametrize(
    "student, teacher, temperature, words",
    [
        (torch.zeros(2, 3), torch.zeros(2, 4), 4.0, "teacher_logits"),
        (torch.zeros(2, 3), torch.full((2, 3), torch.nan), 4.0, "teacher_logits"),
        (torch.zeros(2, 3), torch.zeros(2, 3), 0.0, "temperature"),
    ],
)
def test_hinton_kd_bad_inputs(student, teacher, temperature, words):
    with pytest.raises(ValueError, match=words):
        hinton_kd(student, teacher, temperature)
