"""How an exercise answers back: not attempted yet, wrong because ..., or right.

A checker compares the reader's function with the package's on inputs chosen so that each common mistake fails a
property with a name. It never raises: a notebook runs to its end whatever the reader wrote.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Property:
    """One thing a right answer does: a name that says it in words, and inputs on which it shows."""

    name: str
    inputs: tuple


def check(attempt: Callable, reference: Callable, properties: list[Property], *, tolerance: float = 1e-5) -> Callable:
    """Check a function against the reference, print the verdict, and return a function to go on with.

    Args:
        attempt: the reader's function; returning None or ... means "not attempted yet".
        reference: the package's function.
        properties: checked in order; the first that fails is told.
        tolerance: largest difference that counts as equal, relative to the size of the reference's answer.

    Returns:
        The attempt when it is right, else the reference.
    """
    for prop in properties:
        arguments = [a.clone() if isinstance(a, torch.Tensor) else a for a in prop.inputs]
        try:
            answer = attempt(*arguments)
        except Exception as error:
            print(f"wrong, because it raised {type(error).__name__}: {error}")
            return reference
        if answer is None or answer is ...:
            print("not attempted yet; the package's version is used below")
            return reference
        expected = reference(*prop.inputs)
        problem = _difference(answer, expected, tolerance)
        if problem:
            shown = ", ".join(str(tuple(a.shape)) if isinstance(a, torch.Tensor) else repr(a) for a in prop.inputs)
            print(f"wrong, because this property fails: {prop.name}\n  on inputs of shape {shown}: {problem}")
            return reference
    print("right")
    return attempt


def _difference(answer, expected, tolerance: float) -> str:
    try:
        answer = torch.as_tensor(answer).double()
    except (TypeError, ValueError, RuntimeError):
        return f"expected a tensor or a number, got {type(answer).__name__}"
    expected = torch.as_tensor(expected).double()
    if answer.shape != expected.shape:
        return f"expected shape {tuple(expected.shape)}, got {tuple(answer.shape)}"
    if torch.allclose(answer, expected, rtol=tolerance, atol=tolerance):
        return ""
    worst = (answer - expected).abs().nan_to_num(nan=torch.inf).flatten().argmax()
    return f"expected {expected.flatten()[worst]:.4g}, got {answer.flatten()[worst]:.4g}"


def predict(question: dict[str, str], right: str, answer: str | None) -> None:
    """Check a prediction: `question` maps each option to what is to be said about it; `right` is the right one."""
    if answer is None or answer is ...:
        print(f"not attempted yet; choose one of {', '.join(question)}")
    elif answer not in question:
        print(f"no such option: {answer!r}; choose one of {', '.join(question)}")
    else:
        print(("right: " if answer == right else "wrong: ") + question[answer])
