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

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dmlnb.data.augment import to_float
from dmlnb.data.files import restrict

ROWS, RECORD = "maps.f16", "maps.json"
_STAMP = ("backbone", "weights", "transform", "views", "images", "files", "shape")


def mirrored(images: Tensor) -> Tensor:
    """Images `(B, c, H, W)` with left and right exchanged; a view for `FeatureMaps.compute`."""
    return images.flip(-1)


class FeatureMaps:
    """Maps `(N, C, H, W)` in a file; indexed like a tensor, read from the file when they are asked for.

    Make them with `FeatureMaps.compute` or `FeatureMaps.load`. Memory holds the rows that were asked for and nothing
    else, however long the file is; a copy sent to another process opens the file there.

    Attributes:
        labels: `(N,)` int64.
        class_names: C names.
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
        self.shape = (len(rows), *record["shape"])

    @classmethod
    def compute(
        cls,
        backbone: nn.Module,
        images,
        path: str | os.PathLike,
        *,
        batch_size: int = 64,
        device: str | torch.device | None = None,
        views: Sequence[Callable[[Tensor], Tensor]] = (),
        workers: int = 0,
    ) -> FeatureMaps:
        """Compute the maps of all images, or those that are still missing at `path`.

        Whatever ends it (an error, a full disk, a kill), what is written stays, and the same call goes on there; a
        computation that is complete is only loaded.

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
        labels = torch.as_tensor(getattr(images, "labels", None) if hasattr(images, "labels") else [])
        if labels.shape != (len(images),) or not len(labels):
            raise ValueError(
                f"images: expected a data set with .labels, one for each image, got {type(images).__name__}"
            )
        record = _record(backbone, images, labels, views)
        with _one_at_a_time(path):
            _fill(backbone, images, path, record, int(batch_size), device, views, workers)
        return cls.load(path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> FeatureMaps:
        """Open maps that `compute` made.

        Raises:
            FileNotFoundError: if there are none at `path`.
            ValueError: if they are not complete, or the record is damaged.
        """
        path = Path(path).expanduser()
        record = _read_record(path)
        if record is None:
            raise FileNotFoundError(f"path: no maps at {path}; make them with FeatureMaps.compute")
        number, views = record["images"], 1 + len(record["views"])
        done = (path / ROWS).stat().st_size / _row_bytes(record) if (path / ROWS).is_file() else 0
        if done != number * views:
            raise ValueError(
                f"path: {path} holds {int(done)} of {number * views} maps; call FeatureMaps.compute again to go on"
            )
        labels = torch.tensor(record["labels"]).repeat_interleave(views)
        return cls(path, record, torch.arange(number * views), labels, record["class_names"])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index) -> Tensor:
        """Indexed like a tensor: indices, a mask or a slice -> `(B, C, H, W)` float32; an int -> one map."""
        rows = self._rows[index]
        # mapped anew each time: what was read does not stay in this process's memory
        file = np.memmap(self.path / ROWS, "<f2", "r", shape=self._file_shape())
        maps = torch.from_numpy(file[rows.numpy()].astype(np.float32))
        return maps if self.scale == 1 else maps / self.scale

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


def _record(backbone: nn.Module, images, labels: Tensor, views: Sequence[Callable]) -> dict:
    """What the maps are maps of, as it is stored; the shape is not known yet."""
    # layers without weights count too: the same weights before another activation give other maps
    state = hashlib.sha256(" ".join(type(module).__name__ for module in backbone.modules()).encode())
    for key, value in backbone.state_dict().items():
        value = value.detach().cpu().contiguous()
        state.update(f"{key} {value.dtype} {tuple(value.shape)} ".encode())
        state.update(value.reshape(-1).view(torch.uint8).numpy())
    names = getattr(images, "class_names", None) or [str(c) for c in range(int(labels.max()) + 1)]
    return {
        "backbone": str(getattr(backbone, "name", type(backbone).__name__)),
        "weights": state.hexdigest(),
        "transform": repr(getattr(images, "transform", None)),
        "views": [getattr(view, "__qualname__", repr(view)) for view in views],
        "images": len(images),
        "files": _files_digest(images, labels),
        "shape": None,
        "class_names": [str(name) for name in names],
        "labels": labels.tolist(),
    }


def _files_digest(images, labels: Tensor) -> str:
    """Digest of the labels and of the files' names and sizes, or of the images where they lie in memory."""
    digest = hashlib.sha256(repr(labels.tolist()).encode())
    if hasattr(images, "paths"):
        above = os.path.commonpath([os.path.dirname(path) for path in images.paths])
        for path in images.paths:  # relative: the folder may move
            digest.update(f"{os.path.relpath(path, above)} {os.path.getsize(path)}\n".encode())
    elif isinstance(getattr(images, "images", None), Tensor):
        digest.update(images.images.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _row_bytes(record: dict) -> int:
    return 2 * math.prod(record["shape"])


def _read_record(path: Path) -> dict | None:
    if not (path / RECORD).is_file():
        return None
    try:
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
        if not isinstance(record, dict) or not {*_STAMP, "labels", "class_names"} <= record.keys():
            raise ValueError("entries are missing")
    except ValueError as error:
        raise ValueError(
            f"path: {path / RECORD} is no record of maps ({error}); delete {path} to start anew"
        ) from error
    return record


def _refuse_other(path: Path, old: dict, new: dict) -> None:
    for key in _STAMP:
        if key != "shape" and old[key] != new[key]:
            was, now = (
                value[:12] + "…" if key in ("weights", "files") else value for value in (old[key], new[key])
            )
            raise ValueError(
                f"path: {path} holds maps of other {key}: {was}, now {now}; choose another path, or delete it"
            )


def _fill(backbone, images, path: Path, record: dict, batch_size: int, device, views, workers: int) -> None:
    """Append the rows that are missing, in whole batches, so that an interruption changes no number."""
    from tqdm import tqdm

    old = _read_record(path)
    if old is not None:
        _refuse_other(path, old, record)
        record["shape"] = old["shape"]
    elif (path / ROWS).exists():
        raise ValueError(f"path: {path} holds {ROWS} without {RECORD}; choose another path, or delete it")
    number, per_image = len(images), 1 + len(views)
    done = 0
    if old is not None and (path / ROWS).is_file():
        done = min((path / ROWS).stat().st_size // (_row_bytes(record) * per_image), number)
        if done < number:
            done -= done % batch_size
    if done == number:
        return
    rest = torch.utils.data.Subset(images, range(done, number))
    loader = torch.utils.data.DataLoader(rest, batch_size, num_workers=workers, collate_fn=_images_only)
    home = next(backbone.parameters(), torch.empty(0)).device
    device = home if device is None else torch.device(device)
    modes = {module: module.training for module in backbone.modules()}
    try:
        backbone.to(device).eval()
        with (
            torch.no_grad(),
            tqdm(total=number, initial=done, desc="maps", unit="image", disable=None) as bar,
        ):
            for batch in loader:
                batch = batch.to(device, memory_format=torch.channels_last)  # convolutions are faster so
                maps = torch.stack(
                    [backbone(view(batch)) for view in (_as_it_is, *views)], dim=1
                )  # (B, V, C, H, W)
                rows = _half(maps.flatten(0, 1), path)
                if record["shape"] is None:
                    record["shape"] = list(rows.shape[1:])
                    _require_room(path, number * per_image * _row_bytes(record))
                    _write_record(path, record)
                _append(path / ROWS, rows, done * per_image * _row_bytes(record))
                done += len(batch)
                bar.update(len(batch))
    finally:
        backbone.to(home)
        for module, training in modes.items():
            module.training = training


def _as_it_is(images: Tensor) -> Tensor:
    return images


def _images_only(samples: list[tuple]) -> Tensor:
    wrong = next((type(s[0]).__name__ for s in samples if not isinstance(s[0], Tensor)), None)
    if wrong:
        raise ValueError(
            f"images: expected tensors, got {wrong}; give a transform, such as photo_transforms(224)"
        )
    shapes = {tuple(s[0].shape) for s in samples}
    if len(shapes) > 1:
        raise ValueError(
            f"images: expected one shape, got {sorted(shapes)}; the transform must cut a square of one size"
        )
    return to_float(torch.stack([s[0] for s in samples]))


def _half(maps: Tensor, path: Path) -> np.ndarray:
    if maps.ndim != 4:
        raise ValueError(f"backbone: expected maps (B, C, H, W), got {tuple(maps.shape)}")
    rows = maps.half()
    if not torch.isfinite(rows).all():
        raise ValueError(
            f"backbone: expected maps that are finite in float16, got {maps.abs().max().item():g}"
        )
    return rows.cpu().contiguous().numpy().astype("<f2", copy=False)


def _append(file: Path, rows: np.ndarray, position: int) -> None:
    """Write rows at the end that counts; what an interrupted run left behind it is overwritten or cut off."""
    try:
        with file.open("r+b" if file.exists() else "w+b", buffering=0) as handle:
            if handle.seek(0, os.SEEK_END) > position:
                handle.truncate(position)
            handle.seek(position)
            left = memoryview(rows.tobytes())
            while left:
                left = left[handle.write(left) :]
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write the maps ({error.strerror}); call again to go on", str(file)
        ) from error


def _require_room(path: Path, needed: int) -> None:
    import shutil

    free = shutil.disk_usage(path).free
    if free < needed:
        raise OSError(
            f"path: the maps need {needed / 2**20:,.0f} MiB, {path} has {free / 2**20:,.0f} MiB left"
        )


def _write_record(path: Path, record: dict) -> None:
    """Whole or not at all; under the folder's lock nobody else writes."""
    part = path / f"{RECORD}.part"
    try:
        part.write_text(json.dumps(record), encoding="utf-8")
        os.replace(part, path / RECORD)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Hold the folder's lock, where the system has such locks; it falls when the process ends, however that happens."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"path: expected a folder for the maps, got the file {path}")
    path.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        yield
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ValueError(f"path: another process is writing maps to {path}") from error
    finally:
        os.close(folder)
