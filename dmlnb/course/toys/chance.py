"""Chance-constrained training in the plane, small enough for a slider: every sub-problem takes a few milliseconds."""

from functools import lru_cache

import torch
from torch import Tensor

from dmlnb.course.toys.covering import cover_points
from dmlnb.geometry import proxy_cover, proxy_spread
from dmlnb.losses import (
    AlternatingProjection,
    ChanceConstrainedLoss,
    contrastive_loss,
    pair_terms,
    violation_rate,
)

SUB_PROBLEMS, STEPS, RATE = 6, 20, 0.05
BOUNDARY, MARGIN = 0.5, 0.5  # β and α: positive pairs as near as β - α = 0, negative pairs beyond β + α = 1


class PlaneNet(torch.nn.Module):
    """A tiny embedding `(N, 2) -> (N, 2)`: fixed Gaussian bumps of the input, then a linear map."""

    def __init__(self, width: float = 0.9):
        super().__init__()
        axis = torch.linspace(-3, 3, 6)
        self.centres, self.width = torch.cartesian_prod(axis, axis), width  # (36, 2)
        self.linear = torch.nn.Linear(36, 2, bias=False)
        with torch.no_grad():  # begins as a shrunken copy of the input
            grid = torch.cartesian_prod(*[torch.linspace(-3, 3, 15)] * 2)
            self.linear.weight.copy_(torch.linalg.lstsq(self.bumps(grid), 0.4 * grid).solution.T)

    def bumps(self, points: Tensor) -> Tensor:
        return torch.exp(-torch.cdist(points, self.centres).square() / (2 * self.width**2))

    def forward(self, points: Tensor) -> Tensor:
        return self.linear(self.bumps(points))


@lru_cache(maxsize=32)
def chance_states(num_proxies: int, pool: int, strength: float, seed: int) -> tuple[dict, ...]:
    """The demo's run: at the start of each sub-problem and at its end, what there is to see.

    Returns:
        `2 * SUB_PROBLEMS` dictionaries with `points` (90, 2), `labels`, `proxies` (3, K, 2), and the means of
        `cover`, `violation`, `bound` (Markov's, not clipped) and `spread`; entry 2 t begins sub-problem t.
    """
    inputs, labels = cover_points(apart=0.8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = PlaneNet()
        loss = ChanceConstrainedLoss(
            contrastive_loss_of_demo, 3, 2, proxies_per_class=num_proxies, normalize=None
        )
        ccp = AlternatingProjection(
            net, loss, lambda i: net(inputs[i]).detach(), labels, pool=max(pool, num_proxies), strength=strength,
            seed=seed,
        )  # fmt: skip
        ccp.select()
        bumps = net.bumps(inputs)
        optimizer = torch.optim.SGD([*net.parameters(), loss.proxies], lr=RATE)
        states = []
        for _ in range(SUB_PROBLEMS):
            states.append(_state(net(inputs), labels, loss.proxies))
            for _ in range(STEPS):
                optimizer.zero_grad()
                ccp(net.linear(bumps), labels).backward()
                optimizer.step()
            states.append(_state(net(inputs), labels, loss.proxies))
            ccp.project()
    return tuple(states)


def contrastive_loss_of_demo(embeddings, labels, *, references=None, reference_labels=None, normalize=None):
    """Contrastive loss with the margins of the demo."""
    return contrastive_loss(
        embeddings, labels, positive_margin=BOUNDARY - MARGIN, negative_margin=BOUNDARY + MARGIN,
        references=references, reference_labels=reference_labels, normalize=normalize,
    )  # fmt: skip


@torch.no_grad()
def _state(points: Tensor, labels: Tensor, proxies: Tensor) -> dict:
    proxies = proxies.detach().clone()
    own = torch.arange(3).repeat_interleave(proxies.shape[1])
    terms = pair_terms(proxies.flatten(0, 1), own, points, labels, boundary=BOUNDARY, margin=MARGIN)
    return {
        "points": points.detach(),
        "labels": labels,
        "proxies": proxies,
        "cover": proxy_cover(points, labels, proxies).mean().item(),
        "violation": violation_rate(terms, MARGIN).mean().item(),
        "bound": (terms.mean() / MARGIN).item(),
        "spread": proxy_spread(proxies).mean().item(),
    }
