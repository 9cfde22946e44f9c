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


def chosen(name: str) -> dict[str, list]:
    """For each arm of the search `name`, the [rate, own] of the best mean MAP@R on validation classes."""
    found: dict[str, dict[str, list[float]]] = {}
    for line in (stored.FINISHED / f"{name}.jsonl").read_text().splitlines():
        row = json.loads(line)
        arm, values = row["method"].split(" | ")
        found.setdefault(arm, {}).setdefault(values, []).append(row["validation_map_at_r"])
    return {arm: json.loads(max(s, key=lambda k: sum(s[k]) / len(s[k]))) for arm, s in found.items()}
