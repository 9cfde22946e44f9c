"""Six points on a circle, two of each of three classes: the forces of a loss on them, and where they come to rest."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import torch
from torch import Tensor

from dmlnb.losses import (
    arcface_loss,
    contrastive_loss,
    cosine_contrastive_loss,
    multi_similarity_loss,
    proxy_anchor_loss,
    proxy_nca_loss,
    soft_triple_loss,
    supcon_loss,
    triplet_loss,
)

LABELS = torch.arange(3).repeat_interleave(2)
DEGREES = (20.0, 95.0, 70.0, 150.0, 215.0, 300.0)  # the first of class 1 stands between the two of class 0
PROXY_DEGREES = (0.0, 110.0, 265.0)
STEPS, RATE, LONGEST = 200, 0.6, 0.03  # of the descent: factor of a force, and the longest step, in radians


class CircleLoss(NamedTuple):
    """A loss on the circle.

    Attributes:
        call: of points, labels, and proxies where it has them, with `setting` by name.
        setting: the name of its setting; `value` what it is here, `low` and `high` its sensible range.
        centres: proxies per class; 0 for a loss of pairs.
    """

    call: Callable
    setting: str
    value: float
    low: float
    high: float
    centres: int = 0


CIRCLE_LOSSES = {
    "contrastive": CircleLoss(contrastive_loss, "negative_margin", 1.0, 0.2, 1.8),
    "cosine contrastive": CircleLoss(cosine_contrastive_loss, "margin", 0.3, -0.6, 0.9),
    "triplet": CircleLoss(triplet_loss, "margin", 0.3, 0.05, 1.5),
    "semi-hard triplet": CircleLoss(partial(triplet_loss, mined="semi-hard"), "margin", 0.3, 0.05, 1.5),
    "multi-similarity": CircleLoss(partial(multi_similarity_loss, beta=10.0), "base", 0.5, -0.3, 0.9),
    "SupCon": CircleLoss(supcon_loss, "temperature", 0.3, 0.05, 1.0),
    "Proxy-NCA": CircleLoss(proxy_nca_loss, "temperature", 0.3, 0.05, 1.0, 1),
    "ArcFace": CircleLoss(partial(arcface_loss, scale=4.0), "margin", 0.5, 0.0, 1.2, 1),
    "Proxy-Anchor": CircleLoss(proxy_anchor_loss, "alpha", 8.0, 2.0, 32.0, 1),
    "SoftTriple": CircleLoss(
        partial(soft_triple_loss, gamma=0.1, tau=0.2, margin=0.01), "scale", 4.0, 1.0, 16.0, 2
    ),
}


def on_circle(degrees) -> Tensor:
    """Unit vectors at these angles, `(n, 2)`, float64."""
    angle = torch.as_tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


def circle_points() -> tuple[Tensor, Tensor]:
    """The six points `(6, 2)`, float64 and of length 1, and their labels `(6,)`.

    Taught in notebook 09.
    """
    return on_circle(DEGREES), LABELS.clone()


def circle_proxies(name: str) -> Tensor | None:
    """Where the proxies of a loss start, `(3, K, 2)`; None for a loss of pairs."""
    centres = _known(name).centres
    if not centres:
        return None
    spread = 25.0 * (torch.arange(centres) - (centres - 1) / 2)
    return on_circle(torch.tensor(PROXY_DEGREES)[:, None] + spread)


def circle_loss(name: str, setting: float | None = None) -> Callable[..., Tensor]:
    """A loss as a function of the six points and, where it has them, its proxies `(3, K, 2)`.

    Args:
        name: in `CIRCLE_LOSSES`.
        setting: value of its setting; None takes the table's.

    Returns:
        `loss(points, proxies=None) -> scalar`.

    Raises:
        ValueError: for a name that is not in the table.

    Taught in notebook 09.
    """
    loss = _known(name)
    options = {loss.setting: loss.value if setting is None else setting}

    def value(points: Tensor, proxies: Tensor | None = None) -> Tensor:
        if proxies is None:
            return loss.call(points, LABELS, **options)
        centres = proxies[:, 0] if loss.centres == 1 else proxies
        return loss.call(points, LABELS, centres, **options)

    return value


def circle_forces(
    name: str, setting: float | None = None, points: Tensor | None = None, proxies: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Minus the gradient of a loss on the points `(6, 2)` and on its proxies `(3, K, 2)`, by autograd.

    Args:
        name, setting: as in `circle_loss`.
        points, proxies: where they stand; None for the start.

    Returns:
        The forces on both; None for the proxies of a loss that has none.

    Raises:
        ValueError: for a name that is not in the table.

    Taught in notebook 09.
    """
    places = [circle_points()[0] if points is None else points]
    proxies = circle_proxies(name) if proxies is None else proxies
    places += [] if proxies is None else [proxies]
    leaves = [place.clone().requires_grad_() for place in places]
    slopes = torch.autograd.grad(circle_loss(name, setting)(*leaves), leaves, allow_unused=True)
    forces = [torch.zeros_like(p) if g is None else -g for p, g in zip(leaves, slopes, strict=True)]
    return forces[0], (forces[1] if len(forces) == 2 else None)


@lru_cache(maxsize=64)
def circle_path(name: str, setting: float | None = None) -> tuple[Tensor, Tensor | None]:
    """Where points and proxies go along their forces, until they rest: `(201, 6, 2)` and `(201, 3, K, 2)`.

    A step is 0.6 times the force, at most 0.03 long, and becomes shorter towards the end; points and proxies stay on
    the circle.

    Args:
        name, setting: as in `circle_loss`.

    Returns:
        The positions before the first step and after each; None for the proxies of a loss that has none.

    Raises:
        ValueError: for a name that is not in the table.

    Taught in notebook 09.
    """
    points, proxies = circle_points()[0], circle_proxies(name)
    path = [(points, proxies)]
    for step in range(STEPS):
        shrink = min(1.0, 2 * (1 - step / STEPS))
        pushes = circle_forces(name, setting, points, proxies)
        points, proxies = (
            None if x is None else _moved(x, force, shrink)
            for x, force in zip((points, proxies), pushes, strict=True)
        )
        path.append((points, proxies))
    points, proxies = zip(*path, strict=True)
    return torch.stack(points), (None if proxies[0] is None else torch.stack(proxies))


def _moved(x: Tensor, force: Tensor, shrink: float) -> Tensor:
    length = force.norm(dim=-1, keepdim=True)
    x = x + shrink * (RATE * length).clamp(max=LONGEST) * force / length.clamp(min=1e-12)
    return x / x.norm(dim=-1, keepdim=True)


def _known(name: str) -> CircleLoss:
    if name not in CIRCLE_LOSSES:
        raise ValueError(f"name: expected one of {', '.join(CIRCLE_LOSSES)}, got {name!r}")
    return CIRCLE_LOSSES[name]
