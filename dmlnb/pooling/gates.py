"""Sigmoid gates that are forced to a given mean, with the gradient of the exact solution.

One unknown number per image shifts all scores until the gates average to the wanted share. A few Newton steps
find it to rounding, for every share in (0, 1] and scores of any spread; its derivative is implicit.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from dmlnb._inputs import is_real, require_embeddings, traced, widest

CALM_STEPS = 6  # of plain Newton: 2 are usual
MAX_STEPS = 100  # never met: 4 are usual, 7 the most that are needed; bisection alone would need about 60
FIXED_STEPS = (
    10  # where torch compiles, exports or transforms the program, and cannot ask whether they are enough
)


def gates_of_mass(scores: Tensor, mass: float | Tensor) -> tuple[Tensor, Tensor, int]:
    """Sigmoid gates forced to average to `mass`: $g_j = \\sigma(\\tau + s_j)$, $\\frac1n \\sum_j g_j = \\mu$.

    The gradient, with v = g (1 - g), is that of the exact root; it can be taken once, not twice:

    $$ \\frac{\\partial g_j}{\\partial s_k} = v_j \\Big( [j = k] - \\frac{v_k}{\\sum_l v_l} \\Big), \\qquad
       \\frac{\\partial g_j}{\\partial \\mu} = \\frac{n\\, v_j}{\\sum_l v_l}. $$

    Args:
        scores: (B, n), floating point.
        mass: in (0, 1]: a number, or a tensor of shape () or (B,).

    Returns:
        gates (B, n), in float64 where the device has it, with gradients to scores and mass; tau (B,), without
        gradient; the number of Newton steps.

    Raises:
        TypeError, ValueError: as in `partial_transport`.

    Source: [gurbuz2023gsp]. Taught in notebook 02.
    """
    require_embeddings(scores, "scores")
    alike = not isinstance(mass, Tensor) or mass.ndim == 0
    mass = as_mass(mass, scores)  # (B,)
    scores = scores.to(mass.dtype)
    with torch.no_grad():
        column = mass[:1, None] if alike else mass[:, None]
        solution = None if traced() else _solve_calm(scores, column)
        logits, log_multiplier, iterations = solution or _solve(scores, column)
    return _Gates.apply(scores, mass, logits), log_multiplier.squeeze(1), iterations


def as_mass(mass: float | Tensor, scores: Tensor) -> Tensor:
    """The mass of each image, (B,), in float64 where the device has it; checked."""
    if isinstance(mass, Tensor):
        if mass.shape not in ((), scores.shape[:1]) or not mass.is_floating_point():
            got = f"{mass.dtype} {tuple(mass.shape)}"
            raise ValueError(f"mass: expected floating point of shape () or ({len(scores)},), got {got}")
        inside = traced() or bool(((mass > 0) & (mass <= 1)).all())
    elif is_real(mass):
        inside = 0 < mass <= 1
        mass = torch.tensor(float(mass), dtype=torch.float64)
    else:
        raise TypeError(f"mass: expected a number or a tensor, got {type(mass).__name__}")
    if not inside:
        raise ValueError(f"mass: expected a share in (0, 1], got {mass.tolist()}")
    return mass.to(device=scores.device, dtype=widest(scores)).expand(scores.shape[0])


class _Gates(torch.autograd.Function):
    """The gates at the root, with the gradient of the implicit function (formula in `gates_of_mass`)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(scores: Tensor, mass: Tensor, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits)  # (B, n)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        return *_GatesBackward.apply(grad, *ctx.saved_tensors), None


class _GatesBackward(torch.autograd.Function):
    """The backward pass as a function: to differentiate it is an error instead of a wrong number."""

    generate_vmap_rule = True

    @staticmethod
    def forward(grad: Tensor, scores: Tensor, mass: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        log_v = 2 * logsigmoid(logits) - logits  # log g(1 - g), (B, n)
        # As a softmax, v / sum(v) is defined even if every v underflows. At mass 1, v vanishes like exp(-s).
        share = torch.softmax(torch.where(mass[:, None] == 1, -scores, log_v), dim=1)
        mean = (share * grad).sum(dim=1, keepdim=True)  # the v-weighted average token, (B, 1)
        return log_v.exp() * (grad - mean), scores.shape[1] * mean.squeeze(1)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        pass

    @staticmethod
    def backward(ctx, *_):
        raise RuntimeError("gates_of_mass: second derivatives are not available")


def _solve_calm(scores: Tensor, mass: Tensor) -> tuple[Tensor, Tensor, int] | None:
    """As `_solve`, by plain Newton on the logit of the mean gate: without order, bracket, or digits to spare.

    Where gates are neither all open nor all shut, that logit is almost tau plus a constant. None where it is not: where
    a step is no smaller than the one before, or rounding costs more than two digits.
    """
    goal = torch.logit(mass)
    mean_score = scores.mean(dim=1, keepdim=True)
    scores = scores - mean_score  # from here on t = tau + mean_score: large scores cost no digits
    t, last = goal, torch.inf
    for iterations in range(1, CALM_STEPS + 1):
        gates = torch.sigmoid(scores + t)
        mean = gates.mean(dim=1, keepdim=True)
        room = mean * (1 - mean)
        slope = (mean - gates.square().mean(dim=1, keepdim=True)) / room  # of the logit, at most 1
        step = (torch.logit(mean) - goal) / slope
        t = t - step
        size = step.abs().amax().item()
        if size < torch.finfo(t.dtype).eps ** 0.5:  # the next step would be its square
            exact = (slope.amin() * room.amin()).item() > 0.01
            return (scores + t, t - mean_score, iterations) if exact else None
        if not size < last:
            return None
        last = size
    return None


def _solve(scores: Tensor, mass: Tensor) -> tuple[Tensor, Tensor, int]:
    """The logits tau + s (B, n) with mean sigmoid(tau + s) = mass, and tau (B, 1): Newton, kept in a bracket.

    The mass is (1, 1) or (B, 1): where all images have the same, what depends on it alone is computed once.

    Let K = n * mass, k the integer nearest to it, and call the k tokens of largest score the top. Then

        sum of g over the rest + (k - K)_+  =  sum of 1 - g over the top + (K - k)_+

    says the same as mean(g) = mass, but all its terms are positive: nothing cancels, however small the mass,
    its distance from 1, or the overlap of top and rest. Newton acts on the difference of the two sides' logs.
    """
    num_tokens, eps, tiny = scores.shape[1], torch.finfo(scores.dtype).eps, torch.finfo(scores.dtype).tiny
    ordered = scores.sort(dim=1, descending=True).values  # (B, n)
    rank = torch.arange(1, num_tokens + 1, device=scores.device, dtype=scores.dtype)  # (n,)
    total, left = num_tokens * mass, num_tokens * (1 - mass)  # K and n - K, as the mass
    count = torch.round(total)  # k
    excess = torch.where(mass > 0.5, num_tokens - count - left, total - count)  # K - k
    is_rounding = (excess.abs() < 2 * eps * num_tokens) & (count > 0) & (count < num_tokens)
    excess = excess.masked_fill(is_rounding, 0.0)
    low, high = _bracket(ordered, rank, count, excess)  # (B, 1) each
    # Mass 1 has no finite root: start anywhere, answer infinity below.
    is_whole = mass == 1
    centre = torch.where(is_whole, -ordered[:, -1:], (low + high) / 2)
    low, high = low - centre, high - centre  # from here on t = tau - centre: large scores cost no digits
    is_top = rank <= count  # (1, n) or (B, n)
    top = is_top.to(scores.dtype)
    rest, side = 1 - top, 1 - 2 * top
    logits = side * (ordered + centre)  # of g for the rest, of 1 - g for the top; t shifts them
    extra_top, extra_rest = excess.clamp(min=tiny), (-excess).clamp(min=tiny)
    t, iterations = torch.zeros_like(centre), 0
    for _ in range(FIXED_STEPS if traced() else MAX_STEPS):
        iterations += 1
        h = torch.sigmoid(torch.addcmul(logits, side, t))
        over_rest = (h * rest).sum(dim=1, keepdim=True) + extra_rest
        over_top = (h * top).sum(dim=1, keepdim=True) + extra_top
        error = torch.log(over_rest / over_top)
        share = torch.where(is_top, 1 / over_top, 1 / over_rest)
        slope = torch.addcmul(h, h, h, value=-1).mul_(share).sum(dim=1, keepdim=True)
        newton = t - error / slope.clamp(min=tiny)
        close = (error.abs() < eps**0.5) | is_whole  # one step squares the error: the next one is the last
        low, high = torch.where(error < 0, t, low), torch.where(error < 0, high, t)
        t = torch.where(close | ((newton > low) & (newton < high)), newton, (low + high) / 2)
        if not traced() and close.all():
            break
    tau = t + centre
    return (
        (t + (scores + centre)).masked_fill(is_whole, torch.inf),
        tau.masked_fill(is_whole, torch.inf),
        iterations,
    )


def _bracket(ordered: Tensor, rank: Tensor, count: Tensor, excess: Tensor) -> tuple[Tensor, Tensor]:
    """Bounds on tau that stay close however spread out the scores are; (B, 1) each. Counts are (1, 1) or (B, 1).

    The r largest gates are each at least sigmoid(tau + s_r) and sum to at most K, so that for each r > K
    tau <= log(K / (r - K)) - s_r. Likewise, from the n - r + 1 smallest gates, for each r < K + 1
    tau >= log((K - r + 1) / (n - K)) - s_r. With ties the root is on such a bound; a slack of 1 lets Newton
    step past it and come back.
    """
    total, left = count + excess, len(rank) - count - excess  # K, n - K
    over, under = (rank - count) - excess, (count - rank + 1) + excess  # r - K, K - r + 1
    above = torch.log(total / over).masked_fill(over <= 0, torch.inf)  # (1 or B, n)
    below = torch.log(under / left).masked_fill(under <= 0, -torch.inf)
    high, low = (above - ordered).amin(dim=1, keepdim=True), (below - ordered).amax(dim=1, keepdim=True)
    ends = torch.maximum(ordered[:, :1].abs(), ordered[:, -1:].abs())  # the largest scores, sign aside
    slack = 1 + 8 * torch.finfo(ordered.dtype).eps * ends
    return low - slack, high + slack
