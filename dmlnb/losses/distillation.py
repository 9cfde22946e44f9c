"""What the student is told: the divergence of its templates from their targets, and, as a control, of its logits."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softmax

from dmlnb._inputs import require_embeddings, require_floats, require_map, require_positive, traced, wide


def template_kl(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean over all regions of the divergence of the student's belief from the target.

    $$ \\frac1N \\sum_i \\sum_k p^T_{k,i} \\bigl( \\log p^T_{k,i} - \\log p^S_{k,i} \\bigr),
       \\qquad p^S_i = \\mathrm{softmax}_k(s_{\\cdot,i}), \\quad N = B H W, \\quad 0 \\log 0 = 0 $$

    Its gradient on the scores is $(p^S - p^T) / N$. The targets are constants: no gradient reaches them.

    Args:
        scores: `(B, K, H, W)` raw template scores, before any normalisation layer.
        targets: `(B, K, H, W)`, distributions over the K templates.

    Returns:
        Scalar >= 0, at least float32.

    Raises:
        ValueError: for shapes that differ, NaN, or targets that are no distributions.

    Source: [gorgun2023letkd]. Taught in notebook 06.
    """
    require_floats(scores=scores, targets=targets)
    if scores.ndim != 4 or scores.shape != targets.shape or 0 in scores.shape:
        raise ValueError(
            f"scores, targets: expected one shape (B, K, H, W), got {tuple(scores.shape)}, {tuple(targets.shape)}"
        )
    require_map(scores, name="scores", finite=True)
    dtype = wide(scores, targets)
    targets = targets.detach().to(dtype)
    if not traced() and not (
        (targets >= 0).all() and torch.allclose(targets.sum(dim=1), targets.new_ones(()), atol=1e-2)
    ):
        raise ValueError("targets: expected distributions, >= 0 with sum 1 over the templates, got others")
    divergence = torch.xlogy(targets, targets) - targets * log_softmax(scores.to(dtype), dim=1)
    return divergence.sum(dim=1).mean()


def hinton_kd(logits: Tensor, teacher_logits: Tensor, temperature: float = 4.0) -> Tensor:
    """Classical distillation: the student's softened class distribution follows the teacher's.

    $$ \\frac{T^2}{B} \\sum_b \\mathrm{KL}\\bigl( \\mathrm{softmax}(t_b / T) \\,\\Vert\\,
       \\mathrm{softmax}(z_b / T) \\bigr) $$

    Args:
        logits: `(B, C)` of the student.
        teacher_logits: `(B, C)`; constants.
        temperature: T > 0.

    Returns:
        Scalar >= 0, at least float32.

    Raises:
        ValueError: for shapes that differ, NaN, or a temperature that is not positive.

    Source: [hinton2015distilling].
    """
    require_positive(temperature=temperature)
    require_embeddings(logits, "logits")
    require_embeddings(teacher_logits, "teacher_logits")
    if logits.shape != teacher_logits.shape:
        raise ValueError(
            f"teacher_logits: expected {tuple(logits.shape)} as logits, got {tuple(teacher_logits.shape)}"
        )
    dtype = wide(logits, teacher_logits)
    target = softmax(teacher_logits.detach().to(dtype) / temperature, dim=1)
    belief = log_softmax(logits.to(dtype) / temperature, dim=1)
    return temperature**2 * (torch.xlogy(target, target) - target * belief).sum(dim=1).mean()
