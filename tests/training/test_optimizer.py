import pytest
import torch

from dmlnb.training import constant, cosine, hold_then_linear, make_optimizer
from tests.training.small import STEPS, make, run, same


def test_schedule_holds_then_falls_linearly():
    factors = [hold_then_linear(t, 100) for t in range(101)]
    assert factors[:66] == [1.0] * 66 and factors[100] == hold_then_linear(110, 100) == 0.0
    assert factors[80] == pytest.approx(20 / 35)
    assert all(a >= b for a, b in zip(factors, factors[1:], strict=False))


def test_optimizer_groups(data):
    net, loss = make()
    groups = make_optimizer(net, loss, learning_rate=1e-3, proxy_factor=50, weight_decay=0.1).param_groups
    assert [g["weight_decay"] for g in groups] == [0.1, 0.0, 0.0]
    assert groups[2]["base_lr"] == pytest.approx(0.05) and groups[2]["params"] == [loss.proxies]
    assert sum(len(g["params"]) for g in groups) == len(list(net.parameters())) + 1


def test_warm_up_rises_linearly_and_joins_the_schedule(data):
    assert [hold_then_linear(t, 100, warmup=4) for t in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    _, _, history = run(data, warmup=4, learning_rate=0.1)
    assert [h["lr"] for h in history[:4]] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert history[-1]["lr"] == pytest.approx(0.1 / (0.35 * STEPS))


def test_cosine_falls_from_one_to_zero():
    assert [cosine(t, 4) for t in range(5)] == pytest.approx([1.0, 0.853553, 0.5, 0.146447, 0.0], abs=1e-6)
    for step, steps in ((-1, 4), (0, 0)):
        with pytest.raises(ValueError, match="step"):
            cosine(step, steps)


def test_another_schedule_is_followed_with_warm_up(data):
    for schedule in (cosine, constant, lambda step, steps: 1 / (1 + step)):
        _, _, history = run(data, schedule=schedule, warmup=3, learning_rate=0.1)
        expected = [0.1 * schedule(t, STEPS) * min(1, (t + 1) / 3) for t in range(STEPS)]
        assert [h["lr"] for h in history] == pytest.approx(expected)


def test_rates_by_the_beginning_of_a_name(data):
    net, loss = make()
    options = {"learning_rate": 1.0, "proxy_factor": 3.0, "weight_decay": 0.1}
    optimizer = make_optimizer(
        net, loss, rates={"backbone": 0.1, "backbone.0": 0.5, "linear": 2.0}, **options
    )
    rate = {id(p): group["base_lr"] for group in optimizer.param_groups for p in group["params"]}
    for name, p in net.named_parameters():
        expected = 0.5 if name.startswith("backbone.0.") else 0.1 if name.startswith("backbone.") else 2.0
        assert rate[id(p)] == expected, name
    assert rate[id(loss.proxies)] == 3.0
    still, _ = make()
    trained, _, history = run(data, rates={"backbone": 0.0})
    fresh = dict(still.backbone.named_parameters())
    assert all(torch.equal(p, fresh[name]) for name, p in trained.backbone.named_parameters())
    assert not torch.equal(trained.linear.weight, still.linear.weight) and history[0]["lr"] == 3e-3
    assert same(run(data, rates={})[0], run(data)[0])
