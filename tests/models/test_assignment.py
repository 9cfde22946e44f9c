import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from dmlnb.models import entropy_assignment, hard_assignment, quadratic_assignment

METHODS = [hard_assignment, entropy_assignment, quadratic_assignment]


def by_solver(scores, gamma, threshold):
    """The quadratic problem, by a general solver: (K,) each -> shares of the templates, and of no match."""
    k = len(scores)
    reward = np.append(scores - threshold, 0.0)
    answer = minimize(
        lambda p: -(reward @ p) + (p[:k] ** 2 / (2 * gamma)).sum(),
        np.full(k + 1, 1 / (k + 1)),
        jac=lambda p: -reward + np.append(p[:k] / gamma, 0.0),
        bounds=[(0, 1)] * (k + 1),
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1, "jac": lambda p: np.ones(k + 1)},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert answer.success, answer.message
    return answer.x


@pytest.mark.parametrize("size", [0.05, 0.3, 2.0], ids=["room for no match", "between", "saturated"])
def test_quadratic_form_agrees_with_a_solver(size):
    seen = set()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        k = int(rng.integers(1, 12))
        scores, gamma, threshold = (
            rng.normal(size=k),
            size * rng.uniform(0.2, 1.5, size=k),
            rng.normal(size=k),
        )
        found = quadratic_assignment(*map(torch.from_numpy, (scores, gamma, threshold)))
        solver = by_solver(scores, gamma, threshold)
        assert np.allclose(np.append(found.weights, found.unmatched), solver, atol=2e-6)
        seen.add(bool(found.unmatched > 0))
    assert size != 0.3 or seen == {True, False}  # both cases have been met


def test_with_room_for_no_match_it_is_batch_normalisation_and_relu():
    norm = torch.nn.BatchNorm2d(6).double().train()
    norm.weight.data.uniform_(0.01, 0.1)
    norm.bias.data.normal_(std=0.02)
    raw = torch.randn(4, 6, 5, 5, dtype=torch.float64) * 3 + 1
    block = torch.relu(norm(raw))
    standardised = (raw - raw.mean(dim=(0, 2, 3), keepdim=True)) / (
        raw.var(dim=(0, 2, 3), unbiased=False, keepdim=True) + norm.eps
    ).sqrt()
    found = quadratic_assignment(standardised, norm.weight, -norm.bias / norm.weight, dim=1)
    assert (found.unmatched > 0).all()
    assert torch.allclose(found.weights, block, atol=1e-14)
    assert torch.allclose(found.unmatched, 1 - block.sum(dim=1))


def test_quadratic_form_satisfies_its_optimality_conditions():
    a, gamma, mu = torch.randn(200, 9).double(), torch.rand(9).double() + 0.01, torch.randn(9).double()
    p, q = quadratic_assignment(a, gamma, mu)
    shift = a - mu - p / gamma  # equals lambda wherever p > 0, is at most lambda elsewhere
    lam = torch.where(p > 0, shift, -torch.inf).amax(dim=1).clamp(min=0)  # (200,)
    assert torch.allclose(p, gamma * torch.relu(a - mu - lam[:, None]), atol=1e-12)
    assert (lam * q).abs().max() < 1e-12  # either there is room, or the threshold is not raised
    assert (lam > 0).any() and (q > 0).any()


def test_hard_assignment_is_the_best_corner():
    for seed in range(50):
        torch.manual_seed(seed)
        scores, no_match = torch.randn(5), torch.randn(()).item()
        corners = torch.eye(6)
        reward = corners @ torch.cat([scores, torch.tensor([no_match])])
        found = hard_assignment(scores, no_match)
        assert torch.equal(torch.cat([found.weights, found.unmatched[None]]), corners[reward.argmax()])


def test_entropy_assignment_is_the_maximum_and_its_value_is_a_log_sum_exp():
    a, mu, eps = torch.randn(6).double(), 0.4, 2.5

    def objective(p, q):  # (..., K), (...)
        return q * mu + (p * a).sum(-1) - (torch.xlogy(q, q) + torch.xlogy(p, p).sum(-1)) / eps

    best = entropy_assignment(a, mu, sharpness=eps)
    value = objective(*best)
    everything = torch.cat([torch.tensor([mu], dtype=torch.float64), a])
    assert value.item() == pytest.approx(torch.logsumexp(eps * everything, 0).item() / eps, abs=1e-12)
    rivals = torch.distributions.Dirichlet(torch.ones(7).double()).sample((400,))
    for mix in (1.0, 0.05):
        p = mix * rivals[:, 1:] + (1 - mix) * best.weights
        q = mix * rivals[:, 0] + (1 - mix) * best.unmatched
        assert (objective(p, q) < value).all()


def test_sharp_entropy_assignment_is_hard():
    scores = torch.tensor([[0.1, 0.9, 0.3], [-0.5, -0.2, -0.9]]).double()
    sharp, hard = entropy_assignment(scores, sharpness=200.0), hard_assignment(scores)
    assert torch.allclose(sharp.weights, hard.weights, atol=1e-9)
    assert hard.weights.tolist() == [[0, 1, 0], [0, 0, 0]] and hard.unmatched.tolist() == [0, 1]


def test_closed_form_cases():
    p, q = quadratic_assignment(torch.tensor([1.0, -1.0]), gamma=0.5)
    assert p.tolist() == [0.5, 0.0] and q == 0.5
    p, q = quadratic_assignment(torch.tensor([5.0]), gamma=3.0)
    assert torch.allclose(p, torch.tensor([1.0])) and q == 0
    p, q = quadratic_assignment(torch.full((4,), 2.0), gamma=1.0)  # a tie, saturated
    assert torch.allclose(p, torch.full((4,), 0.25)) and q == pytest.approx(0, abs=1e-6)
    p, q = entropy_assignment(torch.zeros(3), no_match=0.0)
    assert torch.allclose(p, torch.full((3,), 0.25)) and q == 0.25


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape, dim", [((7,), 0), ((2, 7), 1), ((2, 7, 3, 4), 1), ((2, 3, 7), -1)])
def test_shares_are_a_distribution_on_any_axis(method, shape, dim):
    scores = torch.randn(shape, dtype=torch.float64)
    p, q = method(scores, dim=dim)
    assert p.shape == scores.shape and q.shape == p.sum(dim=dim).shape
    assert (p >= 0).all() and (q >= 0).all()
    assert torch.allclose(p.sum(dim=dim) + q, torch.ones_like(q))
    alone = method(scores.movedim(dim, -1).reshape(-1, 7))
    assert torch.allclose(p.movedim(dim, -1).reshape(-1, 7), alone.weights)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scores", [
    torch.zeros(3, 4), torch.full((2, 4), 1e4), torch.full((2, 4), -1e4), torch.full((2, 4), 1e-30),
    torch.tensor([[1e30, -1e30, 0.0]]), torch.randn(3, 1), torch.randn(5, 4).bfloat16(),
])  # fmt: skip
def test_extreme_scores(method, scores):
    p, q = method(scores, dim=1)
    assert p.dtype == scores.dtype and torch.isfinite(p).all() and torch.isfinite(q).all()
    assert torch.allclose((p.sum(dim=1) + q).float(), torch.ones(len(scores)), atol=0.02)


@pytest.mark.parametrize("large", [[1e8, 1.0, 0.0], [3e7, 3e7, 0.0], [1e30, -1e30, 5.0], [-1e30, -2.0, -1e8]])
def test_large_scores_keep_the_optimum(large):
    p, q = quadratic_assignment(torch.tensor(large))
    exact, rest = quadratic_assignment(torch.tensor(large).double())
    assert torch.allclose(p.double(), exact) and torch.allclose(q.double(), rest)
    best = torch.tensor(large).max()
    assert torch.allclose(p.sum(), (best > 0).float())  # all to the best, shared by equals; none below zero
    assert torch.equal(p > 0, (torch.tensor(large) == best) & (best > 0))


def test_an_infinite_sharpness_is_the_hard_choice_and_other_infinities_are_refused():
    scores = torch.tensor([[0.5, 2.0], [-1.0, -2.0]])
    hard, soft = hard_assignment(scores), entropy_assignment(scores, sharpness=math.inf)
    assert torch.equal(hard.weights, soft.weights) and torch.equal(hard.unmatched, soft.unmatched)
    with pytest.raises(ValueError, match="gamma: expected numbers > 0, finite"):
        quadratic_assignment(scores, math.inf)
    with pytest.raises(ValueError, match="threshold: expected finite"):
        quadratic_assignment(scores, 1.0, math.nan)


@pytest.mark.parametrize("method", [entropy_assignment, quadratic_assignment])
@pytest.mark.parametrize("size", [0.3, 4.0])
def test_gradients(method, size):
    scores = (size * torch.randn(5, 4, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: method(a), [scores])


def test_gradients_of_gamma_and_threshold():
    torch.manual_seed(3)
    a = torch.randn(6, 4, dtype=torch.float64)
    gamma = (0.1 + torch.rand(4, dtype=torch.float64)).requires_grad_()
    mu = torch.randn(4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda g, m: quadratic_assignment(a, g, m), [gamma, mu])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scores, words", [
    (torch.zeros(3, dtype=torch.int64), "scores: expected a floating-point"),
    ([0.0, 1.0], "scores: expected a floating-point tensor, got list"),
    (torch.zeros(3, 0), "at least one template"),
    (torch.tensor([0.0, float("nan")]), "finite"),
    (torch.tensor([float("inf")]), "finite"),
])  # fmt: skip
def test_bad_scores(method, scores, words):
    with pytest.raises(ValueError, match=words):
        method(scores)


def test_bad_parameters():
    with pytest.raises(ValueError, match="sharpness: expected a number > 0"):
        entropy_assignment(torch.zeros(2), sharpness=0.0)
    with pytest.raises(ValueError, match="gamma: expected numbers > 0"):
        quadratic_assignment(torch.zeros(2), gamma=torch.tensor([1.0, -1.0]))


def test_relu_with_the_best_threshold_points_along_the_softmax():
    """The table in notebook 05: how similar max(0, a - t) and a softmax with a no-match option are at best."""
    scores = torch.randn(400, 64, dtype=torch.float64)
    found = []
    for sharpness in (0.25, 1.0, 4.0):
        soft = entropy_assignment(scores, 1.0, sharpness=sharpness).weights
        cosine = [
            torch.nn.functional.cosine_similarity(torch.relu(scores - t), soft, dim=1).mean().item()
            for t in torch.arange(-4, 2.5, 0.1)
        ]
        found.append(max(cosine))
    assert found == pytest.approx([0.996, 0.956, 0.932], abs=0.012)


def test_scores_move_with_the_batch_order():
    scores = torch.randn(5, 3)
    order = torch.tensor([3, 0, 4, 2, 1])
    for method in METHODS:
        assert torch.equal(method(scores[order]).weights, method(scores).weights[order])
