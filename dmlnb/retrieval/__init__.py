"""Retrieval: nearest neighbours, and the report of a whole data set."""

from dmlnb.retrieval.report import RetrievalReport, evaluate, nearest

__all__ = ["RetrievalReport", "evaluate", "nearest"]
