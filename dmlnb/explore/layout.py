"""UMAP for the explorer: in a process of its own, which can be watched and stopped, and kept in files.

A map is kept under `$DMLNB_DATA/maps` (`~/.cache/dmlnb/maps`), named by what it is made of: the embeddings' bytes, the
seed, the number of neighbours, and UMAP's version. So it is found again, and never for other embeddings.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from torch import Tensor

from dmlnb.data.glyph_masters import cache_folder
from dmlnb.explore.maps import umap_layout

PROGRAM = "from dmlnb.explore.layout import main; main()"


def neighbours_of(number: int) -> int:
    """UMAP's `neighbours` for so many points."""
    return min(15, number - 1)


def map_file(rows: Tensor, seed: int) -> Path:
    """Where the map of these rows `(N, d)` is kept."""
    rows = rows.contiguous().numpy()
    made_of = f"{rows.dtype} {rows.shape} {seed} {neighbours_of(len(rows))} {version('umap-learn')}"
    key = hashlib.sha256(made_of.encode() + rows.tobytes()).hexdigest()[:32]
    return cache_folder() / "maps" / f"{key}.npy"


def load_map(rows: Tensor, seed: int) -> np.ndarray | None:
    """The kept map `(N, 2)` of these rows; None if there is none, or no whole one."""
    try:
        points = np.load(map_file(rows, seed), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return points if points.shape == (len(rows), 2) and np.isfinite(points).all() else None


def store_map(rows: Tensor, seed: int, points: np.ndarray) -> None:
    """Keep a map; where no file can be written, do without."""
    file = map_file(rows, seed)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.stem}.{os.getpid()}.part.npy")
        np.save(part, points)
        part.replace(file)


class Layout:
    """UMAP of rows `(N, d)` in another process.

    layout = Layout(rows, seed=0)
    points = layout.run(print)  # shares of the way, 0 .. 1; returns (N, 2), or None if it was stopped
    layout.stop()               # from another thread
    """

    def __init__(self, rows: Tensor, seed: int):
        self.rows, self.seed = rows, seed
        self._process: subprocess.Popen | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def run(self, tell: Callable[[float], object]) -> np.ndarray | None:
        """Compute, and keep what comes out.

        Raises:
            RuntimeError: if the process ends without a map; with its last words.
        """
        with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "errors", "w+") as errors:
            np.save(Path(folder) / "rows.npy", self.rows.numpy())
            with self._lock:
                if self._stopped:
                    return None
                self._process = subprocess.Popen(
                    [sys.executable, "-c", PROGRAM, folder, str(self.seed)],
                    env=os.environ | {"PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)},
                    stdin=subprocess.PIPE,  # closes when this process ends, and then that one ends too
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
            with self._process as process:
                for line in process.stdout:
                    with contextlib.suppress(ValueError):  # other words are not for us
                        tell(float(line))
            if self._stopped:
                return None
            if process.returncode:
                errors.seek(0)
                words = errors.read().strip().splitlines() or [f"status {process.returncode}"]
                raise RuntimeError(f"UMAP failed: {words[-1]}")
            points = np.load(Path(folder) / "points.npy")
        store_map(self.rows, self.seed, points)
        return points

    def stop(self) -> None:
        """End it now; `run` returns None."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()


def main() -> None:
    """The other process: `rows.npy` in a folder -> `points.npy`, and on the way a share on each line."""
    import torch

    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    rows = torch.from_numpy(np.load(folder / "rows.npy"))
    tell = lambda share: print(share, flush=True)
    np.save(folder / "points.npy", umap_layout(rows, seed, neighbours_of(len(rows)), tell))
