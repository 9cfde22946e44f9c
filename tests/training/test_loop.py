import math

import pytest
import torch

from dmlnb.data import ClassBatches
from dmlnb.losses import ProxyAnchorLoss, contrastive_loss
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import hold_then_linear, make_optimizer, train

STEPS = 8


def make(seed=0):
    torch.manual_seed(seed)
    net = EmbeddingNet(small_resnet(1, (4, 8, 8, 8)), GlobalAveragePooling(), dim=6)
    return net, ProxyAnchorLoss(4, 6)


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(4).repeat_interleave(6)
    images = torch.randint(0, 256, (24, 1, 16, 16), dtype=torch.uint8, generator=generator)
    return images, labels, ClassBatches(labels, 3, 2, STEPS, seed=3)


def run(data, **options):
    net, loss = make()
    history = train(net, loss, *data, seed=5, progress=False, device="cpu", **options)
    return net, loss, history


def same(a, b):
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_schedule_holds_then_falls_linearly():
    factors = [hold_then_linear(t, 100) for t in range(101)]
    assert factors[:66] == [1.0] * 66 and factors[100] == 0.0
    assert factors[80] == pytest.approx(20 / 35)
    assert all(a >= b for a, b in zip(factors, factors[1:], strict=False))


def test_training_repeats_bit_for_bit_and_depends_on_the_seed(data):
    net, loss, history = run(data)
    again, loss_again, _ = run(data)
    assert same(net, again) and same(loss, loss_again)
    assert [h["step"] for h in history] == list(range(STEPS))
    other, other_loss = make()
    train(other, other_loss, *data, seed=6, progress=False, device="cpu")
    assert not same(net, other)


def test_interrupted_and_resumed_equals_uninterrupted(data, tmp_path):
    net, loss, history = run(data)
    path = tmp_path / "deep" / "run.safetensors"
    first, first_loss, part = run(data, checkpoint=path, stop_at=3)
    assert len(part) == 3 and not same(first, net)
    resumed, resumed_loss, whole = run(data, checkpoint=path)
    assert same(resumed, net) and same(resumed_loss, loss)
    assert [h["loss"] for h in whole] == [h["loss"] for h in history]
    assert [p.name for p in path.parent.iterdir()] == ["run.safetensors"]
    # a finished run is only loaded
    loaded, loaded_loss, _ = run(data, checkpoint=path)
    assert same(loaded, net) and same(loaded_loss, loss)


def test_training_lowers_the_loss_and_leaves_the_global_generator_alone(data):
    images, labels, _ = data
    net, loss = make()
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    history = train(
        net,
        loss,
        images,
        labels,
        ClassBatches(labels, 4, 6, 40, seed=0),
        augment=None,
        progress=False,
        device="cpu",
    )
    assert torch.equal(torch.rand(3), expected)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


def test_a_plain_function_is_a_loss_and_validation_joins_the_history(data):
    net, _ = make()
    history = train(
        net, contrastive_loss, *data, validate=lambda n: {"score": float(n.training)}, validate_every=3,
        progress=False, device="cpu",
    )  # fmt: skip
    assert [h["step"] + 1 for h in history if "score" in h] == [3, 6, 8]
    assert net.training


def test_optimizer_groups(data):
    net, loss = make()
    groups = make_optimizer(net, loss, learning_rate=1e-3, proxy_factor=50, weight_decay=0.1).param_groups
    assert [g["weight_decay"] for g in groups] == [0.1, 0.0, 0.0]
    assert groups[2]["base_lr"] == pytest.approx(0.05) and groups[2]["params"] == [loss.proxies]
    assert sum(len(g["params"]) for g in groups) == len(list(net.parameters())) + 1


def test_bad_input_is_named(data):
    images, labels, batches = data
    net, loss = make()
    with pytest.raises(ValueError, match="images, labels"):
        train(net, loss, images, labels[:-1], batches, progress=False)
    with pytest.raises(ValueError, match="batches"):
        train(net, loss, images, labels, [], progress=False)
    with pytest.raises(FloatingPointError, match="step 0"):
        train(net, lambda e, y: e.sum() * math.nan, images, labels, batches, progress=False)
