"""Which prototype wins which region, drawn beside the image."""

import torch
from matplotlib.colors import ListedColormap

from dmlnb.explore.figures import class_colors, new_figure, style


def assignment_maps(images, winners, *, num_prototypes: int):
    """Images above, and below each its regions coloured by the prototype that wins them.

    Args:
        images: `(N, 1, S, S)`.
        winners: `(N, H, W)` indices in 0 .. num_prototypes - 1.
        num_prototypes: m.

    Raises:
        ValueError: if there are not as many maps as images.

    Taught in notebook 01.
    """
    images, winners = torch.as_tensor(images)[:, 0].numpy(), torch.as_tensor(winners).numpy()
    if winners.ndim != 3 or len(winners) != len(images):
        raise ValueError(f"winners: expected ({len(images)}, H, W), got {winners.shape}")
    with style():
        figure, axes = new_figure(0.95 * len(images) + 0.9, 2.2, rows=2, columns=len(images), squeeze=False)
        for column, (image, winner) in enumerate(zip(images, winners, strict=True)):
            axes[0, column].imshow(image, cmap="gray")
            picture = axes[1, column].imshow(
                winner,
                cmap=ListedColormap(class_colors(num_prototypes)),
                vmin=-0.5,
                vmax=num_prototypes - 0.5,
            )
        for axis in axes.flat:
            axis.set(xticks=[], yticks=[])
        figure.colorbar(
            picture, ax=axes[1, :].tolist(), label="prototype", ticks=range(num_prototypes), shrink=0.9
        )
    return figure
