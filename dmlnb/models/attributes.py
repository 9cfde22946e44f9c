"""A network that, in training, also says which prototypes it saw."""

from torch import Tensor

from dmlnb.models.network import EmbeddingNet


class AttributeNet(EmbeddingNet):
    """`EmbeddingNet` for poolings with attributes (`HistogramPooling`, `GeneralizedSumPooling`).

    In training it returns the pair (embeddings, attributes), which `JointLoss` takes apart. In evaluation it returns
    the embeddings only and costs what its pooling costs: attributes serve to learn, not to retrieve.

    Args:
        backbone, pooling, dim, project: as `EmbeddingNet`; `pooling` has a method `pool` that gives `PooledFeatures`.

    Shape:
        images `(B, c, S, S)` -> embeddings `(B, dim)`, and in training also attributes `(B, m)`.

    Raises:
        ValueError: as `EmbeddingNet`, or for a pooling without attributes.

    Source: [gurbuz2023gsp], released code. Taught in notebook 03.
    """

    def __init__(self, backbone, pooling, dim: int = 64, *, project: str = "before"):
        if not hasattr(pooling, "prototypes"):
            raise ValueError(f"pooling: expected one with prototypes, got {type(pooling).__name__}")
        super().__init__(backbone, pooling, dim, project=project)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        if not self.training:
            return super().forward(images)
        pooled = self.pooling.pool(self.features(images))
        embeddings = self.linear(pooled.vector) if self.project == "after" else pooled.vector  # (B, dim)
        return embeddings, pooled.attributes

    def attributes(self, images: Tensor) -> Tensor:
        """The attributes of images: `(B, c, S, S) -> (B, m)`."""
        return self.pooling.pool(self.features(images)).attributes
