"""Linear heads on fixed vectors, those of all seeds trained side by side: a step moves all of them, by `vmap`.

A head is a few thousand numbers, and a step of one spends most of its time on calls. What is trained here equals what
each head would become alone; a test compares them.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from dmlnb.losses import AlternatingProjection, triplet_loss
from dmlnb.retrieval import evaluate

BETAS, EPS, DECAY = (0.9, 0.999), 1e-8, 1e-4  # of AdamW


def retrieval(embeddings: Tensor, labels: Tensor) -> tuple[float, float]:
    """R@1 and MAP@R by cosine."""
    report = evaluate(embeddings, labels, ks=(1,))
    return report.recall_at[1], report.map_at_r


class Heads:
    """Linear maps with one loss each, whose weights and proxies are views of stacked tensors.

    Args:
        heads: S linear maps, changed in place.
        losses: S losses alike: functions `(embeddings, labels)`, or modules with `proxies`, or `AlternatingProjection`s
            of such modules.
        rates, proxy_factors: S numbers each; the rate is constant.
        clip: largest norm of a head's gradient, proxies included.
    """

    def __init__(
        self,
        heads: Sequence[nn.Linear],
        losses: Sequence[Callable],
        rates: Sequence[float],
        proxy_factors: Sequence[float],
        clip: float = 10.0,
    ):
        self.heads, self.losses, self.clip = heads, losses, clip
        self.controllers = [loss for loss in losses if isinstance(loss, AlternatingProjection)]
        self.base = [getattr(loss, "loss", loss) for loss in losses]
        owners = [[head.weight for head in heads], [head.bias for head in heads]]
        if isinstance(self.base[0], nn.Module):
            owners.append([loss.proxies for loss in self.base])
        self.stacked = [torch.stack([p.data for p in parameters]) for parameters in owners]
        for parameters, stack in zip(owners, self.stacked, strict=True):
            for parameter, view in zip(parameters, stack, strict=True):
                parameter.data = view
        rate = torch.tensor(rates)
        factors = [torch.ones(len(rate)), torch.ones(len(rate)), torch.tensor(proxy_factors)]
        self.rates = [
            _like(rate * factor, stack) for factor, stack in zip(factors, self.stacked, strict=False)
        ]
        self.moments = [(torch.zeros_like(stack), torch.zeros_like(stack)) for stack in self.stacked]
        self.steps = 0
        # triplets are found one head after the other: in a transform they would be all N M M candidates
        one_by_one = getattr(self.base[0], "base", getattr(self.base[0], "func", None)) is triplet_loss
        self.slope = self.each if one_by_one else vmap(grad(self.value))

    def value(self, weights: tuple, x: Tensor, labels: Tensor) -> Tensor:
        """The loss of one head, a function of its weight, bias and proxies."""
        embeddings = nn.functional.linear(x, *weights[:2])
        if len(weights) == 2:
            return self.base[0](embeddings, labels)
        return functional_call(self.base[0], {"proxies": weights[2]}, (embeddings, labels))

    @torch.enable_grad()
    def each(self, weights: tuple, x: Tensor, labels: Tensor) -> tuple:
        """What `vmap` of the gradient gives, one head after the other."""
        weights = [w.detach().requires_grad_() for w in weights]
        values = [self.value(tuple(w[i] for w in weights), x[i], labels[i]) for i in range(len(x))]
        return torch.autograd.grad(torch.stack(values).sum(), weights)

    @torch.no_grad()
    def gradients(self, x: Tensor, labels: Tensor) -> list[Tensor]:
        """Of all heads' losses on their batches `(S, B, C)`, `(S, B)`, without the proximal terms."""
        return [*self.slope(tuple(self.stacked), x, labels)]

    @torch.no_grad()
    def step(self, x: Tensor, labels: Tensor) -> None:
        """One step of AdamW of every head."""
        slopes = self.gradients(x, labels)
        for i, ccp in enumerate(self.controllers):
            if ccp.anchor.strength:
                for slope, (parameter, place) in zip(slopes, ccp.anchor._pairs(), strict=False):
                    slope[i] += ccp.anchor.strength * (parameter - place)
        norm = sum(slope.flatten(1).square().sum(dim=1) for slope in slopes).sqrt()
        shrink = (self.clip / (norm + 1e-6)).clamp(max=1)
        self.steps += 1
        for w, g, (mean, square), rate in zip(self.stacked, slopes, self.moments, self.rates, strict=True):
            g = g * _like(shrink, g)
            mean.lerp_(g, 1 - BETAS[0])
            square.lerp_(g * g, 1 - BETAS[1])
            if w is self.stacked[0]:
                w.mul_(1 - rate * DECAY)
            size = (square / (1 - BETAS[1] ** self.steps)).sqrt_().add_(EPS)
            w.sub_(rate * (mean / (1 - BETAS[0] ** self.steps)) / size)


def fit_together(
    heads: Heads,
    vectors: dict[str, Tensor],
    labels: dict[str, Tensor],
    tables: Tensor,
    *,
    every: int,
    observe: Callable[[int, float], None] | None = None,
    taught: Tensor | None = None,
) -> list[dict]:
    """Train, keep the best of every `every` steps by MAP@R on validation classes; of each head its step and MAP@R.

    Args:
        heads: changed in place.
        vectors, labels: by split.
        tables: `(S, steps, B)` indices of training vectors.
        observe: told each head's number and validation MAP@R.
        taught: `(S, N)` labels that each head is trained with; by default all have those of the training vectors.
    """
    taught = labels["train"].expand(len(tables), -1) if taught is None else taught
    best = [{"validation_map_at_r": -1.0}] * len(tables)
    kept = [[w[i].clone() for w in heads.stacked] for i in range(len(tables))]
    for step, index in enumerate(tables.unbind(dim=1)):
        heads.step(vectors["train"][index], taught.gather(1, index))
        if (step + 1) % every:
            continue
        for i, head in enumerate(heads.heads):
            with torch.no_grad():
                found = retrieval(head(vectors["validation"]), labels["validation"])[1]
            if found > best[i]["validation_map_at_r"]:
                best[i] = {"validation_map_at_r": found, "step": step}
                kept[i] = [w[i].clone() for w in heads.stacked]
            if observe is not None:
                observe(i, found)
    for i, weights in enumerate(kept):
        for stack, value in zip(heads.stacked, weights, strict=True):
            stack[i] = value
    return best


def _like(numbers: Tensor, stack: Tensor) -> Tensor:
    """One number a head, broadcast over its weights."""
    return numbers.view(-1, *[1] * (stack.ndim - 1))
