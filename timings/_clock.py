"""Processor time of steps that take turns: what the programs of this folder share."""

import statistics
import time
from collections.abc import Callable


def milliseconds(steps: dict[str, Callable[[], None]], rounds: int = 25) -> dict[str, float]:
    """Median processor time of each step. They take turns, so that a slow moment of the machine hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    warm = min(rounds, 3)
    for round_ in range(rounds + warm):
        for name, step in steps.items():
            start = time.process_time()
            step()
            if round_ >= warm:
                times[name].append(1000 * (time.process_time() - start))
    return {name: statistics.median(record) for name, record in times.items()}
