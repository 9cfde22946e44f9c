"""What a million images would take: memory and processor time of an index, its search, and stored maps, by size.

    OMP_NUM_THREADS=1 python -m timings.scale                            # up to 20,000 embeddings, a minute
    OMP_NUM_THREADS=1 DMLNB_MAPS=data/birds_maps python -m timings.scale 20000 50000 200000

prints a table; nothing is written. See timings/README.md for how to read it.
"""

import os
import resource
import sys
import time

import torch

from dmlnb.data import FeatureMaps
from dmlnb.models import CachedBackbone, EmbeddingNet, embed
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.retrieval import Index, evaluate

DIM, QUERIES, K, EACH = 128, 500, 100, 50  # EACH: images of a class


def simulated(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings of classes that overlap: a centre of each, and as much noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(number) // EACH
    centres = torch.randn(int(labels.max()) + 1, DIM, generator=generator)
    return centres[labels] + torch.randn(number, DIM, generator=generator), labels


def seconds(job) -> tuple[float, object]:
    """Processor time of a job, and what it gives; one thread, so it is the time on an idle core."""
    began = time.process_time()
    found = job()
    return time.process_time() - began, found


def megabytes() -> float:
    """The highest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def retrieval(number: int) -> None:
    x, labels = simulated(number)
    before = megabytes()
    built, index = seconds(lambda: Index(x, labels))
    first, _ = seconds(lambda: index.search(x[:1], K))  # rows are copied in float32 at the first search
    searched, _ = seconds(lambda: index.search(x[:QUERIES], K))
    each = searched / QUERIES
    evaluated = (
        f"{seconds(lambda: evaluate(x, labels))[0]:.0f}" if number <= 20_000 else f"~{each * number:.0f}"
    )
    print(
        f"{number:9,d} rows: built {built + first:6.1f} s, +{megabytes() - before:6.0f} MB at the highest; "
        f"a query {1000 * each:6.2f} ms; all among all {evaluated} s"
    )


def maps(folder: str) -> None:
    """Stored maps, read through once: by a head with average pooling."""
    stored = FeatureMaps.load(folder).view(0)
    net = EmbeddingNet(CachedBackbone(stored.shape[1]), GlobalAveragePooling(), DIM)
    began = time.perf_counter()
    busy, _ = seconds(lambda: embed(net, stored))
    size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
    print(
        f"maps {tuple(stored.shape[1:])}: {len(stored):,d} images; {size / 2**20:.0f} MB in the folder, all views; "
        f"{1e6 * busy / len(stored):.0f} s of one core a million ({time.perf_counter() - began:.1f} s by the clock)"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    for number in map(int, sys.argv[1:] or ["5000", "20000"]):
        retrieval(number)
    if "DMLNB_MAPS" in os.environ:
        maps(os.environ["DMLNB_MAPS"])
