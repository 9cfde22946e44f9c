import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmlnb.pooling.gates import MAX_STEPS, gates_of_mass
from dmlnb.pooling.transport import CALM, kernel_and_scores, partial_transport, token_scores


def random_cost(*shape, seed=0, dtype=torch.float64):
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def fixed_point(cost, mass, sharpness, steps):
    """The published iteration, on t = exp(tau), one image, in loops: (plan (m, n), residual (n,))."""
    m, n = len(cost), len(cost[0])
    kernel = [[math.exp(-sharpness * cost[i][j]) for j in range(n)] for i in range(m)]
    column = [sum(kernel[i][j] for i in range(m)) for j in range(n)]
    t = 1.0
    for _ in range(steps):
        token = [(1 / n) / (1 + t * column[j]) for j in range(n)]
        last, t = t, mass / sum(column[j] * token[j] for j in range(n))
    token = [(1 / n) / (1 + last * column[j]) for j in range(n)]
    return [[t * kernel[i][j] * token[j] for j in range(n)] for i in range(m)], token


def log_fixed_point(cost, mass, sharpness, steps):
    """The same iteration on tau, batched, differentiable step by step: (plan (B, m, n), weights (B, n))."""
    n = cost.shape[2]
    scores = torch.logsumexp(-sharpness * cost, dim=1)
    mass = torch.as_tensor(mass, dtype=cost.dtype)
    tau = torch.zeros(len(cost), 1, dtype=cost.dtype)
    for _ in range(steps):
        load = torch.logsumexp(torch.nn.functional.logsigmoid(tau + scores) - tau, dim=1, keepdim=True)
        tau = torch.log(mass) + math.log(n) - load
    gates = torch.sigmoid(tau + scores)
    return torch.softmax(-sharpness * cost, dim=1) * gates[:, None] / n, gates / (n * mass)


# ---------------------------------------------------------------- against other solvers


@pytest.mark.parametrize("mass, steps", [(0.1, 100), (0.3, 200), (0.5, 500), (0.9, 3000)])
@pytest.mark.parametrize("sharpness", [0.5, 5.0, 10.0])
def test_equals_the_published_iteration(mass, steps, sharpness):
    cost = random_cost(3, 4, 7)
    result = partial_transport(cost, mass, sharpness)
    for b in range(3):
        plan, residual = fixed_point(cost[b].tolist(), mass, sharpness, steps)
        np.testing.assert_allclose(result.plan[b].numpy(), plan, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(result.residual[b].numpy(), residual, rtol=1e-9, atol=1e-12)


def test_published_iteration_at_mass_1_has_not_arrived_after_100_steps_but_the_plan_has():
    cost = random_cost(1, 4, 7)
    _, residual = fixed_point(cost[0].tolist(), 1.0, 5.0, 100)
    assert sum(residual) > 5e-3
    assert partial_transport(cost, 1.0, 5.0).residual.abs().max() == 0


@pytest.mark.filterwarnings(
    "ignore:Values in x were outside bounds:RuntimeWarning"
)  # SciPy 1.11 steps out and back
@pytest.mark.parametrize("mass", [0.2, 0.3, 0.65])
def test_minimises_the_entropic_objective(mass):
    from scipy.optimize import minimize

    m, n, sharpness = 3, 5, 4.0
    cost = random_cost(1, m, n)
    ours = partial_transport(cost, mass, sharpness).plan[0].numpy()
    c = cost[0].numpy()
    budget = np.zeros((n + 1, (m + 1) * n))  # over the plan's rows and, last, the residual
    budget[:n] = np.tile(np.eye(n), (1, m + 1))  # each token: shipped + residual = 1/n
    budget[n, : m * n] = 1  # shipped in all = mass
    amounts = np.append(np.full(n, 1 / n), mass)
    prices = np.append(c.ravel(), np.zeros(n))
    found = minimize(
        lambda p: prices @ p + (p @ np.log(p)) / sharpness,
        np.append(np.full(m * n, mass / (m * n)), np.full(n, (1 - mass) / n)),
        jac=lambda p: prices + (np.log(p) + 1) / sharpness,
        bounds=[(1e-9, 1)] * len(prices),
        constraints={"type": "eq", "fun": lambda p: budget @ p - amounts, "jac": lambda p: budget},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 2000},
    )
    np.testing.assert_allclose(found.x[: m * n].reshape(m, n), ours, atol=1e-6)


@pytest.mark.parametrize("mass", [0.25, 0.3, 0.5, 0.83])
def test_sharpness_to_infinity_is_the_linear_programme(mass):
    from scipy.optimize import linprog

    m, n = 3, 10
    cost = random_cost(1, m, n, seed=3)
    plan = partial_transport(cost, mass, 1e5).plan[0].numpy()
    tokens = np.tile(np.eye(n), (1, m))  # sums plan[i, j] over i, for each token
    lp = linprog(
        cost[0].numpy().ravel(),
        A_ub=tokens,
        b_ub=np.full(n, 1 / n),
        A_eq=np.ones((1, m * n)),
        b_eq=[mass],
        method="highs",
    )
    np.testing.assert_allclose(plan, lp.x.reshape(m, n), atol=1e-9)


def test_equals_entropic_transport_of_python_optimal_transport():
    # POT fixes both marginals. Our prototypes take what comes, so together they are one sink of mass `mass`,
    # and a second sink keeps the rest. Token j then has two arcs, of costs -s_j / gamma and 0.
    ot = pytest.importorskip("ot")
    m, n, mass, sharpness = 4, 9, 0.3, 5.0
    cost = random_cost(1, m, n, seed=5)
    scores = token_scores(cost, sharpness)[0]
    arcs = torch.stack([-scores / sharpness, torch.zeros(n, dtype=torch.float64)], dim=1)  # (n, 2)
    coupling = ot.sinkhorn(
        torch.full((n,), 1 / n, dtype=torch.float64),
        torch.tensor([mass, 1 - mass], dtype=torch.float64),
        arcs,
        reg=1 / sharpness,
        method="sinkhorn_log",
        stopThr=1e-14,
        numItermax=10000,
    )
    result = partial_transport(cost, mass, sharpness)
    torch.testing.assert_close(result.gates[0] / n, coupling[:, 0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(result.residual[0], coupling[:, 1], rtol=1e-9, atol=1e-12)


def test_equals_exact_partial_wasserstein_of_python_optimal_transport_when_sharp():
    # A prototype can take everything here, as it can in ours: capacity 1 for each of the m prototypes.
    ot = pytest.importorskip("ot")
    m, n, mass = 3, 8, 0.3
    cost = random_cost(1, m, n, seed=7)
    exact = ot.partial.partial_wasserstein(np.ones(m), np.full(n, 1 / n), cost[0].numpy(), m=mass)
    np.testing.assert_allclose(partial_transport(cost, mass, 1e5).plan[0].numpy(), exact, atol=1e-9)


# ---------------------------------------------------------------- closed forms and limits


def test_two_tokens_one_prototype_by_hand():
    # mean(sigmoid(tau + s)) = 1/2 for two tokens means tau + s_1 = -(tau + s_2)
    cost = torch.tensor([[[0.2, 1.0]]], dtype=torch.float64)
    result = partial_transport(cost, 0.5, 5.0)
    gate = 1 / (1 + math.exp(-2.0))  # half the score difference: 5 * 0.8 / 2
    torch.testing.assert_close(result.gates, torch.tensor([[gate, 1 - gate]], dtype=torch.float64))
    torch.testing.assert_close(result.log_multiplier, torch.tensor([3.0], dtype=torch.float64))


@pytest.mark.parametrize("sharpness", [0.0, 5.0, 1000.0])
def test_mass_1_is_average_pooling(sharpness):
    cost = random_cost(2, 3, 7, dtype=torch.float32)
    result = partial_transport(cost, 1.0, sharpness)
    assert torch.equal(result.weights, torch.full((2, 7), 1 / 7))
    assert torch.equal(result.gates, torch.ones(2, 7)) and torch.equal(result.residual, torch.zeros(2, 7))
    torch.testing.assert_close(result.plan, torch.softmax(-sharpness * cost, 1) / 7)
    assert result.log_multiplier.isinf().all()


@pytest.mark.parametrize("mass", [0.01, 0.3, 0.99])
def test_sharpness_0_is_average_pooling(mass):
    result = partial_transport(random_cost(2, 3, 7), mass, 0)
    torch.testing.assert_close(result.weights, torch.full((2, 7), 1 / 7, dtype=torch.float64))


def test_equal_scores_are_average_pooling():
    cost = random_cost(2, 3, 1).expand(2, 3, 6)
    result = partial_transport(cost, 0.3, 20.0)
    torch.testing.assert_close(result.weights, torch.full((2, 6), 1 / 6, dtype=torch.float64))


@pytest.mark.parametrize("mass", [1e-9, 1e-30])
def test_mass_to_0_is_softmax_attention(mass):
    cost = random_cost(2, 3, 7)
    expected = torch.softmax(token_scores(cost, 5.0), dim=1)
    torch.testing.assert_close(partial_transport(cost, mass, 5.0).weights, expected)
    torch.testing.assert_close(partial_transport(cost.float(), mass, 5.0).weights, expected.float())


def test_mass_near_1_keeps_the_digits_of_the_residual():
    cost = random_cost(2, 3, 7)
    left = 2.0**-40  # 1 - mass, exact in floating point
    scores = token_scores(cost, 5.0)
    _, tau, _ = gates_of_mass(scores, 1 - left)
    rest = torch.sigmoid(-tau[:, None] - scores)  # 1 - gates
    torch.testing.assert_close(rest, 7 * left * torch.softmax(-scores, 1), rtol=1e-5, atol=0)


# ---------------------------------------------------------------- invariants


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    n=st.integers(1, 40),
    m=st.integers(1, 5),
    mass=st.one_of(st.floats(1e-12, 1.0), st.integers(1, 20).map(lambda k: k / 20)),
    sharpness=st.sampled_from([0.0, 0.1, 1.0, 5.0, 50.0, 1000.0]),
    levels=st.integers(1, 50),
    size=st.sampled_from([1e-4, 1.0, 1e4]),
    seed=st.integers(0, 10**6),
)
def test_marginals_hold_everywhere(n, m, mass, sharpness, levels, size, seed):
    g = torch.Generator().manual_seed(seed)
    cost = size * torch.randint(0, levels, (3, m, n), generator=g).double() / levels  # with ties
    result = partial_transport(cost, mass, sharpness)
    one = torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(result.plan.sum((1, 2)), mass * one, rtol=1e-11, atol=0)
    torch.testing.assert_close(result.residual + result.plan.sum(1), one[:, None].expand(3, n) / n)
    torch.testing.assert_close(result.weights.sum(1), one)
    torch.testing.assert_close(result.assignment.sum(1), one[:, None].expand(3, n))
    torch.testing.assert_close(result.plan, result.assignment * result.gates[:, None] / n)
    assert result.residual.min() >= 0 and result.plan.min() >= 0
    assert result.weights.max() <= (1 + 1e-12) / (n * mass)
    order = token_scores(cost, sharpness).argsort(dim=1)  # nearer tokens have larger gates
    assert (result.gates.gather(1, order).diff(dim=1) >= -1e-12).all()
    assert result.iterations <= 20 < MAX_STEPS


def test_few_steps_at_the_defaults():
    points = torch.randn(16, 49 + 64, 128, generator=torch.Generator().manual_seed(0))
    points = torch.nn.functional.normalize(points, dim=2)
    cost = torch.cdist(points[:, 49:], points[:, :49])
    assert partial_transport(cost, 0.3, 5.0).iterations <= 4
    assert partial_transport(random_cost(64, 64, 49), 0.3, 5.0).iterations <= 6


def test_permuting_tokens_permutes_the_plan_and_images_do_not_meet():
    cost = random_cost(3, 4, 7)
    order = torch.randperm(7)
    result, permuted = partial_transport(cost, 0.3, 5.0), partial_transport(cost[:, :, order], 0.3, 5.0)
    torch.testing.assert_close(permuted.plan, result.plan[:, :, order])
    torch.testing.assert_close(permuted.weights, result.weights[:, order])
    torch.testing.assert_close(partial_transport(cost[1:2], 0.3, 5.0).plan, result.plan[1:2])


def test_permuting_prototypes_and_adding_a_constant_change_no_weight():
    cost = random_cost(3, 4, 7)
    weights = partial_transport(cost, 0.3, 5.0).weights
    torch.testing.assert_close(partial_transport(cost[:, [2, 0, 3, 1]], 0.3, 5.0).weights, weights)
    torch.testing.assert_close(partial_transport(cost + 1.5, 0.3, 5.0).weights, weights)


def test_an_infinite_cost_forbids_a_pair():
    cost = random_cost(1, 2, 5)
    cost[0, 0, 3] = math.inf
    cost.requires_grad_()
    result = partial_transport(cost, 0.3, 5.0)
    assert result.plan[0, 0, 3] == 0
    result.plan.square().sum().backward()
    assert cost.grad.isfinite().all() and cost.grad[0, 0, 3] == 0


@pytest.mark.parametrize("offset", [0.95 * CALM, 1.05 * CALM, -0.9 * CALM, -1.2 * CALM])
def test_scores_that_need_a_shift_and_those_that_do_not(offset):
    cost = random_cost(4, 5, 30, dtype=torch.float32)
    cost = (offset + cost - cost.mean()).requires_grad_()
    scores = token_scores(cost.detach(), 1.0)
    assert (scores.abs().amax() < CALM) == (abs(offset) < CALM)
    found = partial_transport(cost, 0.4, 1.0)
    wide_cost = cost.detach().double().requires_grad_()
    exact = partial_transport(wide_cost, 0.4, 1.0)
    log_softmax = torch.log_softmax(-wide_cost, dim=1)
    assert torch.allclose(exact.assignment, log_softmax.exp(), atol=1e-14)
    for name in ("weights", "assignment", "plan"):
        assert torch.allclose(getattr(found, name).double(), getattr(exact, name), rtol=2e-5, atol=1e-7), name
    upstream = torch.randn(4, 5, 30)
    (of_cost,) = torch.autograd.grad(found.plan, cost, upstream)
    (expected,) = torch.autograd.grad(exact.plan, wide_cost, upstream.double())
    assert torch.allclose(of_cost.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("part", range(3))
def test_gradcheck_of_kernel_totals_and_scores(part):
    cost = random_cost(2, 3, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda c: kernel_and_scores(c, 2.0)[part], (cost,))


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_gradients_of_kernel_totals_and_scores_together_are_those_of_autograd(offset):
    cost = (random_cost(2, 3, 5) + offset).requires_grad_()
    relative = lambda c: c - c.detach().amin(dim=1, keepdim=True) if offset else c  # what the kernel is of
    upstream = [torch.randn(2, 3, 5).double(), torch.randn(2, 5).double(), torch.randn(2, 5).double()]
    for used in [(0,), (1,), (2,), (0, 1), (0, 2), (0, 1, 2)]:
        kernel = torch.exp(-2.0 * relative(cost))
        slow = kernel, kernel.sum(dim=1), torch.logsumexp(-2.0 * cost, dim=1)
        found = kernel_and_scores(cost, 2.0)
        results = [
            torch.autograd.grad([all_[i] for i in used], cost, [upstream[i] for i in used])[0]
            for all_ in (slow, found)
        ]
        assert torch.allclose(*results, rtol=1e-12, atol=1e-14), used


def test_one_mass_for_each_image():
    cost = random_cost(4, 3, 7)
    masses = [0.1, 0.5, 0.9, 1.0]
    together = partial_transport(cost, torch.tensor(masses, dtype=torch.float64), 5.0)
    for b, mass in enumerate(masses):
        torch.testing.assert_close(together.plan[b], partial_transport(cost[b : b + 1], mass, 5.0).plan[0])


# ---------------------------------------------------------------- gradients


def outputs(cost, mass, sharpness):
    result = partial_transport(cost, mass, sharpness)
    return result.gates, result.assignment, result.plan, result.residual, result.weights


@pytest.mark.parametrize("mass", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("sharpness", [0.1, 5.0, 20.0])
def test_gradcheck_for_cost_and_mass(mass, sharpness):
    cost = random_cost(2, 3, 5).requires_grad_()
    one = torch.tensor(mass, dtype=torch.float64, requires_grad=True)
    each = torch.tensor([mass, 0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c, q: outputs(c, q, sharpness), (cost, one))
    assert torch.autograd.gradcheck(lambda c, q: outputs(c, q, sharpness), (cost, each))


def test_gradcheck_for_cost_at_mass_1():
    cost = random_cost(2, 3, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda c: outputs(c, 1.0, 5.0), (cost,))


def test_gradient_for_mass_at_1_is_the_limit_from_below():
    cost = random_cost(2, 3, 5)
    grads = []
    for mass in (1.0, 1 - 1e-7):
        mass = torch.tensor(mass, dtype=torch.float64, requires_grad=True)
        (partial_transport(cost, mass, 5.0).gates[:, 0].sum()).backward()
        grads.append(mass.grad)
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-5, atol=0)


@pytest.mark.parametrize("mass, steps", [(0.1, 100), (0.3, 100), (0.5, 200)])
def test_gradient_equals_autograd_through_the_unrolled_iteration(mass, steps):
    cost = random_cost(2, 4, 9, seed=1).requires_grad_()
    gen = torch.Generator().manual_seed(2)
    for_plan = torch.randn(2, 4, 9, generator=gen, dtype=torch.float64)
    for_weights = torch.randn(2, 9, generator=gen, dtype=torch.float64)
    grads = []
    for exact in (True, False):
        q = torch.tensor(mass, dtype=torch.float64, requires_grad=True)
        if exact:
            result = partial_transport(cost, q, 5.0)
            plan, weights = result.plan, result.weights
        else:
            plan, weights = log_fixed_point(cost, q, 5.0, steps)
        grads.append(torch.autograd.grad((for_plan * plan).sum() + (for_weights * weights).sum(), (cost, q)))
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-9, atol=1e-12)


def test_gradient_equals_the_published_formula():
    cost, mass, sharpness, n = random_cost(2, 4, 9, seed=1).requires_grad_(), 0.3, 5.0, 9
    gen = torch.Generator().manual_seed(2)
    dplan, dresidual = torch.randn(2, 4, 9, generator=gen).double(), torch.randn(2, 9, generator=gen).double()
    result = partial_transport(cost, mass, sharpness)
    (grad,) = torch.autograd.grad((dplan * result.plan).sum() + (dresidual * result.residual).sum(), cost)
    plan, residual = result.plan.detach(), result.residual.detach()
    q = residual * dresidual + (plan * dplan).sum(1)
    eta = n * (q * residual).sum(1) - (residual * dresidual).sum(1)
    eta = eta / (1 - mass - n * residual.square().sum(1))
    expected = -sharpness * (plan * dplan - n * (q + eta[:, None] * residual)[:, None] * plan)
    torch.testing.assert_close(grad, expected, rtol=1e-10, atol=1e-13)


def test_gate_gradients_sum_to_0_and_the_mass_gradient_to_n():
    scores = token_scores(random_cost(1, 3, 6), 5.0).requires_grad_()
    mass = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    jacobian = torch.autograd.functional.jacobian(lambda s, q: gates_of_mass(s, q)[0][0], (scores, mass))
    torch.testing.assert_close(jacobian[0].sum(0), torch.zeros(1, 6, dtype=torch.float64))
    torch.testing.assert_close(jacobian[1].sum(), torch.tensor(6.0, dtype=torch.float64))


def test_saturated_gates_have_no_gradient_and_no_nan():
    cost = torch.tensor([[[0.0, 0.0, 0.0, 2.0, 2.0, 2.0]]], requires_grad=True)
    mass = torch.tensor(0.5, requires_grad=True)
    result = partial_transport(cost, mass, 1000.0)  # v underflows in all tokens
    assert torch.equal(result.gates, torch.tensor([[1.0, 1, 1, 0, 0, 0]]))
    (result.weights * torch.randn(1, 6)).sum().backward()
    assert torch.equal(cost.grad, torch.zeros_like(cost)) and mass.grad.isfinite()


def test_a_second_derivative_is_refused():
    cost = random_cost(1, 3, 5).requires_grad_()
    (grad,) = torch.autograd.grad(partial_transport(cost, 0.3, 5.0).weights[0, 0], cost, create_graph=True)
    with pytest.raises(RuntimeError, match="second derivatives are not available"):
        grad.sum().backward()
    mass = torch.tensor(0.3, requires_grad=True)
    gate = partial_transport(cost.detach(), mass, 5.0).gates[0, 0]
    (grad,) = torch.autograd.grad(gate, mass, create_graph=True)
    with pytest.raises(RuntimeError, match="second derivatives are not available"):
        grad.backward()


# ---------------------------------------------------------------- extremes


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("sharpness", [0.0, 5.0, 1000.0])
@pytest.mark.parametrize("mass", [1e-6, 0.3, 0.999, 1.0])
@pytest.mark.parametrize(
    "cost",
    [
        torch.zeros(1, 1, 1),
        torch.zeros(2, 3, 5),
        torch.full((2, 3, 5), 1.7),
        torch.full((2, 3, 5), 1e4),
        1e4 * torch.rand(2, 3, 50, generator=torch.Generator().manual_seed(0)),
        -1e4 * torch.rand(2, 3, 50, generator=torch.Generator().manual_seed(1)),
        1e-7 * torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(2)),
        torch.tensor([[[0.0, 1e4, 1e4, 1e4]]]),
    ],
    ids=["one", "zeros", "equal", "equal-huge", "huge", "negative", "tiny", "one-near"],
)
def test_extremes_stay_finite_with_right_marginals(cost, mass, sharpness, dtype):
    cost = cost.to(dtype, copy=True).requires_grad_()
    result = partial_transport(cost, mass, sharpness)
    assert result.weights.dtype == result.plan.dtype == (dtype if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(result.weights.sum(1), torch.ones_like(result.weights[:, 0]))
    torch.testing.assert_close(result.plan.sum((1, 2)) / mass, torch.ones_like(result.weights[:, 0]))
    (result.plan.square().sum() + result.weights.square().sum()).backward()
    assert cost.grad.dtype == dtype and cost.grad.isfinite().all()


@pytest.mark.parametrize("sharpness, tolerance", [(5.0, 1e-5), (1000.0, 1e-3)])
def test_float32_is_close_to_float64(sharpness, tolerance):
    cost = random_cost(8, 16, 49, dtype=torch.float32)
    low, high = partial_transport(cost, 0.3, sharpness), partial_transport(cost.double(), 0.3, sharpness)
    torch.testing.assert_close(low.gates.double(), high.gates, rtol=0, atol=tolerance)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "cost", [torch.zeros(3, 4), torch.zeros(0, 3, 4), torch.zeros(2, 0, 4), torch.zeros(2, 3, 4).long()]
)
def test_wrong_costs_are_refused(cost):
    with pytest.raises(
        ValueError, match=r"cost: expected (floating point of shape \(B, m, n\)|a floating-point tensor)"
    ):
        partial_transport(cost, 0.3, 5.0)


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_nan_in_the_costs_is_refused(bad):
    cost = torch.zeros(2, 3, 4)
    cost[1, 2, 3] = bad
    with pytest.raises(ValueError, match="cost: expected finite numbers"):
        partial_transport(cost, 0.3, 5.0)


@pytest.mark.parametrize("mass", [0.0, -0.1, 1.01, math.nan, torch.tensor([0.3, 1.2]), torch.tensor(0.0)])
def test_a_mass_outside_0_1_is_refused(mass):
    with pytest.raises(ValueError, match=r"mass: expected a share in \(0, 1\]"):
        partial_transport(torch.zeros(2, 3, 4), mass, 5.0)


def test_a_mass_of_wrong_shape_or_type_is_refused():
    with pytest.raises(ValueError, match=r"mass: expected floating point of shape \(\) or \(2,\)"):
        partial_transport(torch.zeros(2, 3, 4), torch.full((3,), 0.5), 5.0)
    with pytest.raises(ValueError, match="mass: expected floating point"):
        partial_transport(torch.zeros(2, 3, 4), torch.tensor(1), 5.0)
    with pytest.raises(TypeError, match="mass: expected a number"):
        partial_transport(torch.zeros(2, 3, 4), "0.3", 5.0)


@pytest.mark.parametrize("sharpness", [-1.0, math.nan, math.inf])
def test_a_wrong_sharpness_is_refused(sharpness):
    with pytest.raises(ValueError, match="sharpness: expected a finite number >= 0"):
        partial_transport(torch.zeros(2, 3, 4), 0.3, sharpness)
    with pytest.raises(TypeError, match="sharpness"):
        partial_transport(torch.zeros(2, 3, 4), 0.3, None)
