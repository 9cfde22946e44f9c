"""Cross-batch memory (XBM): a pair loss that also sees the embeddings of the batches before.

Put round any loss of `dmlnb.losses.pairs`, or round `supcon_loss`, and called as it: `loss(embeddings, labels)`. Taught
in notebook 09.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dmlnb._inputs import as_int, as_labels, require_embeddings, require_not_negative


class CrossBatchMemory(nn.Module):
    """A pair loss of the batch with itself, and of the batch with the last embeddings of earlier batches.

    $$ \\ell(X, X) + w\\, \\ell(X, M) $$

    $M$ are the last `size` embeddings, as they were when the network made them: they have no gradient, and are out of
    date by as much as the network has moved since. In evaluation mode nothing is remembered. The memory is a buffer: a
    checkpoint of `train` keeps it, and a resumed run goes on with it. Where several processes train, all remember the
    whole batch.

    Args:
        loss: `(embeddings, labels, *, references, reference_labels) -> scalar`, such as `contrastive_loss`; settings by
            `functools.partial`.
        dim: d, of the embeddings.
        size: rows of the memory.
        weight: w >= 0.

    Attributes:
        memory: `(size, d)`, a ring; `memory_labels` `(size,)`.
        seen: rows ever remembered; the next goes to row `seen` modulo `size`.

    Raises:
        ValueError: for sizes below 1, a negative weight; in the call for embeddings of another size than d, or as the
            loss.

    Source: [wang2020xbm]; there the memory is first used after 1,000 steps, when the network drifts slowly. Taught in
    notebook 09.
    """

    memory: Tensor
    memory_labels: Tensor
    seen: Tensor

    def __init__(self, loss: Callable, dim: int, size: int = 1024, weight: float = 1.0):
        super().__init__()
        require_not_negative(weight=weight)
        self.loss, self.weight = loss, weight
        self.register_buffer("memory", torch.zeros(as_int(size, "size"), as_int(dim, "dim")))
        self.register_buffer("memory_labels", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        require_embeddings(embeddings)
        labels = as_labels(labels, len(embeddings))
        size, dim = self.memory.shape
        if embeddings.shape[1] != dim:
            raise ValueError(
                f"embeddings: expected {dim} coordinates as the memory, got {embeddings.shape[1]}"
            )
        value = self.loss(embeddings, labels)
        filled = min(int(self.seen), size)
        if filled:
            value = (
                value
                + self.weight
                * self.loss(
                    embeddings,
                    labels,
                    references=self.memory[:filled].clone(),  # the backward pass needs it as it is now
                    reference_labels=self.memory_labels[:filled].clone(),
                )
            )
        if self.training:
            self.remember(embeddings, labels)
        return value

    @torch.no_grad()
    def remember(self, embeddings: Tensor, labels: Tensor) -> None:
        """Put rows `(B, d)` and their labels in the place of the oldest."""
        size = len(self.memory)
        place = (self.seen + torch.arange(len(labels), device=self.seen.device)) % size
        self.seen += len(labels)
        newest = slice(-size, None)  # of a batch that is larger than the memory
        self.memory[place[newest]] = embeddings[newest].to(self.memory)
        self.memory_labels[place[newest]] = labels[newest].to(self.memory_labels)
