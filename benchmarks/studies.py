"""What every stored study shares: the file it writes, and where it was made."""

import datetime
import json
import platform
from pathlib import Path

import torch

import dmlnb

FOLDER = Path(dmlnb.__file__).parent / "results"


def save(name: str, command: str, settings: dict, runs: dict[str, list[dict]]) -> None:
    """Write `dmlnb/results/<name>.json`; `runs[method]` holds one dictionary a seed."""
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
