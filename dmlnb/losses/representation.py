"""Contrastive representation distillation (CRD): agree on which image this is, among thousands remembered."""

import torch
from torch import Tensor, nn

from dmlnb._inputs import require_embeddings, require_labels, require_positive
from dmlnb.geometry import normalize


class ContrastiveRepresentationLoss(nn.Module):
    """CRD: a target's and a source's view of one image belong together, those of other classes' images do not.

    Both features are projected to unit vectors u (target) and v (source). With the remembered vectors m of the other
    network, one of the same image (k = 0) and K of images of other classes,

    $$ x_k = e^{\\langle m_k, u \\rangle / \\tau} / Z, \\qquad
       -\\frac1B \\sum_b \\ln \\frac{x_0}{x_0 + K/N + \\varepsilon}
         + \\sum_{k \\ge 1} \\ln \\frac{K/N}{x_k + K/N + \\varepsilon} $$

    and the same with the roles exchanged; the two are added. Z is set by the first batch (mean of the exponentials
    times N) and then kept. After each call in training mode the two memories move half of the way to the new vectors.
    A source that already embeds well is learned from without its relations being read off pair by pair.

    Args:
        target_dim, source_dim: of the features (commonly pooled vectors before the last linear map).
        labels: `(N,)` class of every training image: negatives are drawn from other classes only.
        dim: of the projections.
        negatives: K, drawn with replacement.
        temperature: τ > 0.

    Shape:
        target `(B, target_dim)`, source `(B, source_dim)`, index `(B,)` into the training images -> scalar.

    Raises:
        ValueError: for shapes that do not fit, fewer than two classes, or an index out of range.

    Source: [tian2020crd]; labels, memories and constants as released with [kim2021relaxed]. Taught in notebook 07.
    """

    def __init__(
        self,
        target_dim: int,
        source_dim: int,
        labels: Tensor,
        *,
        dim: int = 128,
        negatives: int = 4096,
        temperature: float = 0.07,
    ):
        super().__init__()
        require_positive(target_dim=target_dim, source_dim=source_dim, dim=dim, negatives=negatives)
        require_positive(temperature=temperature)
        require_labels(labels, len(labels))
        if len(labels.unique()) < 2:
            raise ValueError("labels: expected at least two classes, so that there are negatives")
        self.negatives, self.temperature = negatives, temperature
        self.project_target, self.project_source = nn.Linear(target_dim, dim), nn.Linear(source_dim, dim)
        bound = (3 / dim) ** 0.5  # standard deviation 1 / sqrt(dim), so unit length on average
        for name in ("target_memory", "source_memory"):
            self.register_buffer(name, (2 * torch.rand(len(labels), dim) - 1) * bound)
        self.register_buffer("normalizers", torch.zeros(2))  # Z of target and source; 0 until the first batch
        classes, counts = labels.unique(return_inverse=True, return_counts=True)[1:]
        self.register_buffer("by_class", classes.argsort(stable=True))  # images, class after class
        self.register_buffer(
            "start", (counts.cumsum(0) - counts)[classes]
        )  # where the class of an image begins
        self.register_buffer("count", counts[classes])

    def forward(self, target: Tensor, source: Tensor, index: Tensor) -> Tensor:
        require_embeddings(target, "target")
        require_embeddings(source, "source")
        if len(target) != len(source):
            raise ValueError(f"source: expected {len(target)} rows as the target, got {len(source)}")
        require_labels(index, len(target), len(self.by_class), name="index")
        u = normalize(self.project_target(target))  # (B, dim)
        v = normalize(self.project_source(source.detach()))
        chosen = torch.cat([index[:, None], self._draw(index)], dim=1)  # (B, 1 + K)
        loss = self._contrast(u, self.source_memory, chosen, 0) + self._contrast(
            v, self.target_memory, chosen, 1
        )
        if self.training:
            self._remember(index, u.detach(), v.detach())
        return loss

    def _draw(self, index: Tensor) -> Tensor:
        """Images of other classes, uniformly: positions in the list by class that jump over the own class."""
        others = (len(self.by_class) - self.count[index])[:, None]  # (B, 1)
        draw = (torch.rand(len(index), self.negatives, device=index.device) * others).long()
        draw = torch.minimum(draw, others - 1)
        return self.by_class[draw + (draw >= self.start[index, None]) * self.count[index, None]]

    def _contrast(self, vectors: Tensor, memory: Tensor, chosen: Tensor, which: int) -> Tensor:
        logits = torch.einsum("bkd,bd->bk", memory[chosen], vectors) / self.temperature
        if self.normalizers[which] == 0:
            self.normalizers[which] = logits.detach().exp().mean() * len(memory)
        x = logits.exp() / self.normalizers[which].clone()
        noise = self.negatives / len(memory)  # K / N
        same = (x[:, 0] / (x[:, 0] + noise + 1e-7)).log()
        other = (noise / (x[:, 1:] + noise + 1e-7)).log().sum(dim=1)
        return -(same + other).mean()

    @torch.no_grad()
    def _remember(self, index: Tensor, u: Tensor, v: Tensor) -> None:
        for memory, new in ((self.target_memory, u), (self.source_memory, v)):
            memory[index] = normalize(0.5 * memory[index] + 0.5 * new)
