"""FeatureMaps: the last maps of a frozen backbone, computed once and kept in a file, so that heads train in seconds.

    images = image_folder("~/photos", transform=photo_transforms(224, **LITE0))
    maps = FeatureMaps.compute(lite0_backbone(), images, "~/maps")        # again after an interruption: it goes on
    maps[torch.tensor([5, 3])]                                            # (2, 320, 7, 7) float32
    split = class_split(maps.labels, (0.4, 0.1, 0.5))
    train = maps.of_classes(split.train)
    train, test = (m.divided_by(train.std()) for m in (train, maps.of_classes(split.test)))

The folder holds `maps.f16`, rows of float16 one after the other, and `maps.json`, what they are maps of. Rows are only
ever appended, so the length of the file says how far a computation came. Nothing in it is code.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dmlnb.data.image_files import restrict
from dmlnb.data.loading import Images
from dmlnb.data.map_file import ROWS, fill, make_record, one_at_a_time, read_record, row_bytes


def mirrored(images: Tensor) -> Tensor:
    """Images `(B, c, H, W)` with left and right exchanged; a view for `FeatureMaps.compute`."""
    if not isinstance(images, Tensor) or images.ndim != 4:
        raise ValueError(
            f"images: expected a tensor (B, c, H, W), got {getattr(images, 'shape', type(images).__name__)}"
        )
    return images.flip(-1)


class FeatureMaps:
    """Maps `(N, C, H, W)` in a file; indexed like a tensor, read from the file when they are asked for.

    Make them with `FeatureMaps.compute` or `FeatureMaps.load`. Memory holds the rows that were asked for and nothing
    else, however long the file is; a copy sent to another process opens the file there.

    Attributes:
        labels: `(N,)` int64.
        class_names: names of the classes; num_classes: how many.
        shape: `(N, C, H, W)`.
        record: what they are maps of: backbone, digest of its weights, transform, views, number of images.
        path: the folder.
        reads_batches: True: indexing by a tensor of indices gives a batch, `(B, C, H, W)` float32.
    """

    reads_batches = True

    def __init__(
        self, path: Path, record: dict, rows: Tensor, labels: Tensor, names: list[str], scale: float = 1.0
    ):
        self.path, self.record, self.scale = path, record, scale
        self._rows, self.labels, self.class_names = rows, labels, names
        self.num_classes = len(names)
        self.shape = (len(rows), *record["shape"])

    @classmethod
    def compute(
        cls,
        backbone: nn.Module,
        images: Images,
        path: str | os.PathLike,
        *,
        batch_size: int = 64,
        device: str | torch.device | None = None,
        views: Sequence[Callable[[Tensor], Tensor]] = (),
        workers: int = 0,
    ) -> FeatureMaps:
        """Compute the maps of all images, or those that are still missing at `path`.

        Whatever ends it (an error, a full disk, a kill), what is written stays, and the same call goes on there, also
        if files that were not read yet were mended or left out; a computation that is complete is only loaded.

        Args:
            backbone: `(B, c, S, S) -> (B, C, H, W)`; it runs in evaluation mode and is left as it was.
            images: `ImageFiles` with a transform, or another data set of `(image, label, ...)` with `.labels`;
                integer images become floating point as `to_float` does it. The transform should not be a random one.
            path: folder for the maps; it is made.
            batch_size: images in one pass.
            device: where to compute; by default where the backbone is.
            views: further views of each image, functions of a batch of images, such as `mirrored`. The maps of an
                image's views are rows of their own with its label; `view(0)` are the images as they are.
            workers: processes that read images.

        Returns:
            The maps.

        Raises:
            ValueError: if `path` holds maps of something else (one line says of what), for images that are no tensors,
                or for maps that are not finite in float16.
            OSError: if an image cannot be read, or the disk is full; names the file.
        """
        path = Path(path).expanduser()
        if batch_size != int(batch_size) or batch_size < 1:
            raise ValueError(f"batch_size: expected a whole number >= 1, got {batch_size}")
        labels = torch.as_tensor(getattr(images, "labels", [])).cpu()
        if labels.shape != (len(images),) or not len(labels):
            targets = (
                "; torchvision's are its .targets: set images.labels = images.targets, or take image_folder"
            )
            raise ValueError(
                f"images: expected a data set with .labels, one for each image, got {type(images).__name__}"
                + targets * hasattr(images, "targets")
            )
        record = make_record(backbone, images, labels, views)
        with one_at_a_time(path):
            fill(backbone, images, path, record, int(batch_size), device, views, workers)
        return cls.load(path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> FeatureMaps:
        """Open maps that `compute` made.

        Raises:
            FileNotFoundError: if there are none at `path`.
            ValueError: if they are not complete, or the record is damaged.
        """
        path = Path(path).expanduser()
        record = read_record(path)
        if record is None:
            raise FileNotFoundError(f"path: no maps at {path}; make them with FeatureMaps.compute")
        number, views = record["images"], 1 + len(record["views"])
        done = (path / ROWS).stat().st_size / row_bytes(record) if (path / ROWS).is_file() else 0
        if done != number * views:
            raise ValueError(
                f"path: {path} holds {int(done)} of {number * views} maps; call FeatureMaps.compute again to go on"
            )
        labels = torch.tensor(record["labels"]).repeat_interleave(views)
        return cls(path, record, torch.arange(number * views), labels, record["class_names"])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice | Tensor | np.ndarray | Sequence[int]) -> Tensor:
        """Indexed like a tensor: indices, a mask or a slice -> `(B, C, H, W)` float32; an int -> one map."""
        rows = self._rows[index.cpu() if isinstance(index, Tensor) else index]
        # mapped anew each time: what was read does not stay in this process's memory
        file = np.memmap(self.path / ROWS, "<f2", "r", shape=self._file_shape())
        chosen = np.asarray(file[rows.numpy()], dtype=np.float16)  # bytes in the order of this machine
        maps = torch.from_numpy(chosen).float()  # torch widens three times as fast as NumPy
        return maps if self.scale == 1 else maps.div_(self.scale)

    def of_classes(self, classes: Tensor | Sequence[int]) -> FeatureMaps:
        """The maps of some classes only, numbered 0 .. in the order given; see `ImageFiles.of_classes`."""
        rows, labels, names = restrict(self.labels, self.class_names, classes)
        return FeatureMaps(self.path, self.record, self._rows[rows], labels, names, self.scale)

    def view(self, number: int) -> FeatureMaps:
        """The maps of one view of every image: 0 for the images as they are, 1 for the first of `views` ..."""
        views = 1 + len(self.record["views"])
        if not 0 <= number < views:
            raise ValueError(f"number: expected a view 0 .. {views - 1}, got {number}")
        here = self._rows % views == number
        return FeatureMaps(
            self.path, self.record, self._rows[here], self.labels[here], self.class_names, self.scale
        )

    def std(self, chunk: int = 256) -> float:
        """Standard deviation of all numbers in these maps; of training maps, a good unit for all of them."""
        total = squares = 0.0
        for start in range(0, len(self), chunk):
            maps = self[start : start + chunk].double()
            total, squares = total + maps.sum().item(), squares + maps.square().sum().item()
        number = math.prod(self.shape)
        return math.sqrt(max(0.0, squares / number - (total / number) ** 2))

    def divided_by(self, scale: float) -> FeatureMaps:
        """The same maps, each number divided by `scale` when it is read."""
        if not 0 < scale < math.inf:
            raise ValueError(f"scale: expected a finite number > 0, got {scale}")
        return FeatureMaps(
            self.path, self.record, self._rows, self.labels, self.class_names, self.scale * float(scale)
        )

    def _file_shape(self) -> tuple[int, ...]:
        return (self.record["images"] * (1 + len(self.record["views"])), *self.record["shape"])
