"""Prototypes fitted at once: ridge regression from attributes to what they stand for."""

import torch
from torch import Tensor

from dmlnb._inputs import no_autocast, require_embeddings, require_positive, traced, wide, widest


def ridge_predictor(attributes: Tensor, targets: Tensor, ridge: float) -> Tensor:
    """The linear map from attributes to targets with the least squared error, kept small: ridge regression.

    $$ W = \\arg\\min_W \\lVert Z W - Y \\rVert^2 + \\varepsilon \\lVert W \\rVert^2
         = Z^\\top (Z Z^\\top + \\varepsilon I_N)^{-1} Y = (Z^\\top Z + \\varepsilon I_m)^{-1} Z^\\top Y $$

    There is no intercept: attributes that sum to 1 hold it already. Scaling the attributes by s is the same as
    dividing the ridge by s². The smaller of the two systems is solved, by Cholesky, in float64 where the device has it.

    Args:
        attributes: `(N, m)`, Z.
        targets: `(N, d)`, Y.
        ridge: ε > 0, in squared units of the attributes.

    Returns:
        `(m, d)`: row i is the vector that prototype i stands for; at least float32.

    Raises:
        ValueError: for bad shapes, NaN, or a ridge that is not positive, or too small beside such attributes.

    Source: [gurbuz2023gsp], released code. Taught in notebook 03.
    """
    require_embeddings(attributes, "attributes")
    require_embeddings(targets, "targets")
    require_positive(ridge=ridge)
    if len(targets) != len(attributes):
        raise ValueError(f"targets: expected {len(attributes)} rows as attributes, got {len(targets)}")
    with no_autocast(attributes):
        z, y = attributes.to(widest(attributes)), targets.to(widest(attributes))
        few = len(z) < z.shape[1]  # fewer samples than prototypes: solve the (N, N) system
        system = z @ z.T if few else z.T @ z
        system = system + ridge * torch.eye(len(system), dtype=system.dtype, device=system.device)
        factor, failed = torch.linalg.cholesky_ex(system)
        if not traced() and (failed or not torch.isfinite(factor).all()):
            raise ValueError(f"ridge: expected more beside attributes of this size, got {ridge}")
        fit = z.T @ torch.cholesky_solve(y, factor) if few else torch.cholesky_solve(z.T @ y, factor)
    return fit.to(wide(attributes, targets))
