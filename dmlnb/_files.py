"""Files of tensors and words: nothing in them is code, and they are written whole or not at all.

What is read is copied out of the file: nothing goes on living in it, so that it may be replaced at any time (Windows
refuses to replace a file that a program still maps into its memory).
"""

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dmlnb import __version__


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A file to write to beside `path`, which takes its place in one step if the block ends well, else goes.

    `~` is the home folder, folders are made, a link stays a link, and a file that is there keeps its mode; a new one's
    follows the umask.

    Raises:
        ValueError: if `path` is a folder.
    """
    target = Path(os.path.realpath(Path(path).expanduser()))
    if target.is_dir():
        raise ValueError(f"path: expected a file, got the folder {path}")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        part.touch()  # has the mode that the umask wants
        mode = (target if target.exists() else part).stat().st_mode & 0o777
        yield part
        part.chmod(mode)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def write_tensors(path: str | os.PathLike, tensors: Mapping[str, Tensor], words: Mapping[str, str]) -> None:
    """Write tensors and words to a safetensors file, with this package's version among the words.

    Raises:
        ValueError: if `path` is a folder.
        OSError: if it cannot be written, as on a full disk; what was there stays.
    """
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    try:
        with replacing(path) as part:
            save_file(plain, part, metadata={**words, "dmlnb": __version__})
    except SafetensorError as error:
        raise OSError(f"path: could not write {path} ({error}); what was there before is intact") from error


def read_tensors(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and words of a safetensors file.

    Raises:
        SafetensorError: if it is none, or not whole.
    """
    with safe_open(Path(path).expanduser(), framework="pt") as file:
        return {name: file.get_tensor(name).clone() for name in file.keys()}, file.metadata() or {}


def save_tensors(
    path: str | os.PathLike, kind: str, tensors: Mapping[str, Tensor], words: Mapping[str, str]
) -> None:
    """Write `tensors` and `words` as a file of this kind; raises as `write_tensors`."""
    write_tensors(path, tensors, {**words, "kind": kind})


def load_tensors(path: str | os.PathLike, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and words of a file of this kind.

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
        tensors, words = read_tensors(source)
    except SafetensorError as error:
        raise ValueError(f"path: expected a whole safetensors file, got {path} ({error})") from None
    if words.get("kind") != kind:
        raise ValueError(f"path: expected a file of kind {kind!r}, got {path} of kind {words.get('kind')!r}")
    return tensors, words
