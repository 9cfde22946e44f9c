"""The folder of `FeatureMaps`: a record of what the maps are maps of, and rows that are only ever appended.

The record is written before the first row, the length of the file of rows says how far a computation came, and a lock
keeps a second computation out.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dmlnb._inputs import evaluating
from dmlnb.data.augment import to_float
from dmlnb.data.loading import Images, load_batches
from dmlnb.data.names import digest, name_of, same_name, sample_of

ROWS, RECORD = "maps.f16", "maps.json"
_STAMP = ("backbone", "weights", "transform", "views", "images", "files", "shape")


def make_record(backbone: nn.Module, images: Images, labels: Tensor, views: Sequence[Callable]) -> dict:
    """What the maps are maps of, as it is stored; the shape is not known yet."""
    # layers without weights count too: the same weights before another activation give other maps
    state = hashlib.sha256(" ".join(type(module).__name__ for module in backbone.modules()).encode())
    for key, value in backbone.state_dict().items():
        value = value.detach().cpu().contiguous()
        state.update(f"{key} {value.dtype} {tuple(value.shape)} ".encode())
        state.update(value.reshape(-1).view(torch.uint8).numpy())
    lines = _file_lines(getattr(images, "paths", ()))
    names = getattr(images, "class_names", None) or [str(c) for c in range(int(labels.max()) + 1)]
    return {
        "backbone": str(getattr(backbone, "name", type(backbone).__name__)),
        "weights": state.hexdigest(),
        "transform": str(name_of(getattr(images, "transform", None))),
        "views": [str(name_of(view)) for view in views],
        "images": len(images),
        "files": _files_digest(images, labels, lines),
        "each": [hashlib.sha256(line).hexdigest()[:8] for line in lines],
        "shape": None,
        "class_names": [str(name) for name in names],
        "labels": labels.tolist(),
    }


def _files_digest(images: Images, labels: Tensor, lines: Sequence[bytes]) -> str:
    """Digest of the labels and of the files' lines, or of the images where they lie in memory."""
    found = hashlib.sha256(repr(labels.tolist()).encode())
    if lines:
        found.update(b"".join(lines))
    elif isinstance(within := getattr(images, "images", None), Tensor):
        found.update(within.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    else:  # as a name: older records hold the digest of the labels alone
        some, _ = next(load_batches(images, None, [sample_of(len(images))], [0]))
        return f"{found.hexdigest()} #{digest([some])}"
    return found.hexdigest()


def _file_lines(paths: Sequence[str | os.PathLike]) -> list[bytes]:
    """Of each file a line with its name and size."""
    if not paths:
        return []
    whole = [os.path.abspath(path) for path in paths]  # a table may name both kinds
    above = os.path.commonpath([os.path.dirname(path) for path in whole])
    # relative: the folder may move; names may hold bytes that are no UTF-8
    return [os.fsencode(f"{os.path.relpath(path, above)} {os.path.getsize(path)}\n") for path in whole]


def row_bytes(record: dict) -> int:
    """Bytes of one map: two for each number."""
    return 2 * math.prod(record["shape"])


def read_record(path: Path) -> dict | None:
    """The record in the folder `path`, or None if there is none; ValueError if it is damaged."""
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


def _refuse_other(path: Path, old: dict, new: dict, images: Images, written: int) -> None:
    """ValueError unless the maps that are written are those of the new record.

    Files that an unfinished computation has still to read may have changed: mended, or left out.
    """
    went_on = written < old["images"] and _same_head(old, new, written)
    for key in _STAMP:
        if key == "shape" or (went_on and key in ("images", "files")) or same_name(old[key], new[key]):
            continue
        was, now = _where_they_differ(str(old[key]), str(new[key]))
        what = f"{was}, now {now}"
        if key == "files":
            pairs = zip(old.get("each", ()), new["each"], getattr(images, "paths", ()), strict=False)
            what = next((f"{file} is the first" for a, b, file in pairs if a != b), what)
        raise ValueError(f"path: {path} holds maps of other {key}: {what}; choose another path, or delete it")


def _same_head(old: dict, new: dict, number: int) -> bool:
    """Whether the first files and their labels are the same, as far as the old record names each file."""
    heads = [[record.get(key, ())[:number] for key in ("each", "labels")] for record in (old, new)]
    return heads[0] == heads[1] and len(heads[0][0]) == number


def fill(
    backbone: nn.Module,
    images: Images,
    path: Path,
    record: dict,
    batch_size: int,
    device: str | torch.device | None,
    views: Sequence[Callable[[Tensor], Tensor]],
    workers: int,
) -> None:
    """Append the rows that are missing, in whole batches, so that an interruption changes no number."""
    from tqdm import tqdm

    old = read_record(path)
    number, per_image = len(images), 1 + len(views)
    done = 0
    if old is not None:
        record["shape"] = old["shape"]
        if (path / ROWS).is_file():
            done = (path / ROWS).stat().st_size // (row_bytes(record) * per_image)
        _refuse_other(path, old, record, images, done)
        done = min(done, number)
        if not same_name(old["files"], record["files"]):
            if done:  # half a row may follow
                os.truncate(path / ROWS, done * per_image * row_bytes(record))
            _write_record(path, record)
        if done < number:
            done -= done % batch_size
    elif (path / ROWS).exists():
        raise ValueError(f"path: {path} holds {ROWS} without {RECORD}; choose another path, or delete it")
    if done == number:
        return
    batches = torch.arange(number).split(batch_size)
    rest = load_batches(images, None, batches, range(done // batch_size, len(batches)), workers=workers)
    home = next(backbone.parameters(), torch.empty(0)).device
    device = home if device is None else torch.device(device)
    try:
        backbone.to(device)
        with (
            evaluating(backbone),
            torch.no_grad(),
            tqdm(total=number, initial=done, desc="maps", unit="image", disable=None) as bar,
            closing(rest),
        ):
            for batch, _ in rest:
                # convolutions are faster in channels_last
                batch = to_float(batch).to(device, memory_format=torch.channels_last)
                maps = [backbone(view(batch)) for view in (_as_it_is, *views)]  # V times (B, C, H, W)
                rows = _half(torch.stack(maps, dim=1).flatten(0, 1), path)  # (B V, C, H, W)
                if record["shape"] is None:
                    record["shape"] = list(rows.shape[1:])
                    _require_room(path, number * per_image * row_bytes(record))
                    _write_record(path, record)
                append(path / ROWS, rows, done * per_image * row_bytes(record))
                done += len(batch)
                bar.update(len(batch))
    finally:
        backbone.to(home)


def _as_it_is(images: Tensor) -> Tensor:
    return images


def _half(maps: Tensor, path: Path) -> np.ndarray:
    if maps.ndim != 4:
        raise ValueError(f"backbone: expected maps (B, C, H, W), got {tuple(maps.shape)}")
    rows = maps.half()
    if not torch.isfinite(rows).all():
        raise ValueError(
            f"backbone: expected maps that are finite in float16, got {maps.abs().max().item():g}"
        )
    return rows.cpu().contiguous().numpy().astype("<f2", copy=False)


def append(file: Path, rows: np.ndarray, position: int) -> None:
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
def one_at_a_time(path: Path) -> Iterator[None]:
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
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"path: another process is writing maps to {path}") from error
        try:
            yield
        finally:
            fcntl.flock(folder, fcntl.LOCK_UN)  # closing would leave it to workers that were forked meanwhile
    finally:
        os.close(folder)


def _where_they_differ(old: str, new: str) -> tuple[str, str]:
    """Two texts that differ, cut to a readable length around the first place where they do."""
    old, new = (" ".join(text.split()) for text in (old, new))
    same = next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
    )
    start = max(0, same - 40)
    cut = lambda text: "…" * (start > 0) + text[start : start + 100] + "…" * (len(text) > start + 100)
    return cut(old), cut(new)
