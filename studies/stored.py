"""What every stored study shares: the file it writes, and where it was made."""

import datetime
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch

import dmlnb

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # where `train` goes by itself
FOLDER = Path(dmlnb.__file__).parent / "course" / "results"
FINISHED = Path(__file__).parents[1] / "build" / "studies"


def collect(
    name: str,
    run: Callable[[str, int], dict],
    methods: Sequence[str],
    seeds: Sequence[int],
    *,
    workers: int | None = None,
) -> dict[str, list[dict]]:
    """Call `run(method, seed) -> row` for all pairs, seed by seed, one thread each; `{method: rows}`.

    Each finished row is kept in `build/studies/<name>.jsonl`, so that a study that was interrupted goes on where it
    stopped; delete the file to begin anew. `workers` is by default the environment's WORKERS, or 2.
    """
    file = FINISHED / f"{name}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(row["method"], row["seed"]): row for row in rows}
    todo = [(method, seed) for seed in seeds for method in methods if (method, seed) not in done]
    context = multiprocessing.get_context(
        "spawn" if DEVICE.type == "cuda" else None
    )  # CUDA does not survive a fork
    with ProcessPoolExecutor(workers or int(os.environ.get("WORKERS", 2)), context) as pool:
        for job in as_completed([pool.submit(_timed, run, method, seed) for method, seed in todo]):
            row = job.result()
            done[row["method"], row["seed"]] = row
            with file.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
            print(row, flush=True)
    return {m: [{k: v for k, v in done[m, s].items() if k != "method"} for s in seeds] for m in methods}


def _timed(run: Callable[[str, int], dict], method: str, seed: int) -> dict:
    torch.set_num_threads(1)
    began = time.perf_counter()
    row = run(method, seed)
    return {"method": method, "seed": seed, "seconds": round(time.perf_counter() - began, 1)} | row


def save(name: str, command: str, settings: dict, runs: dict[str, list[dict]]) -> None:
    """Write `dmlnb/course/results/<name>.json`; `runs[method]` holds one dictionary a seed."""
    study = {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "device": "cuda" if torch.cuda.is_available() else f"cpu ({platform.machine()})",
        "versions": {"dmlnb": dmlnb.__version__, "torch": torch.__version__},
        "settings": settings,
        "runs": {method: sorted(rows, key=lambda row: row["seed"]) for method, rows in runs.items()},
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")


def measure(net, data) -> dict[str, float]:
    """R@1, MAP@R and P@R of a network on a data set."""
    from dmlnb.models import embed
    from dmlnb.retrieval import evaluate

    report = evaluate(embed(net, data.images), data.labels)
    return {
        "recall_at_1": report.recall_at[1],
        "map_at_r": report.map_at_r,
        "precision_at_r": report.precision_at_r,
    }
