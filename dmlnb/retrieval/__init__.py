"""Retrieval: nearest neighbours, the report of a whole data set, and an index to search in."""

from dmlnb.retrieval.index import Index
from dmlnb.retrieval.report import RetrievalReport, evaluate, nearest
from dmlnb.retrieval.reranking import rerank
from dmlnb.retrieval.sharded import evaluate_shards, nearest_in_shards
from dmlnb.retrieval.threshold import Threshold, choose_threshold

__all__ = [
    "Index",
    "RetrievalReport",
    "Threshold",
    "choose_threshold",
    "evaluate",
    "evaluate_shards",
    "nearest",
    "nearest_in_shards",
    "rerank",
]
