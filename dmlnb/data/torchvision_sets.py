"""Omniglot and CIFAR-100 by torchvision, with classes of training, validation and test that are disjoint.

train = omniglot("~/data", "train", transform=photo_transforms(64))
train, test = (cifar100("~/data", s, transform=to_float) for s in ("train", "test"))
"""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from dmlnb.data.files import image_folder
from dmlnb.data.image_files import ImageFiles, restrict

SPLITS = ("train", "validation", "test")


def omniglot(
    root: str | os.PathLike, split: str, *, transform: Callable | None = None, download: bool = False
) -> ImageFiles:
    """Omniglot: characters of alphabets that training did not see.

    Training and validation are the 30 background alphabets, the last six in the order of their names for validation;
    test are the 20 evaluation alphabets. `Greek/character01` is a class.

    Args:
        root: the folder that holds `omniglot-py/`, as torchvision keeps it.
        split: `"train"`, `"validation"` or `"test"`.
        transform: see `ImageFiles`.
        download: let torchvision download what is missing (10 MB).

    Returns:
        The images of the split.

    Raises:
        ValueError: for another split.
        FileNotFoundError: if the folder is missing.
    """
    _require(split)
    root = Path(root).expanduser()
    background = split != "test"
    if download:
        from torchvision.datasets import Omniglot

        Omniglot(str(root), background=background, download=True)
    folder = root / "omniglot-py" / ("images_background" if background else "images_evaluation")
    if not folder.is_dir():
        raise FileNotFoundError(f"root: no {folder}; download=True lets torchvision fetch it")
    images = image_folder(folder, transform=transform)
    alphabets = sorted({name.partition("/")[0] for name in images.class_names})
    if background:
        alphabets = alphabets[:-6] if split == "train" else alphabets[-6:]
        images = images.of_classes(
            [c for c, name in enumerate(images.class_names) if name.partition("/")[0] in alphabets]
        )
    images.split = split
    return images


class ImageArrays(torch.utils.data.Dataset):
    """Images in memory: images `(N, 3, S, S)` uint8, labels `(N,)`, class_names; `[i] -> (image, label)`."""

    def __init__(
        self, images: Tensor, labels: Tensor, class_names: list[str], transform: Callable | None = None
    ):
        self.images, self.labels, self.class_names, self.transform = images, labels, class_names, transform
        self.num_classes = len(class_names)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple:
        image = self.images[index]
        return (image if self.transform is None else self.transform(image)), int(self.labels[index])


def cifar100(
    root: str | os.PathLike, split: str, *, transform: Callable | None = None, download: bool = False
) -> ImageArrays:
    """CIFAR-100: its 100 classes in the order of their names, 60 train, 20 validation, 20 test, 600 images each.

    Args:
        root: the folder that holds `cifar-100-python/`, as torchvision keeps it.
        split: `"train"`, `"validation"` or `"test"`; images of both original parts are in each.
        transform: applied to an image `(3, 32, 32)` uint8 on access.
        download: let torchvision download what is missing (170 MB).

    Returns:
        The images of the split.

    Raises:
        ValueError: for another split.
        FileNotFoundError: if the folder is missing or not complete.
    """
    from torchvision.datasets import CIFAR100

    _require(split)
    root = Path(root).expanduser()
    try:
        parts = [CIFAR100(str(root), train=train, download=download) for train in (True, False)]
    except RuntimeError as error:
        raise FileNotFoundError(f"root: {root}: {error}; download=True lets torchvision fetch it") from error
    names = list(parts[0].classes)
    order = sorted(range(len(names)), key=names.__getitem__)
    place = SPLITS.index(split)
    chosen = order[(0, 60, 80)[place] : (60, 80, 100)[place]]
    labels = torch.tensor([*parts[0].targets, *parts[1].targets])
    rows, labels, names = restrict(labels, names, chosen)
    images = torch.cat([torch.from_numpy(part.data) for part in parts])[rows]  # (N, 32, 32, 3)
    return ImageArrays(images.permute(0, 3, 1, 2).contiguous(), labels, names, transform)


def _require(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
