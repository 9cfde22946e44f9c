import math

import numpy as np
import pytest
import torch

from dmlnb.training import train
from tests.training.small import make, run, same


@pytest.mark.parametrize("setting", [
    {"stop_at": -1}, {"stop_at": 1.5}, {"seed": 0.5}, {"seed": 2**43}, {"seed": "a"}, {"learning_rate": -0.1},
    {"learning_rate": math.nan}, {"learning_rate": math.inf}, {"proxy_factor": -1.0}, {"weight_decay": math.nan},
    {"warmup": -1}, {"clip": 0.0}, {"clip": math.nan}, {"workers": -1}, {"validate_every": 0}, {"checkpoint_every": 0},
    {"keep_best": "score"}, {"renew": "switched"}, {"rates": {"back": 0.1}}, {"rates": {"backbone": -0.1}},
    {"rates": {"linear": math.nan}},
], ids=str)  # fmt: skip
def test_a_setting_out_of_its_range_is_named(data, setting):
    net, loss = make()
    with pytest.raises(ValueError, match=f"^{next(iter(setting))}: "):
        train(net, loss, *data, progress=False, **{"seed": 0} | setting)


def test_numbers_of_numpy_are_numbers(data, tmp_path):
    net, _, _ = run(data)
    path = tmp_path / "a.safetensors"
    other, loss = make()
    numbers = {
        "seed": np.int64(5),
        "stop_at": np.int32(8),
        "validate_every": np.int16(4),
        "learning_rate": np.float64(3e-3),
    }
    validate = lambda net: {"a": np.float32(0.5), "b": torch.ones(1)}
    history = train(
        other, loss, *data, checkpoint=path, validate=validate, progress=False, device="cpu", **numbers
    )
    assert same(net, other) and history[3]["a"] == 0.5 and history[-1]["b"] == 1.0
    again, loss = make()
    assert history == train(
        again, loss, *data, checkpoint=path, validate=dict, validate_every=4, seed=5, progress=False
    )


@pytest.mark.parametrize("validated", [3.0, {"a": "word"}, {"a": [1]}, {"a": torch.ones(2)}, None])
def test_a_validation_without_numbers_is_named_at_once(data, validated):
    with pytest.raises(ValueError, match="validate: expected a dict of numbers"):
        run(data, validate=lambda net: validated, validate_every=1)


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64"])
def test_labels_of_every_width(data, kind):
    images, labels, batches = data
    expected, _, _ = run(data)
    for given in (labels.to(getattr(torch, kind)), labels.numpy().astype(kind)):
        net, _, _ = run((images, given, batches))
        assert same(net, expected)


@pytest.mark.parametrize("labels, message", [
    (torch.zeros(24), "expected an integer tensor"),
    (torch.arange(24) - 1, "expected labels >= 0"),
    (None, "only a Dataset brings its own"),
    (torch.zeros(24, 1, dtype=torch.int64), "images, labels"),
])  # fmt: skip
def test_labels_that_are_none_are_named(data, labels, message):
    with pytest.raises(ValueError, match=message):
        run((data[0], labels, data[2]))


def test_a_best_that_cannot_be_told_is_named(data):
    with pytest.raises(ValueError, match="renew: validate gave 'a', but no 'switched'"):
        run(data, validate=lambda n: {"a": 1}, validate_every=1, renew="switched")
    with pytest.raises(ValueError, match="keep_best: validate gave 'a', but no 'score'"):
        run(data, validate=lambda n: {"a": 1}, validate_every=1, keep_best="score")
    with pytest.raises(FloatingPointError, match="validate: a became nan"):
        run(data, validate=lambda n: {"a": math.nan}, validate_every=1, keep_best="a")
