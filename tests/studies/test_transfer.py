import functools

import pytest
import torch

from studies import transfer

METHODS = [
    "source: source",
    "64-d: DarkRank",
    "64-d: FitNet",
    "64-d: attention transfer",
    "8-d, warm: RKD",
    "8-d: from scratch",
    "4-d: principal axes",
    "small: relaxed contrastive",
    "no labels: relaxed contrastive",
    "classifier: with relaxed contrastive",
]


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path, few_letters):
    monkeypatch.setattr(transfer, "glyphs", few_letters)
    monkeypatch.setattr(transfer, "FINISHED", tmp_path)
    monkeypatch.setattr(transfer, "STEPS", 4)  # two of the warm starts
    monkeypatch.setattr(transfer, "glyph_baseline", functools.partial(transfer.glyph_baseline, steps=2))


@pytest.mark.parametrize("method", METHODS)
def test_a_few_steps(check_row, method):
    check_row("transfer", method, transfer.run(method, 0))


def test_regressors_are_no_parameters_of_the_loss():
    """Parameters of a loss learn ten times faster; FitNet's layers shall learn as fast as the target."""
    loss, helper = transfer.make_loss("FitNet", 8, transfer.WIDTHS, torch.arange(6))
    assert [tuple(p.shape) for p in loss.parameters()] == [(6, 8)]  # the proxies alone
    assert len(list(helper.parameters())) == 3
