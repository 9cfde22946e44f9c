"""The programs of timings/ run: with one round each, or few rows. What they measure is no matter of tests."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from timings import _clock, growth, gsp, losses, maps, retrieval, scale, transfer


def test_steps_take_turns_and_the_first_rounds_do_not_count():
    seen = []
    took = _clock.milliseconds({name: lambda name=name: seen.append(name) for name in "ab"}, rounds=4)
    assert seen == ["a", "b"] * 7 and set(took) == {"a", "b"} and min(took.values()) >= 0


def test_gsp(capsys):
    gsp.main(quick=True)
    assert "released" in capsys.readouterr().out


def test_the_released_layer_is_what_it_is_compared_with():
    cost = torch.rand(3, 4, 7, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(3, 4, 7, dtype=torch.float64), torch.randn(3, 7, dtype=torch.float64)
    found = gsp.partial_transport(cost, 0.3, 5.0)
    values = found.plan, found.residual
    wanted = gsp.ReleasedTransport.apply(cost, 0.3, 5.0)
    torch.testing.assert_close(values, wanted, rtol=1e-9, atol=1e-12)
    gradients = [torch.autograd.grad(pair, cost, upstream)[0] for pair in (values, wanted)]
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-12)


def test_retrieval(capsys, monkeypatch):
    monkeypatch.setattr(retrieval, "ProcessPoolExecutor", lambda *a, **options: ThreadPoolExecutor(1))
    retrieval.main(quick=True)
    *_, line = capsys.readouterr().out.splitlines()
    mine, other = line.split()[-2:]
    assert mine.strip(",") == other


def test_retrieval_without_the_other_library_says_so(capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    retrieval.main()
    assert "not installed" in capsys.readouterr().out


def test_stored_maps(capsys):
    maps.main(quick=True)
    assert capsys.readouterr().out.count("of the floor") == 2


def test_losses(capsys):
    losses.main(quick=True)
    assert "differ" not in capsys.readouterr().out  # the two libraries' values agree


def test_transfer(capsys, monkeypatch):
    monkeypatch.setattr(transfer, "milliseconds", lambda steps, rounds=1: _clock.milliseconds(steps, 1))
    transfer.main()
    assert "relaxed contrastive" in capsys.readouterr().out


def test_growth(capsys, tmp_path):
    growth.main(str(tmp_path / "growth.png"), growth.GROWTHS[:1], rounds=1)
    assert (tmp_path / "growth.png").exists() and "Proxy-Anchor: batch" in capsys.readouterr().out


@pytest.mark.parametrize("grows", growth.GROWTHS, ids=lambda grows: grows.name)
def test_what_grows_is_one_step_at_a_size(grows):
    step = grows.step(16)
    assert callable(step) and grows.slope in (1, 2)
    step()


def test_the_slope_is_that_of_the_times(monkeypatch):
    monkeypatch.setattr(
        growth, "milliseconds", lambda steps, rounds: {size: int(size) ** 1.5 for size in steps}
    )
    took, slope = growth.measure(growth.GROWTHS[0], 1)
    assert slope == pytest.approx(1.5) and np.allclose(took, np.array(growth.GROWTHS[0].sizes) ** 1.5)


def test_scale(capsys):
    scale.retrieval(500)
    assert "500 rows" in capsys.readouterr().out
