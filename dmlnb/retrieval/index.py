"""A gallery built once: searched in batches, added to, saved and loaded."""

import os

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from dmlnb._files import load_tensors, save_tensors
from dmlnb.retrieval.arguments import as_count, as_embeddings, as_labels, as_own, require_metric
from dmlnb.retrieval.reranking import ReciprocalGraph
from dmlnb.retrieval.search import ExactSearch

_KIND = "retrieval index"


class Index:
    """A gallery of embeddings to search in, exactly; `evaluate` and `nearest` search in the same way.

    Args:
        embeddings: `(N, d)`; a tensor, an array or a list of rows.
        labels: `(N,)` integers >= 0, kept beside them; None for none.
        metric: `"cosine"` or `"l2"`.

    Attributes:
        embeddings: `(N, d)` on the CPU, as given.
        labels: `(N,)` int64, or None.
        metric: as given.

    Raises:
        ValueError: for bad shapes, NaN, labels that do not fit, or an unknown metric.

    Source: exhaustive search, as a flat index of FAISS [johnson2019faiss].
    """

    def __init__(
        self, embeddings: Tensor | ArrayLike, labels: Tensor | ArrayLike | None = None, metric: str = "cosine"
    ):
        require_metric(metric)
        self.metric = metric
        self.embeddings = as_embeddings(embeddings)
        self.labels = None if labels is None else as_labels(labels, len(self.embeddings))
        self._search = ExactSearch(self.embeddings, metric)
        self._graph: ReciprocalGraph | None = None

    def __len__(self) -> int:
        return len(self.embeddings)

    def search(
        self,
        queries: Tensor | ArrayLike,
        k: int = 8,
        *,
        own: Tensor | ArrayLike | None = None,
        rerank: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """The k nearest rows of each query, equal ones by their number.

        Args:
            queries: `(Q, d)`.
            k: 1 .. N, or N - 1 where something is left out.
            own: as in `dmlnb.retrieval.nearest`.
            rerank: order the 100 nearest by shared neighbours, as `dmlnb.retrieval.rerank` (metric `"cosine"`); the
                first such search takes a search of all rows among all.

        Returns:
            `(Q, k)` float64 scores (the cosine, the squared distance, or that of `rerank`) and `(Q, k)` int64 rows.

        Raises:
            ValueError: for bad queries, k out of range, or `rerank` with `"l2"`.
        """
        if rerank:
            if self.metric != "cosine":
                raise ValueError(f"rerank: expected an index with metric 'cosine', got {self.metric!r}")
            self._graph = self._graph or ReciprocalGraph(self.embeddings, self._search)
            rows, scores = self._graph(queries, k, own=own)
            return scores, rows
        queries = as_embeddings(queries, "queries", self.embeddings.shape[1])
        own = None if own is None else as_own(own, len(queries), len(self))
        k = as_count(k, "k", len(self) - (own is not None and bool((own >= 0).any())))
        rows, scores = self._search(queries, k, own)
        return torch.from_numpy(scores), torch.from_numpy(rows)

    def add(self, embeddings: Tensor | ArrayLike, labels: Tensor | ArrayLike | None = None) -> None:
        """Put rows behind those that are there; takes the time of building the index anew.

        Raises:
            ValueError: as the constructor, or if only one side has labels; the index is then as before.
        """
        if (labels is None) != (self.labels is None):
            raise ValueError("labels: expected for all rows of an index or for none")
        more = as_embeddings(embeddings, dim=self.embeddings.shape[1])
        dtype = torch.promote_types(more.dtype, self.embeddings.dtype)
        rows = torch.cat([self.embeddings.to(dtype), more.to(dtype)])
        if labels is not None and self.labels is not None:
            labels = torch.cat([self.labels, as_labels(labels, len(more))])
        vars(self).update(vars(Index(rows, labels, self.metric)))

    def save(self, path: str | os.PathLike) -> None:
        """Write embeddings, labels and metric to one safetensors file, in one step.

        Raises:
            ValueError: if `path` is a folder.
            OSError: if it cannot be written.
        """
        tensors = {"embeddings": self.embeddings} | ({} if self.labels is None else {"labels": self.labels})
        save_tensors(path, _KIND, tensors, {"metric": self.metric})

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Index":
        """The index that `save` wrote; nothing in the file is run.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is no whole file, or no index.
        """
        tensors, words = load_tensors(path, _KIND)
        return cls(tensors["embeddings"], tensors.get("labels"), words["metric"])
