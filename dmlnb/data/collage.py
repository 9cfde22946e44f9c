"""Collages: two letters of different classes side by side in one image, each half with its own label and mask.

They ask a network for more than one class an image: a local feature should know the letter of its own half. Nothing is
downloaded; the halves are images of `Glyphs`.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d

from dmlnb._inputs import is_whole
from dmlnb.data.glyphs import Glyphs, uniform


class Collages(torch.utils.data.Dataset):
    """Pairs of letters side by side.

    Collage t depends on (seed, t) and the arguments of the halves only, so fewer collages are the first of more.

    Args:
        split: `"train"`, `"validation"` or `"test"`, as in `Glyphs`.
        number: of collages, >= 1.
        size: side of each half, pixels; a collage is size high and 2 size wide.
        clutter, noise: of the halves, as in `Glyphs`.
        per_class: images per letter from which halves are drawn.
        seed: of the letters and of the pairs. Take another seed than the training set's,
            so that no half was trained on.

    Attributes:
        images: `(N, 1, size, 2 size)` uint8.
        labels: `(N, 2)` int64, class of the left and of the right half; always two different classes.
        masks: `(N, 2, size, 2 size)` bool, where the left and where the right letter is.
        class_names: the letters; class indices are those of `Glyphs(split)`.
        num_classes: C.

    Raises:
        ValueError: if `number` is below 1; otherwise as `Glyphs`.

    Taught in notebook 05.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor
    class_names: list[str]

    def __init__(
        self,
        split: str = "train",
        *,
        number: int = 500,
        size: int = 32,
        clutter: int | tuple[int, int] = (0, 4),
        noise: float = 0.05,
        per_class: int = 4,
        seed: int = 0,
    ):
        if not (is_whole(number) and number >= 1):
            raise ValueError(f"number: expected at least 1 collage, a whole number, got {number}")
        number, per_class = int(number), int(per_class) if is_whole(per_class) else per_class
        glyphs = Glyphs(split, size=size, clutter=clutter, noise=noise, per_class=per_class, seed=seed)
        self.class_names, self.num_classes = glyphs.class_names, glyphs.num_classes
        u = torch.from_numpy(uniform(seed, np.arange(number), 4, stream=5))
        left = (u[:, 0] * self.num_classes).long()
        step = 1 + (u[:, 1] * (self.num_classes - 1)).long()  # 1 .. C - 1: never the same class
        self.labels = torch.stack([left, (left + step) % self.num_classes], dim=1)
        chosen = self.labels * per_class + (u[:, 2:] * per_class).long()  # (N, 2) images of Glyphs
        self.images = torch.cat([glyphs.images[chosen[:, 0]], glyphs.images[chosen[:, 1]]], dim=3)
        self.masks = torch.zeros(number, 2, size, 2 * size, dtype=torch.bool)
        self.masks[:, 0, :, :size] = glyphs.masks[chosen[:, 0]]
        self.masks[:, 1, :, size:] = glyphs.masks[chosen[:, 1]]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        return self.images[index], self.labels[index], self.masks[index]

    def region_labels(self, height: int, width: int) -> Tensor:
        """The class of the half in which each region of a map lies: `(N, height, width)`; the width is even."""
        if height < 1 or width < 2 or width % 2:
            raise ValueError(f"height, width: expected a map with an even width, got {height}, {width}")
        return self.labels.repeat_interleave(width // 2, dim=1)[:, None].expand(-1, height, -1)

    def region_masks(self, height: int, width: int) -> Tensor:
        """Whether each region of a `(height, width)` map holds ink of a letter: `(N, height, width)` bool."""
        ink = self.masks.any(dim=1).float()
        return adaptive_max_pool2d(ink[:, None], (height, width))[:, 0] > 0
