"""How fast stored maps are read: beside the same bytes of the same file, widened to float32, and nothing else.

    OMP_NUM_THREADS=1 python -m timings.maps

prints a table; nothing is left behind. See timings/README.md for how to read it.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from dmlnb.data import FeatureMaps
from timings._clock import milliseconds

SHAPE, BATCH = (320, 7, 7), 64


class Made(Dataset):
    """Maps that are made up, in place of images."""

    def __init__(self, number: int):
        self.labels = torch.arange(number) % 8

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.randn(SHAPE), int(self.labels[index])


def main(quick: bool = False) -> None:
    images, rounds = (128, 1) if quick else (2048, 7)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        maps = FeatureMaps.compute(nn.Identity(), Made(images), folder)
        file = np.memmap(Path(folder) / "maps.f16", "<f2", "r", shape=(images, *SHAPE))
        print(f"{images} maps of {SHAPE}, {BATCH} at a time, {file.nbytes / 2**20:.0f} MiB in the file\n")
        for name, order in (("in order", torch.arange(images)), ("shuffled", torch.randperm(images))):
            batches = order.split(BATCH)

            def floor(batches=batches) -> None:
                for rows in batches:
                    torch.from_numpy(file[rows.numpy()]).float()

            def ours(batches=batches) -> None:
                for rows in batches:
                    maps[rows]

            took = milliseconds({"floor": floor, "ours": ours}, rounds)
            speed = 2 * file.nbytes / 2**30 / (took["ours"] / 1000)
            print(f"{name}: {took['ours'] / took['floor']:.2f} of the floor, {speed:.1f} GiB/s of float32")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
