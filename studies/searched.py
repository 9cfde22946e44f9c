"""Settings that are chosen alike in every arm of a study: as many tries each, judged on validation classes only."""

import json
from collections.abc import Iterable

from studies import stored


def tries(arm: str, rates: Iterable, own: Iterable) -> list[str]:
    """The names of an arm's tries: each learning rate with each value of the arm's own setting."""
    return [f"{arm} | {json.dumps([rate, value])}" for rate in rates for value in own]


def setting(method: str) -> tuple[str, list]:
    """The arm and the [rate, own] of a try's name."""
    arm, values = method.split(" | ")
    return arm, json.loads(values)


def tried(name: str) -> dict[str, float]:
    """Mean MAP@R on validation classes of every try of the search `name`."""
    found: dict[str, list[float]] = {}
    for line in (stored.FINISHED / f"{name}.jsonl").read_text().splitlines():
        row = json.loads(line)
        found.setdefault(row["method"], []).append(row["validation_map_at_r"])
    return {method: sum(values) / len(values) for method, values in found.items()}


def chosen(name: str) -> dict[str, list]:
    """For each arm of the search `name`, the [rate, own] of the best mean MAP@R on validation classes."""
    found: dict[str, dict[str, float]] = {}
    for method, value in tried(name).items():
        arm, values = method.split(" | ")
        found.setdefault(arm, {})[values] = value
    return {arm: json.loads(max(values, key=values.get)) for arm, values in found.items()}
