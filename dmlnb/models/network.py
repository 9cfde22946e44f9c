"""An embedding network: backbone, pooling and one linear map, in either order."""

import torch
from torch import Tensor, nn


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
        ValueError: if `dim` is not positive, `project` is unknown or `images` has the wrong shape.

    Taught in notebook 00.
    """

    def __init__(self, backbone: nn.Module, pooling: nn.Module, dim: int = 64, *, project: str = "after"):
        super().__init__()
        if dim < 1:
            raise ValueError(f"dim: expected a positive size, got {dim}")
        if project not in ("after", "before"):
            raise ValueError(f"project: expected 'after' or 'before' (pooling), got {project!r}")
        self.backbone = backbone
        self.pooling = pooling
        self.project = project
        if project == "after":
            self.linear = nn.Linear(backbone.out_channels, dim, bias=False)
        else:
            self.linear = nn.Conv2d(backbone.out_channels, dim, 1, bias=False)

    def features(self, images: Tensor) -> Tensor:
        """The map that the pooling sees: `(B, c, S, S) -> (B, C or dim, H, W)`."""
        if images.ndim != 4 or not images.is_floating_point():
            raise ValueError(
                f"images: expected floating point of shape (B, c, S, S), got {images.dtype} {tuple(images.shape)}"
            )
        features = self.backbone(images)  # (B, C, H, W)
        return features if self.project == "after" else self.linear(features)

    def forward(self, images: Tensor) -> Tensor:
        pooled = self.pooling(self.features(images))  # (B, C or dim)
        return self.linear(pooled) if self.project == "after" else pooled  # (B, dim)


@torch.inference_mode()
def embed(net: nn.Module, images: Tensor, *, batch_size: int = 256) -> Tensor:
    """Embeddings of a whole data set, in evaluation mode and without gradients.

    Args:
        net: an embedding network, `(B, c, S, S) -> (B, d)` (or anything `-> (B, ...)`, such as `net.features`).
        images: `(N, c, S, S)`, uint8 grey levels or floating point.
        batch_size: images at a time.

    Returns:
        `(N, d)` float32 on the CPU.

    Raises:
        ValueError: if there is no image.

    Taught in notebook 00.
    """
    from dmlnb.data import to_float

    if len(images) == 0:
        raise ValueError("images: expected at least one, got none")
    owner = getattr(net, "__self__", net)  # net.features is a bound method of its network
    device = next(owner.parameters(), images).device
    was_training = owner.training
    owner.eval()
    try:
        chunks = [net(to_float(chunk.to(device)).float()).float().cpu() for chunk in images.split(batch_size)]
    finally:
        owner.train(was_training)
    return torch.cat(chunks)
