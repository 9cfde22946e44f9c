"""The baseline recipe with each simple pooling, five paired seeds, on unseen scripts.

python -m benchmarks.study_baselines        # about 20 minutes on two cores; writes dmlnb/results/baselines.json
"""

import time
from concurrent.futures import ProcessPoolExecutor

import torch

from benchmarks.studies import measure, save
from dmlnb.data import Glyphs
from dmlnb.pooling import GeneralizedMeanPooling, GlobalAveragePooling, GlobalMaxPooling
from dmlnb.recipes import glyph_baseline

METHODS = {
    "untrained network": (GeneralizedMeanPooling, 0),
    "GAP": (GlobalAveragePooling, 700),
    "GMP": (GlobalMaxPooling, 700),
    "GeM": (GeneralizedMeanPooling, 700),
}
SEEDS = range(5)


def run(job: tuple[str, int]) -> tuple[str, dict]:
    method, seed = job
    torch.set_num_threads(1)
    pooling, steps = METHODS[method]
    began = time.perf_counter()
    net, _ = glyph_baseline(pooling(), steps=steps, seed=seed, progress=False)
    seconds = time.perf_counter() - began
    row = {"seed": seed, "seconds": round(seconds, 1)}
    row |= measure(net, Glyphs("test"))
    row |= {f"validation_{key}": value for key, value in measure(net, Glyphs("validation")).items()}
    print(method, row, flush=True)
    return method, row


def main() -> None:
    jobs = [(method, seed) for seed in SEEDS for method in METHODS]
    runs = {method: [] for method in METHODS}
    with ProcessPoolExecutor(2) as workers:
        for method, row in workers.map(run, jobs):
            runs[method].append(row)
    settings = {
        "steps": 700,
        "batch": "128 classes x 1",
        "dim": 64,
        "loss": "Proxy-Anchor",
        "clutter": "0 to 4",
    }
    save("baselines", "python -m benchmarks.study_baselines", settings, runs)


if __name__ == "__main__":
    main()
