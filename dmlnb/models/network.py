"""An embedding network: backbone, pooling and one linear map, in either order."""

from torch import Tensor, nn

from dmlnb._inputs import require_floats, require_sizes
from dmlnb.models.reading import Reading
from dmlnb.models.stages import Stages


class EmbeddingNet(nn.Module):
    """Image -> embedding: local features are pooled to one vector, and a linear map gives it `dim` coordinates.

    With features f_j of the n regions and the linear map A,

    $$ x = A \\, \\mathrm{pool}(f_1, \\dots, f_n) \\quad\\text{or}\\quad x = \\mathrm{pool}(A f_1, \\dots, A f_n). $$

    For average pooling the two are the same vector. For every other pooling they are not: GeM is made for the
    non-negative features in front of the map, GSP for the embedded features behind it.

    Args:
        backbone: a module `(B, c, S, S) -> (B, C, H, W)` with `.out_channels`.
        pooling: a module `(B, C, H, W) -> (B, C)`.
        dim: size of the embedding.
        project: `"after"` pooling (default) or `"before"` it, region by region.

    Shape:
        images `(B, c, S, S)`, floating point -> embeddings `(B, dim)`, not normalised: losses and retrieval normalise.

    Raises:
        ValueError: if `dim` is not positive, `project` is unknown, the backbone does not say its channels, or
            `images` has the wrong shape.

    Taught in notebook 00.
    """

    def __init__(self, backbone: nn.Module, pooling: nn.Module, dim: int = 64, *, project: str = "after"):
        super().__init__()
        require_sizes(dim=dim)
        if project not in ("after", "before"):
            raise ValueError(f"project: expected 'after' or 'before' (pooling), got {project!r}")
        channels = getattr(backbone, "out_channels", None)
        if not isinstance(channels, int):
            got = type(backbone).__name__
            raise ValueError(
                f"backbone: expected a module with .out_channels, the channels of its map, got {got}"
            )
        self.backbone = backbone
        self.pooling = pooling
        self.project = project
        if project == "after":
            self.linear: nn.Linear | nn.Conv2d = nn.Linear(channels, dim, bias=False)
        else:
            self.linear = nn.Conv2d(channels, dim, 1, bias=False)

    def features(self, images: Tensor) -> Tensor:
        """The map that the pooling sees: `(B, c, S, S) -> (B, C or dim, H, W)`."""
        _require_images(images)
        features = self.backbone(images)  # (B, C, H, W)
        return features if self.project == "after" else self.linear(features)

    def forward(self, images: Tensor) -> Tensor:
        pooled = self.pooling(self.features(images))  # (B, C or dim)
        return self.linear(pooled) if self.project == "after" else pooled  # (B, dim)

    def read(self, images: Tensor) -> Reading:
        """The forward pass with all that one may want to see of it: `(B, c, S, S) -> Reading`."""
        _require_images(images)
        if isinstance(self.backbone, Stages):
            features, maps, scores = self.backbone.read(images)
        else:
            features, maps, scores = self.backbone(images), {}, {}
        if self.project == "before":
            features = self.linear(features)
        pool = getattr(self.pooling, "pool", None)
        if pool is not None:
            vector, weights, attributes = pool(features)
        else:
            vector, weights, attributes = self.pooling(features), None, None
        embeddings = self.linear(vector) if self.project == "after" else vector  # (B, dim)
        return Reading(embeddings, vector, weights, attributes, maps=maps, scores=scores)


def _require_images(images: Tensor) -> None:
    require_floats(images=images)
    if images.ndim != 4 or 0 in images.shape:
        got = f"{images.dtype} {tuple(images.shape)}"
        raise ValueError(f"images: expected floating point of shape (B, c, S, S), not empty, got {got}")
