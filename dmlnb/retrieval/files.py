"""Tensors and a few words in one safetensors file: nothing in it is code, and it is written whole or not at all."""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dmlnb import __version__


def save_tensors(
    path: str | os.PathLike, kind: str, tensors: Mapping[str, Tensor], words: Mapping[str, str]
) -> None:
    """Write `tensors` and `words` to `path` as a file of this kind, replacing what is there in one step.

    `~` is the home folder, folders are made, a link stays a link, and the file's mode follows the umask.

    Raises:
        ValueError: if `path` is a folder.
        OSError: if it cannot be written; what was there stays.
    """
    target = Path(os.path.realpath(Path(path).expanduser()))
    if target.is_dir():
        raise ValueError(f"path: expected a file, got the folder {path}")
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = part.stat().st_mode
        save_file(plain, part, metadata={**words, "kind": kind, "dmlnb": __version__})
        part.chmod(mode)  # safetensors makes its file for the owner alone
        os.replace(part, target)
    except SafetensorError as error:  # such as a full disk
        raise OSError(f"path: could not write {path} ({error}); what was there before is intact") from error
    finally:
        part.unlink(missing_ok=True)


def load_tensors(path: str | os.PathLike, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors, copied out of the file, and words of a file of this kind.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is a folder, no whole safetensors file, or a file of another kind.
    """
    source = Path(path).expanduser()
    if source.is_dir():
        raise ValueError(f"path: expected a file, got the folder {path}")
    if not source.exists():
        raise FileNotFoundError(f"path: found no file {path}")
    try:
        with safe_open(source, framework="pt") as file:
            words = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"path: expected a whole safetensors file, got {path} ({error})") from None
    if words.get("kind") != kind:
        raise ValueError(f"path: expected a file of kind {kind!r}, got {path} of kind {words.get('kind')!r}")
    return tensors, words
