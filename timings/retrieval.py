"""What exact retrieval costs, in time and memory: a report of all rows beside pytorch-metric-learning's.

    OMP_NUM_THREADS=1 python -m timings.retrieval          # two minutes

prints a table; nothing is written. Each line runs in processes of its own. See timings/README.md for how to read it.
"""

import importlib.util
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

# rows, dimensions, rows of a class; the last line: one class holds half of the rows, and 20 rows each the others
SIZES = {
    "20 a class, 128-d": (20_000, 128, 20, 0),
    "20 a class, 512-d": (20_000, 512, 20, 0),
    "10,000 classes": (20_000, 512, 2, 0),
    "one class of 4,000": (8_000, 128, 20, 4_000),
}


def simulated(number: int, dim: int, each: int, largest: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings (N, d) of classes that overlap, a centre of each and more noise, and labels (N,)."""
    generator = torch.Generator().manual_seed(0)
    labels = 1 + torch.arange(number) // each
    labels[:largest] = 0
    centres = torch.randn(int(labels.max()) + 1, dim, generator=generator)
    return centres[labels] + 2 * torch.randn(number, dim, generator=generator), labels


def ours(x: torch.Tensor, labels: torch.Tensor) -> float:
    from dmlnb.retrieval import evaluate

    return evaluate(x, labels).map_at_r


def theirs(x: torch.Tensor, labels: torch.Tensor) -> float:
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    measures = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    calculator = AccuracyCalculator(include=measures, k="max_bin_count", device=torch.device("cpu"))
    report = calculator.get_accuracy(torch.nn.functional.normalize(x), labels)
    return report["mean_average_precision_at_r"]


def measured(job: Callable, size: tuple[int, int, int, int]) -> tuple[float, float, float]:
    """MAP@R, seconds of processor time and MB above what the process had, of one report on one thread."""
    import faiss

    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    job(*simulated(500, 16, 5, 0))  # imports, once
    rows = simulated(*size)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    value = job(*rows)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return value, time.process_time() - began, (after - before) / 2**10


def main(quick: bool = False) -> None:
    print(
        f"{'all among all':20s} {'rows':>7s} {'ours':>15s} {'theirs':>17s} {'time':>6s} {'memory':>7s}   MAP@R"
    )
    if importlib.util.find_spec("pytorch_metric_learning") is None:
        print("pytorch-metric-learning is not installed: nothing to compare with")
        return
    for name, size in ({"quick": (500, 16, 5, 0)} if quick else SIZES).items():
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            (a, t, m), (b, u, n) = (pool.submit(measured, job, size).result() for job in (ours, theirs))
        costs = f"{t:6.1f} s {m:5.0f} MB {u:6.1f} s {n:6.0f} MB {t / u:6.2f} {m / max(n, 1):7.2f}"
        print(f"{name:20s} {size[0]:7,d} {costs}   {100 * a:.2f}, {100 * b:.2f}")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
