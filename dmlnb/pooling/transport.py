"""Partial optimal transport from the tokens of an image to prototypes: ship a share of the mass.

The whole problem has one unknown number per image. Each token has a score, a sigmoid turns scores into gates,
and the unknown shifts all scores until the gates average to the wanted share.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dmlnb._inputs import is_real, require_floats, require_not_negative, traced, wide
from dmlnb.pooling.gates import as_mass, gates_of_mass

CALM = 30.0  # scores of this size and less need no shift: gradients hold e^60, far from overflow


@dataclass(frozen=True)
class TransportPlan:
    """The solution of `partial_transport` for B images, m prototypes and n tokens.

    Attributes:
        gates: (B, n), in [0, 1]: the share of each token's mass that is shipped; their mean is `mass`.
        weights: (B, n): the shipped mass as a distribution over tokens, `gates / (n * mass)`; sums to 1.
        residual: (B, n): mass that stays, `(1 - gates) / n`.
        log_multiplier: (B,): tau, the shift of the scores; infinite at mass 1. Carries no gradient.
        iterations: Newton steps that the slowest image of the batch needed.
        kernel: (B, m, n): $e^{-\\gamma (c_{ij} - b_j)}$, the assignment before it is normalised; b cancels in it.
        totals: (B, n): its sums over the prototypes.
    """

    gates: Tensor
    weights: Tensor
    residual: Tensor
    log_multiplier: Tensor
    iterations: int
    kernel: Tensor
    totals: Tensor

    @cached_property
    def assignment(self) -> Tensor:
        """(B, m, n): to which prototypes a token ships; sums to 1 over the prototypes. Computed when asked for."""
        return self.kernel / self.totals[:, None, :]

    @cached_property
    def plan(self) -> Tensor:
        """(B, m, n): shipped mass, `gates * assignment / n`; the sum over all is `mass`. Computed when asked for."""
        return self.kernel * (self.gates / (self.gates.shape[1] * self.totals))[:, None, :]


def partial_transport(cost: Tensor, mass: float | Tensor, sharpness: float) -> TransportPlan:
    """Ship the share `mass` of the tokens' mass to prototypes, as cheaply as the entropy allows.

    Each of n tokens holds mass 1/n. With plan π (m, n) and residual r (n,), the exact minimiser of

    $$ \\sum_{ij} c_{ij} \\pi_{ij}
       + \\frac1\\gamma \\Big[ \\sum_{ij} \\pi_{ij} \\log \\pi_{ij} + \\sum_j r_j \\log r_j \\Big]
       \\;\\text{with}\\; r_j + \\sum_i \\pi_{ij} = \\frac1n, \\; \\sum_{ij} \\pi_{ij} = \\mu $$

    is, with the token scores s and one number tau per image,

    $$ s_j = \\log \\sum_i e^{-\\gamma c_{ij}}, \\quad
       g_j = \\sigma(\\tau + s_j) \\;\\text{with}\\; \\frac1n \\sum_j g_j = \\mu, \\quad
       \\pi_{ij} = \\frac{g_j}{n}\\, \\mathrm{softmax}_i(-\\gamma c_{ij}), \\quad
       r_j = \\frac{1 - g_j}{n}. $$

    Mass 1 or sharpness 0 weighs all tokens alike (global average pooling); mass to 0 gives `softmax_j(s_j)`;
    sharpness to infinity gives the linear programme: the cheapest tokens, whole, to their nearest prototypes.

    Gradients reach `cost`, and `mass` if it is a tensor. They are those of the exact solution and cost one
    pass over (B, m, n), however the root was found (`gates_of_mass`). They can be taken once, not twice.

    Args:
        cost: (B, m, n), floating point, any sign. `inf` forbids a pair, if the token has another prototype.
        mass: share to ship, in (0, 1]: a number, or a tensor of shape () or (B,).
        sharpness: gamma >= 0, an inverse temperature: it multiplies the cost.

    Returns:
        A `TransportPlan` in the dtype of the cost; float16 and bfloat16 costs are computed, and answered, in
        float32. The root, (B, n) numbers, is found in float64 where the device has it.

    Raises:
        TypeError: if `mass` or `sharpness` is not a number (or tensor, for the mass).
        ValueError: for a wrong shape or dtype, NaN in the costs, a mass outside (0, 1], a negative sharpness.

    Source: [gurbuz2023gsp]. Taught in notebook 02.
    """
    kernel, totals, scores = kernel_and_scores(cost, sharpness)  # (B, m, n), (B, n), (B, n)
    gates, log_multiplier, iterations = gates_of_mass(scores, mass)  # (B, n), (B,), in float64
    num_tokens = cost.shape[2]
    weights = gates / (num_tokens * as_mass(mass, scores)[:, None])  # (B, n)
    residual = (1 - gates) / num_tokens
    gates, weights, residual, log_multiplier = (
        tensor.to(scores.dtype) for tensor in (gates, weights, residual, log_multiplier)
    )
    return TransportPlan(gates, weights, residual, log_multiplier, iterations, kernel, totals)


def token_scores(cost: Tensor, sharpness: float) -> Tensor:
    """How near a token is to the prototypes: $s_j = \\log \\sum_i e^{-\\gamma c_{ij}}$, (B, m, n) -> (B, n).

    Args, errors: as in `partial_transport`. float16 and bfloat16 costs give float32 scores.
    """
    return kernel_and_scores(cost, sharpness)[2]


def kernel_and_scores(cost: Tensor, sharpness: float) -> tuple[Tensor, Tensor, Tensor]:
    """The kernel of `TransportPlan` (B, m, n), its totals and the scores (B, n), with one exponential."""
    if not is_real(sharpness):
        raise TypeError(f"sharpness: expected a number, got {type(sharpness).__name__}")
    require_not_negative(sharpness=sharpness)
    require_floats(cost=cost)
    if cost.ndim != 3 or cost.numel() == 0 or not cost.is_floating_point():
        got = f"{cost.dtype} {tuple(cost.shape)}"
        raise ValueError(f"cost: expected floating point of shape (B, m, n), got {got}")
    cost = cost.to(wide(cost))
    if not traced():
        kernel, totals = _Kernel.apply(cost, sharpness, None)
        scores = totals.log()
        low, high = scores.detach().aminmax()
        if -CALM < low.item() and high.item() < CALM:
            return kernel, totals, scores
    least = cost.detach().amin(dim=1, keepdim=True)  # b, (B, 1, n): it cancels, so it needs no gradient
    kernel, totals = _Kernel.apply(cost, sharpness, least)
    scores = totals.log() - sharpness * least.squeeze(1)  # a log of a sum of exponentials
    if not traced() and not torch.isfinite(scores).all():
        raise ValueError("cost: expected finite numbers, got NaN or infinity (or sharpness * cost overflows)")
    return kernel, totals, scores


class _Kernel(torch.autograd.Function):
    """$e^{-\\gamma (c_{ij} - b_j)}$ and its sums over i; their gradient in one or two passes over (B, m, n)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(cost: Tensor, sharpness: float, least: Tensor | None) -> tuple[Tensor, Tensor]:
        exponents = cost * -sharpness if least is None else (cost - least).mul_(-sharpness)
        kernel = exponents.exp_()  # in place: to find new memory takes longer than to compute
        return kernel, kernel.sum(dim=1)

    @staticmethod
    def setup_context(ctx, inputs, output: tuple[Tensor, Tensor]) -> None:
        ctx.sharpness = inputs[1]
        ctx.save_for_backward(output[0])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, of_kernel: Tensor | None, of_totals: Tensor | None):
        (kernel,) = ctx.saved_tensors
        of_row = kernel.new_zeros(()) if of_totals is None else (-ctx.sharpness * of_totals)[:, None, :]
        if of_kernel is None:
            return kernel * of_row, None, None
        upstream = torch.add(of_row, of_kernel, alpha=-ctx.sharpness)
        return upstream * kernel if traced() else upstream.mul_(kernel), None, None
