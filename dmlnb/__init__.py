"""dmlnb: six methods of deep metric learning, made visible in notebooks and exact in a small library.

Importing this module imports nothing heavy; take what you need from its rooms: `dmlnb.data`, `dmlnb.pooling`,
`dmlnb.losses`, `dmlnb.models`, `dmlnb.distill`, `dmlnb.training`, `dmlnb.retrieval`, and below them `dmlnb.geometry`
and `dmlnb.prototypes`. The explorer, `dmlnb.explore`, and what the notebooks draw and check with, `dmlnb.course`, need
the extra `course`.
"""

__version__ = "0.2.0"
