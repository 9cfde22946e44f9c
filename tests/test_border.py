"""Border inputs on every public name: the right result, or one line that names the argument; never anything else."""

import dataclasses
import inspect
import re
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.border import RESULTS, ROOMS, TABLE, TRIED_ELSEWHERE, Row

FLOATS = [row for row in TABLE if row.x is not None and row.x.is_floating_point()]
LABELS = [row for row in TABLE if row.x is not None and not row.x.is_floating_point()]
SETTINGS = [(row, name) for row in TABLE for name in row.settings]
ids = lambda value: value.name if isinstance(value, Row) else str(value)
each_float = pytest.mark.parametrize("row", FLOATS, ids=ids)
each_labels = pytest.mark.parametrize("row", LABELS, ids=ids)
BEYOND = {"FitNetLoss", "embed"}  # their right answer, a square or a float32, may be beyond the dtype
ROUNDING = {torch.float64: 1e-9, torch.float32: 5e-4, torch.float16: 8e-3, torch.bfloat16: 6e-2}


def tensors(result) -> list[Tensor]:
    """All numbers that a result holds."""
    if isinstance(result, Tensor):
        return [result.detach()]
    if isinstance(result, np.ndarray | np.generic | bool | int | float):
        return [torch.as_tensor(np.array(result))]
    if isinstance(result, dict):
        return [t for value in result.values() for t in tensors(value)]
    if dataclasses.is_dataclass(result):
        return tensors(dataclasses.asdict(result))
    return [t for part in result for t in tensors(part)] if isinstance(result, tuple | list) else []


def outcome(row: Row, x, **settings) -> list[Tensor] | str:
    """The numbers, or the message of an error that is as it should be; a warning or any other error ends the test."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*samples; theirs repeat")  # that is what it is for
        try:
            return tensors(row.call(x, **settings))
        except (ValueError, TypeError) as error:
            message = str(error)
    names = {*row.names.split(), *row.settings, *settings}
    head = re.match(r"((?:\w+(?:\[[^]]*\])?)(?:, \w+)*): ", message)
    assert head and "\n" not in message, f"no line that names an argument: {message!r}"
    named = {word.split("[")[0] for word in head[1].split(", ")}
    assert named & names, f"{named} is none of {sorted(names)}: {message}"
    return message


def require_equal(found: list[Tensor] | str, expected: list[Tensor] | str, rounding: float = 0.0) -> None:
    assert not isinstance(expected, str), expected
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        if not a.is_floating_point():
            assert torch.equal(a.long(), b.long())
            continue
        tolerance = max(rounding, ROUNDING[a.dtype] if a.dtype != b.dtype else 1e-9)
        a, b = a.double(), b.double()
        assert torch.equal(a.isfinite(), b.isfinite())
        a, b = a[b.isfinite()], b[b.isfinite()]
        size = b.abs().max().item() if b.numel() else 0.0
        assert torch.allclose(a, b, rtol=tolerance, atol=tolerance * size), f"{a} is not {b}"


def require_finite(found: list[Tensor] | str) -> None:
    for a in [] if isinstance(found, str) else found:
        assert not a.is_floating_point() or a.isfinite().all(), a


def test_the_table_holds_every_public_name():
    public = {name for room in ROOMS for name in room.__all__}
    named = {row.name for row in TABLE} | RESULTS | set(TRIED_ELSEWHERE)
    assert not public - named, f"not in tests/border.py: {sorted(public - named)}"
    assert not named - public, f"no longer public: {sorted(named - public)}"
    assert all(inspect.isclass(getattr(room, name)) for room in ROOMS for name in RESULTS & set(room.__all__))


@pytest.mark.parametrize("row", TABLE, ids=ids)
def test_the_sound_call_gives_numbers_and_twice_the_same(row):
    found = outcome(row, row.x)
    assert not isinstance(found, str), found
    require_equal(outcome(row, row.x), found)


@each_float
def test_layout_and_gradient_change_nothing(row):
    expected = outcome(row, row.x)
    forms = {
        "every second": torch.stack([row.x, row.x + 1], -1)[..., 0],
        "transposed": row.x.transpose(0, -1).contiguous().transpose(0, -1),
        "with gradient": row.x.clone().requires_grad_(),
    }
    if row.x.ndim == 4:
        forms["channels last"] = row.x.contiguous(memory_format=torch.channels_last)
    for name, x in forms.items():
        before = x.detach().clone()
        require_equal(outcome(row, x), expected, 1e-7)
        assert torch.equal(x.detach(), before), f"{name}: the input was changed"


@each_float
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_narrow_numbers_give_the_value_of_wide_ones(row, dtype):
    found = outcome(row, row.x.to(dtype))
    if not isinstance(found, str):
        require_equal(found, outcome(row, row.x), 2 * ROUNDING[dtype])


@each_float
def test_few_and_equal_rows_give_finite_numbers(row):
    for x in (row.x[:0], row.x[:1], row.x[:2], row.x[:1].expand_as(row.x), torch.zeros_like(row.x)):
        require_finite(outcome(row, x))


@each_float
def test_huge_and_tiny_numbers_give_the_value_of_float64(row):
    for power in (100, -100):
        x = row.x.abs().clamp(0.25, 1.5) * row.x.sign() * 2.0**power
        found, expected = outcome(row, x.float()), outcome(row, x)
        if row.name not in BEYOND:
            require_finite(found)
        require_finite(expected)
        if not isinstance(found, str) and not isinstance(expected, str):
            narrow = [t.float() if t.is_floating_point() else t for t in expected]
            require_equal(found, narrow if row.name in BEYOND else expected, 1e-3)
    for power in (600, -600):
        found = outcome(row, row.x * 2.0**power)
        if row.name not in BEYOND:
            require_finite(found)


@each_float
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_refused_or_stays_in_its_row(row, bad):
    x = row.x.clone()
    x.view(len(x), -1)[1, 0] = bad
    found = outcome(row, x)
    if row.nan == "refused":
        assert isinstance(found, str), "a value that is not finite went in, and numbers came out"
    elif row.nan == "kept" and not isinstance(found, str):
        others = [0, *range(2, len(x))]
        for a, b in zip(found, outcome(row, row.x), strict=True):
            if a.ndim and len(a) == len(x):
                require_equal([a[others]], [b[others]], 1e-6)


@each_float
def test_whole_numbers_arrays_and_lists_are_understood_or_refused(row):
    expected = outcome(row, row.x)
    for x in (row.x.numpy(), row.x.tolist()):
        found = outcome(row, x)
        if not isinstance(found, str):
            require_equal(found, expected, 1e-3)
    whole = (8 * row.x).round()
    for kind in (torch.int64, torch.uint8, torch.bool, torch.complex64):
        outcome(row, whole.to(kind))
    for x in (row.x[0], row.x[None], row.x.flatten()):  # other shapes, which some take
        outcome(row, x)
    for x in ("x", 3, None):
        if x is not None or "gallery" not in row.names:  # which may be left out
            assert isinstance(outcome(row, x), str)


@each_labels
def test_labels_of_every_width_layout_and_home(row):
    expected = outcome(row, row.x)
    for width in [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]:
        require_equal(outcome(row, row.x.to(getattr(torch, width))), expected)
    require_equal(outcome(row, torch.stack([row.x, row.x], 1)[:, 0]), expected)
    for x in (row.x.numpy(), row.x.numpy().astype(np.uint16), row.x.tolist()):
        found = outcome(row, x)
        if not isinstance(found, str):
            require_equal(found, expected)


@each_labels
def test_labels_at_the_border(row):
    for x in (row.x[:0], row.x[:1], torch.zeros_like(row.x), row.x * 10**11, torch.arange(len(row.x))):
        found = outcome(row, x)
        if row.name not in ("ClassBatches", "DisjointHalves", "class_split", "class_folds"):
            require_finite(found)
    wrong = (
        row.x - 1,
        row.x.double(),
        row.x > 0,
        row.x.double() * torch.nan,
        row.x[:, None],
        row.x[0],
        None,
        "x",
    )
    for x in wrong:
        if row.name == "perplexity" and (x is wrong[4] or x is wrong[5]):
            continue  # of any shape
        assert isinstance(outcome(row, x), str), f"taken as labels: {x}"


@pytest.mark.parametrize("row, name", SETTINGS, ids=ids)
def test_settings_may_be_numbers_of_numpy_and_must_be_sound(row, name):
    good = row.settings[name]
    expected = outcome(row, row.x, **{name: good})
    assert not isinstance(expected, str), expected
    kinds = (np.int64, np.int32, np.uint8) if isinstance(good, int) else (np.float64,)
    for kind in kinds:
        require_equal(outcome(row, row.x, **{name: kind(good)}), expected)
    for bad in (
        float("nan"),
        float("inf"),
        -float("inf"),
        "5",
        [good],
        *((-7, 2.5) if isinstance(good, int) and name != "seed" else ()),
    ):
        if (row.name, name, bad) == ("entropy_assignment", "sharpness", float("inf")):
            continue  # infinitely sharp is the hard choice
        found = outcome(row, row.x, **{name: bad})
        assert isinstance(found, str), f"{name}={bad!r} was taken"
        assert name in re.match(r"[\w, ]+", found)[0], f"{name} is not named: {found}"
