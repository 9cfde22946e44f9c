"""Chance-constrained training, the loss: a base loss between samples and several free proxies per class, and an anchor.

Metric learning asks that no pair be on the wrong side. A chance constraint asks it with high probability, of the
pairs of one sample: $\\Pr_z[\\ell(z_i, z) \\ge t] \\le \\varepsilon$. By Markov's inequality a small mean of
$\\ell(z_i, \\cdot)$ enforces it, and a loss with proxies is such a mean, the sample $z_i$ replaced by a free vector.
Several sets of constraints are met by projecting on one after the other, the proximal problem

$$ \\min_{\\theta, \\rho}\\ L(\\theta, \\rho) + \\tfrac{\\lambda}{2} \\lVert \\theta - \\bar\\theta \\rVert^2 , $$

which `dmlnb.losses.AlternatingProjection` repeats with new proxies. Beside pytorch-metric-learning: the loss is called
`loss(embeddings, labels)`, as theirs, and its parameters go to the optimiser.

Source: [gurbuz2024ccp], its supplement. Taught in notebook 04.
"""

import inspect
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from dmlnb._inputs import (
    require_embeddings,
    require_labels,
    require_not_negative,
    require_positive,
    require_sizes,
)


class ChanceConstrainedLoss(nn.Module):
    """A base loss between the batch and K free proxies per class.

    $$ L = w_\\rho\\, \\mathrm{base}(\\text{batch} \\times \\text{proxies})
         + w_{pair}\\, \\mathrm{base}(\\text{batch} \\times \\text{batch}) $$

    In the first term samples are the anchors and all C K proxies the references; Proxy-Anchor alone takes the proxies
    as anchors. The proxies start at random; `AlternatingProjection.select` replaces them by embeddings of samples.

    Args:
        base: a function of `dmlnb.losses`: a pair loss (it has the argument `references`), such as
            `contrastive_loss`, or a proxy loss `(embeddings, labels, proxies)`, such as `proxy_anchor_loss`. Give
            settings with `functools.partial`. `triplet_loss` forms (B K, C K) numbers, all others (B, C K).
        num_classes: C.
        dim: d.
        proxies_per_class: K.
        pair_weight: $w_{pair}$ >= 0; the released code has 0.1, the paper names no such term. Pair losses only.
        proxy_weight: $w_\\rho$ > 0.
        normalize: `"ball"`, `"sphere"` or None, for samples and proxies.

    Attributes:
        proxies: Parameter `(C, K, d)`.

    Shape:
        embeddings `(B, d)`, labels `(B,)` -> scalar, at least float32.

    Raises:
        ValueError: for sizes below 1, weights out of range, or a pair weight with a proxy loss; in the call as
            `base`, and for labels outside 0 .. C - 1.

    Source: [gurbuz2024ccp], with K = 7 and 0.1 as released. Taught in notebook 04.
    """

    def __init__(
        self,
        base: Callable[..., Tensor],
        num_classes: int,
        dim: int,
        *,
        proxies_per_class: int = 7,
        pair_weight: float = 0.0,
        proxy_weight: float = 1.0,
        normalize: str | None = "ball",
    ):
        super().__init__()
        require_sizes(num_classes=num_classes, proxies_per_class=proxies_per_class, dim=dim)
        require_not_negative(pair_weight=pair_weight)
        require_positive(proxy_weight=proxy_weight)
        if normalize not in ("ball", "sphere", None):
            raise ValueError(f"normalize: expected 'ball', 'sphere' or None, got {normalize!r}")
        self.compares_pairs = "references" in inspect.signature(base).parameters
        if pair_weight and not self.compares_pairs:
            raise ValueError("pair_weight: expected 0 with a proxy loss, which has no form between samples")
        self.base, self.normalize = base, normalize
        self.pair_weight, self.proxy_weight = pair_weight, proxy_weight
        self.proxies = nn.Parameter(
            torch.randn(num_classes, proxies_per_class, dim) / dim**0.5
        )  # norm about 1

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        classes, per_class, _ = self.proxies.shape
        require_embeddings(embeddings)
        require_labels(labels, len(embeddings), classes)
        if not self.compares_pairs:
            return self.proxy_weight * self.base(embeddings, labels, self.proxies, normalize=self.normalize)
        value = self.proxy_weight * self.base(
            embeddings,
            labels,
            references=self.proxies.flatten(0, 1),  # (C K, d)
            reference_labels=torch.arange(classes, device=labels.device).repeat_interleave(per_class),
            normalize=self.normalize,
        )
        if self.pair_weight:
            value = value + self.pair_weight * self.base(embeddings, labels, normalize=self.normalize)
        return value


class ProximalAnchor(nn.Module):
    """Keeps parameters near the values they had: the proximal term of a projection.

    $$ \\tfrac{\\lambda}{2} \\sum_w \\lVert w - \\bar w \\rVert^2, \\qquad
       \\text{gradient}\\ \\ \\lambda (w - \\bar w) $$

    Use one of two equal forms: add `penalty()` to the loss, or call `add_gradient()` after `backward()` and before
    weight decay, clipping and the optimiser's step. Give it the network's parameters, not the proxies.

    Args:
        parameters: those with `requires_grad` are anchored, at their present values. They are held as an optimiser
            holds them, in a list: they are no parameters of this module, so no optimiser meets them twice, and a deep
            copy of (network, anchor) made together anchors the copied network.
        strength: λ >= 0.

    Attributes:
        held: the list of anchored parameters.
        anchor: $\\bar w$ of all parameters, one after the other, `(P,)`; with `strength` in the state_dict.

    Raises:
        ValueError: if no parameter is trainable, or `strength` is negative.

    Source: [gurbuz2024ccp], λ = 2e-4 as released. Taught in notebook 04.
    """

    anchor: Tensor
    strength: Tensor

    def __init__(self, parameters: Iterable[nn.Parameter], strength: float = 2e-4):
        super().__init__()
        self.held = [p for p in parameters if p.requires_grad]
        if not self.held:
            raise ValueError("parameters: expected at least one that is trainable, got none")
        self.register_buffer("anchor", self._flat())
        self.register_buffer("strength", torch.zeros(()))
        self.set_strength(strength)

    def set_strength(self, strength: float) -> None:
        """Let λ be `strength`."""
        require_not_negative(strength=strength)
        self.strength.fill_(strength)

    def move(self) -> None:
        """Let the anchor be where the parameters are now."""
        self.anchor.copy_(self._flat())

    def penalty(self) -> Tensor:
        """The proximal term, a scalar."""
        return self.strength / 2 * self._squared_distance()

    @torch.no_grad()
    def add_gradient(self) -> None:
        """Add λ (w - w̄) to the gradient of each parameter; one without gradient gets this one."""
        for parameter, place in self._pairs():
            pull = self.strength.to(parameter) * (parameter - place)
            parameter.grad = pull if parameter.grad is None else parameter.grad + pull

    @torch.no_grad()
    def distance(self) -> float:
        """How far the parameters are from the anchor, Euclidean."""
        return self._squared_distance().sqrt().item()

    def _pairs(self) -> list[tuple[nn.Parameter, Tensor]]:
        places = self.anchor.split([p.numel() for p in self.held])
        return [(p, place.view(p.shape).to(p)) for p, place in zip(self.held, places, strict=True)]

    def _squared_distance(self) -> Tensor:
        return torch.stack([(p - place).float().square().sum() for p, place in self._pairs()]).sum()

    def _flat(self) -> Tensor:
        return torch.cat([p.detach().reshape(-1) for p in self.held])
