"""How an exercise is checked: properties, each a sentence, an input, and what must come out.

    gap = checks.gap(my_gap)

prints one of *not attempted yet*, *wrong, because …* (with the property that fails and the input on which it fails)
and *right*. It returns the reader's function when it is right and the package's otherwise, so that the notebook runs on
either way. Nothing that the reader's function does, short of stopping Python, stops the notebook.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

NOT_ATTEMPTED = "not attempted yet"


@dataclass(frozen=True)
class Property:
    """One thing that must hold.

    Attributes:
        sentence: what holds, as the end of "wrong, because this does not hold: …".
        inputs: the arguments, by name.
        expected: what must come out; None takes the package's answer on these inputs.
        of: what is compared of the two results, such as their sum; None compares the results.
        only_shape: compare no numbers.
    """

    sentence: str
    inputs: dict[str, Any]
    expected: Any = None
    of: Callable[[Tensor], Any] | None = None
    only_shape: bool = False


def check(attempt: Any, package: Callable, properties: Sequence[Property]) -> Callable:
    """Check a reader's function against the package's, property by property; the first that fails is printed.

    Args:
        attempt: the reader's function; None and `...` count as not attempted, and so does a function that returns
            None, `...` or NotImplemented, or raises NotImplementedError.
        package: the function it is compared with, called with the same arguments.
        properties: from the most telling to the most general.

    Returns:
        `attempt` when every property holds, otherwise `package`.
    """
    verdict = _verdict(attempt, package, properties)
    print(verdict)
    return attempt if verdict == "right" else package


def _verdict(attempt: Any, package: Callable, properties: Sequence[Property]) -> str:
    if _is_blank(attempt):
        return NOT_ATTEMPTED
    if not callable(attempt):
        return f"wrong, because a function is expected here, not {_show(attempt)}"
    for number, rule in enumerate(properties):
        expected = package(**copy.deepcopy(rule.inputs)) if rule.expected is None else rule.expected
        given = copy.deepcopy(rule.inputs)  # an attempt may write into its arguments
        where = "".join(f"\n    {key} = {_show(value)}" for key, value in rule.inputs.items())
        try:
            with torch.random.fork_rng(devices=[]):
                found = attempt(*given.values())
        except NotImplementedError:
            return NOT_ATTEMPTED
        except Exception as error:  # whatever it is, the notebook goes on
            return f"wrong, because it raised {type(error).__name__}: {error}\non this input:{where}"
        if number == 0 and _is_blank(found):
            return NOT_ATTEMPTED
        problem = _difference(found, expected, rule)
        if problem:
            return f"wrong, because this does not hold: {rule.sentence}\non this input:{where}\n    {problem}"
    return "right"


def _is_blank(value: Any) -> bool:
    return value is None or value is ... or value is NotImplemented


def _difference(found: Any, expected: Any, rule: Property) -> str | None:
    """What is wrong with a result, in words; None when nothing is."""
    wanted = torch.as_tensor(expected)
    try:
        got = torch.as_tensor(found).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        return f"expected {_show(wanted)}\n    got      {_show(found)}"
    if got.shape != wanted.shape:
        return f"expected the shape {tuple(wanted.shape)}\n    got      the shape {tuple(got.shape)}"
    if rule.only_shape:
        return None
    seen, right = got, wanted
    if rule.of is not None:
        seen, right = torch.as_tensor(rule.of(got)), torch.as_tensor(rule.of(wanted))
    if seen.is_complex() or not torch.allclose(
        seen.double(), right.double(), rtol=1e-4, atol=1e-5
    ):  # NaN is not close
        return f"expected {_show(wanted)}\n    got      {_show(got)}"
    return None


def _show(value: Any) -> str:
    """A value in at most a few lines."""
    if isinstance(value, Tensor):
        if value.numel() > 24:
            return f"a tensor of shape {tuple(value.shape)}"
        values = value.tolist()
        return str(_rounded(values))
    text = repr(value) if not isinstance(value, float) else f"{value:.4g}"
    return text if len(text) <= 200 else text[:197] + "..."


def _rounded(values: Any) -> Any:
    if isinstance(values, list):
        return [_rounded(v) for v in values]
    return round(values, 4) if isinstance(values, float) else values
