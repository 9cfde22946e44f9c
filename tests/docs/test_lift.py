"""The blocks of docs/lift.md run, one after the other, as a reader would run them."""

import re
from pathlib import Path

import pytest
import torch
from pytorch_metric_learning.trainers import MetricLossOnly
from torch import nn

PAGE = Path(__file__).parents[2] / "docs" / "lift.md"


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")  # the other trainer's
def test_the_page_runs(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(blocks) == 4 and names["loss"].proxies.grad.abs().sum() > 0
    assert "recall_at" in capsys.readouterr().out
    fits_the_other_trainer(names["loss_funcs"], names["data"])


def fits_the_other_trainer(loss_funcs, data):
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 16))
    before, proxies = (
        trunk[1].weight.detach().clone(),
        loss_funcs["metric_loss"].loss.proxies.detach().clone(),
    )
    parts = {"trunk": trunk, "metric_loss": loss_funcs["metric_loss"]}
    optimizers = {
        f"{name}_optimizer": torch.optim.SGD(part.parameters(), 1e-2) for name, part in parts.items()
    }
    MetricLossOnly(
        {"trunk": trunk}, optimizers, 8, loss_funcs, data, data_device="cpu", dataloader_num_workers=0,
        iterations_per_epoch=2, set_min_label_to_zero=False,
    ).train(num_epochs=1)  # fmt: skip
    assert not torch.equal(trunk[1].weight, before)
    assert not torch.equal(loss_funcs["metric_loss"].loss.proxies, proxies)
