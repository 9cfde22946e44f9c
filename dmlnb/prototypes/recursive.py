"""Learning prototypes batch by batch: four recursive fits of a linear predictor, as one Kalman update.

If embeddings are linear in the attributes, Y = Z V + noise, then the rows of V are what the prototypes stand for, and
learning V over batches is recursive regression. Each batch updates a Gaussian belief in V, a mean and a covariance;
the variants differ only in the prior that they take into the next batch:

    memoryless   mean 0,      covariance I/ε      ridge regression on this batch alone
    proximal     mean V,      covariance I/ε      this batch, kept near the last fit; for large ε a gradient step
    full         mean V,      covariance P        ridge regression on all batches so far
    forgetting   mean V,      covariance P/β      the same, with a batch that is k batches old weighing β^k

That prototype learning is a recursive linear fit is the claim of [gurbuz2023xml]; which variants it writes down we
could not read, so this list is our reconstruction. Taught in notebook 03.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from dmlnb._inputs import require_embeddings, require_positive, require_sizes, traced

VARIANTS = ("memoryless", "proximal", "full", "forgetting")


class LinearFit(NamedTuple):
    """A belief in the prototypes' vectors.

    Attributes:
        prototypes: `(m, d)`, V, the mean.
        covariance: `(m, m)`, P, of the prototypes, the same for each of the d coordinates.
    """

    prototypes: Tensor
    covariance: Tensor


def start_fit(num_prototypes: int, dim: int, ridge: float, dtype: torch.dtype = torch.float64) -> LinearFit:
    """The belief before any batch: V = 0, P = I / ε.

    Args:
        num_prototypes: m.
        dim: d.
        ridge: ε > 0.
        dtype: of the tensors; float64, since covariances need the digits.

    Returns:
        A `LinearFit`.

    Raises:
        ValueError: for sizes or a ridge that are not positive.

    Taught in notebook 03.
    """
    require_sizes(num_prototypes=num_prototypes, dim=dim)
    require_positive(ridge=ridge)
    return LinearFit(
        torch.zeros(num_prototypes, dim, dtype=dtype), torch.eye(num_prototypes, dtype=dtype) / ridge
    )


def prior_of(last: LinearFit, variant: str, ridge: float, forgetting: float = 1.0) -> LinearFit:
    """The prior that a variant takes into the next batch; see the table at the top of this file.

    Args:
        last: the fit so far.
        variant: `"memoryless"`, `"proximal"`, `"full"` or `"forgetting"`.
        ridge: ε > 0.
        forgetting: β in (0, 1], for `"forgetting"`; 1 forgets nothing.

    Returns:
        A `LinearFit`.

    Raises:
        ValueError: for an unknown variant or settings out of range.

    Source: our reconstruction, after [gurbuz2023xml]. Taught in notebook 03.
    """
    require_positive(ridge=ridge)
    require_positive(forgetting=forgetting)
    if forgetting > 1:
        raise ValueError(f"forgetting: expected a number in (0, 1], got {forgetting}")
    fresh = torch.eye(len(last.covariance)).to(last.covariance) / ridge
    if variant == "memoryless":
        return LinearFit(torch.zeros_like(last.prototypes), fresh)
    if variant == "proximal":
        return LinearFit(last.prototypes, fresh)
    if variant == "full":
        return last
    if variant == "forgetting":
        return LinearFit(last.prototypes, last.covariance / forgetting)
    raise ValueError(f"variant: expected one of {', '.join(VARIANTS)}, got {variant!r}")


def kalman_update(prior: LinearFit, attributes: Tensor, targets: Tensor) -> LinearFit:
    """The belief after one batch, for noise of unit variance.

    $$ G = P Z^\\top (I_N + Z P Z^\\top)^{-1}, \\qquad V \\leftarrow V + G (Y - Z V), \\qquad P \\leftarrow P - G Z P $$

    Args:
        prior: the belief before.
        attributes: `(N, m)`, Z.
        targets: `(N, d)`, Y.

    Returns:
        The belief after, as a `LinearFit`; differentiable.

    Raises:
        ValueError: for shapes that do not fit, or NaN.

    Source: [kalman1960filter]. Taught in notebook 03.
    """
    require_embeddings(attributes, "attributes")
    require_embeddings(targets, "targets")
    mean, covariance = prior
    if attributes.shape[1] != len(mean) or targets.shape != (len(attributes), mean.shape[1]):
        raise ValueError(
            f"attributes, targets: expected (N, {len(mean)}) and (N, {mean.shape[1]}), "
            f"got {tuple(attributes.shape)} and {tuple(targets.shape)}"
        )
    z, y = (
        x.to(mean.device).to(mean.dtype) for x in (attributes, targets)
    )  # in this order: not every device has float64
    spread = z @ covariance  # (N, m), Z P
    noise = torch.eye(len(z), dtype=z.dtype, device=z.device)
    root, failed = torch.linalg.cholesky_ex(noise + spread @ z.T)  # (N, N)
    if not traced() and (failed or not torch.isfinite(root).all()):
        raise ValueError(
            "attributes: expected a size that the noise of 1 is not lost beside, got larger ones"
        )
    half = torch.linalg.solve_triangular(root, spread, upper=False)  # (N, m); half^T half = G Z P
    surprise = torch.linalg.solve_triangular(root, y - z @ mean, upper=False)  # (N, d)
    covariance = covariance - half.T @ half
    return LinearFit(mean + half.T @ surprise, (covariance + covariance.T) / 2)  # symmetric to the last bit


def recursive_fit(
    batches: Iterable[tuple[Tensor, Tensor]], ridge: float, variant: str = "full", *, forgetting: float = 1.0
) -> list[LinearFit]:
    """Fit prototypes to a sequence of batches.

    With `"forgetting"` the fit after k batches minimises
    $\\sum_i \\beta^{k-i} \\lVert Z_i V - Y_i \\rVert^2 + \\beta^k \\varepsilon \\lVert V \\rVert^2$: the ridge is
    forgotten too, so a prototype that never occurs grows more and more uncertain.

    Args:
        batches: pairs of attributes `(N, m)` and targets `(N, d)`; N may differ.
        ridge: ε > 0.
        variant: `"memoryless"`, `"proximal"`, `"full"` or `"forgetting"`.
        forgetting: β in (0, 1], for `"forgetting"`.

    Returns:
        The belief after each batch, float64.

    Raises:
        ValueError: for no batch, shapes that do not fit, an unknown variant or settings out of range.

    Source: our reconstruction, after [gurbuz2023xml]. Taught in notebook 03.
    """
    fits: list[LinearFit] = []
    for attributes, targets in batches:
        if not fits:
            require_embeddings(attributes, "attributes")
            require_embeddings(targets, "targets")
        last = fits[-1] if fits else start_fit(attributes.shape[1], targets.shape[1], ridge)
        fits.append(kalman_update(prior_of(last, variant, ridge, forgetting), attributes, targets))
    if not fits:
        raise ValueError("batches: expected at least one, got none")
    return fits
