"""dmlnb: six methods of deep metric learning, made visible in notebooks and exact in a small package.

Importing this module imports nothing heavy; take what you need from `dmlnb.pooling`, `dmlnb.losses`, `dmlnb.models`,
`dmlnb.data`, `dmlnb.retrieval`, `dmlnb.training` and `dmlnb.course.plots`.
"""

__version__ = "0.1.0"
