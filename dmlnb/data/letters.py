"""Letters as a closed set to classify, with what each region holds: the task of notebook 06."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from dmlnb.data.glyphs import Glyphs


class Letters(NamedTuple):
    """Letters to classify: images `(N, 1, 32, 32)`, labels and masks as in `Glyphs`, and what each region holds.

    Attributes:
        content: `(N, 8, 8)`, what a region of 4x4 pixels shows: 2 some of the letter, 1 clutter but no letter, 0
            neither.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor
    content: Tensor
    class_names: list[str]


def cyrillic_letters(per_class: int = 100, *, seed: int = 0) -> Letters:
    """The 47 Cyrillic letters of `Glyphs("train")`, a closed set: notebooks on classification split it by `seed`.

    An image and its twin without clutter differ where clutter is; that, and the letter's mask, label the regions.

    Args:
        per_class: images per letter.
        seed: of everything random; other seeds give other images of the same letters.

    Taught in notebook 06.
    """
    data, clean = (
        Glyphs("train", per_class=per_class, seed=seed, clutter=c, scripts=("Cyrillic",)) for c in ((0, 4), 0)
    )
    clutter = (data.images.int() - clean.images.int()).abs() > 8  # (N, 1, 32, 32)
    some = lambda pixels, least: avg_pool2d(pixels.float(), 4)[:, 0] >= least  # (N, 8, 8)
    letter = some(data.masks[:, None], 2 / 16)
    content = torch.where(letter, 2, some(clutter, 4 / 16).long())
    return Letters(data.images, data.labels, data.masks, content, data.class_names)
