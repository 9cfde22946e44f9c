import functools

import pytest

from studies import bags


@pytest.mark.parametrize("method", ["GAP | nuisance 0.7", "GSP μ=0.3 γ=20, hidden layer | nuisance 0.7"])
def test_two_steps(monkeypatch, check_row, method):
    monkeypatch.setattr(bags, "bag_baseline", functools.partial(bags.bag_baseline, steps=2))
    check_row("bags", method, bags.run(method, 0))
