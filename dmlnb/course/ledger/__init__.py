"""The ledger of claims: what the papers say, what the stored studies say, and the verdict that follows.

`claims.py` is the table, one entry a claim; `effects.py` computes each number and each verdict from a stored study;
`scripts/ledger.py` writes both to notebooks/CLAIMS.md.
"""

from dmlnb.course.ledger.claims import CLAIMS
from dmlnb.course.ledger.effects import VERDICTS, Claim, Effect, Range, Row

__all__ = ["CLAIMS", "VERDICTS", "Claim", "Effect", "Range", "Row"]
