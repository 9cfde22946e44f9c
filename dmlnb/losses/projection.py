"""Alternating projections: sub-problems of proximal proxy training, with proxies selected anew between them.

    loss = AlternatingProjection(net, ChanceConstrainedLoss(contrastive_loss, C, d), embed_rows, labels)
    train(net, loss, ..., clip=10.0, renew="switched",
          validate=lambda net: {"switched": loss.observe(score(net))})

Source: [gurbuz2024ccp]. The body of the paper was not at hand: this follows its supplement and the released code. Where
these differ, the default is the supplement's, and an argument gives the released behaviour. Taught in notebook 04.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dmlnb import geometry
from dmlnb._inputs import require_positive, require_sizes
from dmlnb.losses.chance import ChanceConstrainedLoss, ProximalAnchor
from dmlnb.losses.class_pools import ClassPools


class AlternatingProjection(nn.Module):
    """A chance-constrained loss with its proximal term, and the controller that changes its sub-problem.

    Use it as the loss: it returns

    $$ L(\\theta, \\rho) + \\tfrac{\\lambda}{2} \\lVert \\theta - \\bar\\theta \\rVert^2 . $$

    Call `observe` with a validation metric now and then. When the metric stops rising, or after `longest`
    observations, the sub-problem ends (`project`): the network goes back to its best weights, the anchor moves
    there, λ is multiplied by `decay`, and each class gets new proxies, a k-center of a fresh pool of its samples
    (`select`).

    New proxies may change the gradient at once, in direction and size. Training with `clip` bounds its norm, and
    `renew` makes the optimiser forget the running averages of the sub-problem before.

    Everything it knows is in its `state_dict`, so a checkpoint of the loss resumes it: a pool is a function of the
    seed and the number of selections.

    Args:
        net: the network; its trainable parameters are anchored. It is no part of this module, which holds its
            parameters as an optimiser does, and `net.state_dict` to read all weights and to put back the best.
        loss: the loss whose `proxies` are selected.
        embed: `embed(index (M,)) -> (M, d)`, embeddings of training samples with the present weights, for example
            `lambda index: dmlnb.models.embed(net, images[index])`. A lambda stays with the network it was written
            for: to deep-copy (network, loss) together, give a bound method or a `functools.partial` over the network.
        labels: `(N,)` of the training samples; every class 0 .. C - 1 occurs.
        pool: candidates a class, b; 1 draws K samples at random, without k-center; from 2 to K - 1 counts as b K.
        strength: λ of the first sub-problem.
        decay: λ is multiplied by this at each projection.
        patience: observations without a gain that end a sub-problem.
        longest: observations that end it anyway; None for no such limit.
        include_start: the state right after a selection is a candidate for the best weights, with the best metric of
            the sub-problem before, so that none ends below its start; the first start counts if you `observe` it.
            False, as released: at least the first observation of a sub-problem is accepted.
        roll_back: go back to the best weights of the sub-problem; as released, only the anchor does (False).
        anchor_first: anchor the first sub-problem too, at the initial weights; as released λ is 0 there (False).
        spread_from_current: farthest-first begins with the old proxies as centres (at the very first selection:
            with the origin), as released (True); else with none, so that the new proxies alone cover the pool.
        select_on: `"ball"`, `"sphere"` or None, where candidates are compared and how they are stored; by default
            as the loss normalises; as released None.
        seed: of the pools.

    Attributes:
        projections: how many sub-problems have ended, `t`.
        anchor: the `ProximalAnchor`.

    Raises:
        ValueError: for numbers out of range, or a class without samples.

    Source: [gurbuz2024ccp]; b = 12, λ = 2e-4, patience 3 as released. Taught in notebook 04.
    """

    MIN_GAIN = 1e-5
    projections: Tensor
    selections: Tensor
    observations: Tensor
    waited: Tensor
    best_metric: Tensor
    best_weights: Tensor
    best_proxies: Tensor

    def __init__(
        self,
        net: nn.Module,
        loss: ChanceConstrainedLoss,
        embed: Callable[[Tensor], Tensor],
        labels: Tensor,
        *,
        pool: int = 12,
        strength: float = 2e-4,
        decay: float = 1.0,
        patience: int = 3,
        longest: int | None = None,
        include_start: bool = False,
        roll_back: bool = True,
        anchor_first: bool = True,
        spread_from_current: bool = False,
        select_on: str | None = "as the loss",
        seed: int = 0,
    ):
        super().__init__()
        require_sizes(pool=pool, patience=patience, longest=1 if longest is None else longest)
        require_positive(decay=decay)
        classes, per_class, _ = loss.proxies.shape
        size = per_class if pool == 1 else pool if pool >= per_class else pool * per_class
        self.pools = ClassPools(labels, classes, size, seed)
        select_on = loss.normalize if select_on == "as the loss" else select_on
        if select_on not in ("ball", "sphere", None):
            raise ValueError(f"select_on: expected 'ball', 'sphere' or None, got {select_on!r}")
        self.loss, self.anchor = loss, ProximalAnchor(net.parameters(), strength)
        self.first_strength, self.decay = strength, decay
        if not anchor_first:
            self.anchor.set_strength(0.0)
        self.network_state = net.state_dict  # called anew each time, for `.to()` replaces buffers
        self.embed, self.pool, self.patience, self.longest = embed, pool, patience, longest
        if include_start and not roll_back:
            raise ValueError(
                "include_start: expected roll_back=True too, for else no sub-problem begins at it"
            )
        self.include_start = include_start
        self.roll_back, self.spread_from_current, self.select_on = roll_back, spread_from_current, select_on
        for name in ("projections", "selections", "observations", "waited"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))
        self.register_buffer("best_metric", torch.full((), -math.inf))
        self.register_buffer("best_weights", self._weights())
        self.register_buffer(
            "best_proxies", torch.zeros_like(loss.proxies)
        )  # the origin, until there are any

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        value = self.loss(embeddings, labels)
        return value + self.anchor.penalty() if self.anchor.strength else value

    def observe(self, metric: float) -> bool:
        """Note a validation metric, larger is better, and project if this sub-problem is at its end.

        Args:
            metric: of the network as it is now.

        Returns:
            Whether it projected.

        Raises:
            ValueError: if the metric is not finite.
        """
        if not math.isfinite(metric):
            raise ValueError(f"metric: expected a finite number, got {metric}")
        self.observations += 1
        if metric > self.best_metric + self.MIN_GAIN:
            self.best_metric.fill_(metric)
            self.waited.zero_()
            self._keep()
        else:
            self.waited += 1
        ended = self.waited >= self.patience or (
            self.longest is not None and self.observations >= self.longest
        )
        if ended:
            self.project()
        return bool(ended)

    @torch.no_grad()
    def project(self) -> None:
        """End the sub-problem now: back to the best weights, move the anchor there, select new proxies."""
        if self.observations == 0:
            self._keep()
        present = self._weights()
        self._put(self.best_weights)
        self.anchor.move()
        if not self.roll_back:
            self._put(present)
        self.projections += 1
        self.anchor.set_strength(self.first_strength * self.decay ** int(self.projections))
        self.select()
        self.observations.zero_()
        self.waited.zero_()
        if self.include_start:  # the network has its best weights, and so their metric
            self._keep()
        else:
            self.best_metric.fill_(-math.inf)

    @torch.no_grad()
    def select(self) -> None:
        """Replace the proxies by embeddings of samples: a k-center of a fresh pool of each class.

        Call it before training only if the network is trained already: the embeddings of an untrained network lie
        in a narrow cone, and proxies of all classes would begin as one.
        """
        proxies = self.loss.proxies
        classes, per_class, dim = proxies.shape
        index = self.pools.draw(int(self.selections))  # (C, b)
        pool = self.embed(index.flatten()).to(proxies).view(classes, -1, dim)
        pool = geometry.normalize(pool, self.select_on)
        if self.pool == 1:
            chosen = torch.arange(per_class, device=pool.device).expand(
                classes, -1
            )  # they were drawn at random
        else:
            current = geometry.normalize(self.best_proxies, self.select_on)
            current = current if self.spread_from_current else current[:, :0]
            chosen = geometry.greedy_k_center(pool, current, per_class)  # (C, K)
        proxies.copy_(pool.gather(1, chosen[:, :, None].expand(-1, -1, dim)))
        self.selections += 1

    def _keep(self) -> None:
        self.best_weights.copy_(self._weights())
        self.best_proxies.copy_(self.loss.proxies.detach())

    def _state(self) -> list[Tensor]:
        """Weights and running averages of the network; counters stay as they are."""
        return [v for v in self.network_state().values() if v.is_floating_point()]

    def _weights(self) -> Tensor:
        return torch.cat([value.reshape(-1) for value in self._state()]).clone()

    def _put(self, weights: Tensor) -> None:
        parts = weights.split([value.numel() for value in self._state()])
        for value, part in zip(self._state(), parts, strict=True):
            value.copy_(part.view(value.shape))
