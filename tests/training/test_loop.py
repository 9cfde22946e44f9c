import math
import os
import signal

import pytest
import torch

from dmlnb.data import ClassBatches, augment, to_float
from dmlnb.losses import contrastive_loss
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import constant, load_checkpoint, train
from tests.processes import clean, fork
from tests.training.small import STEPS, make, run, same


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


def test_bad_input_is_named(data):
    images, labels, batches = data
    net, loss = make()
    with pytest.raises(ValueError, match="images, labels"):
        train(net, loss, images, labels[:-1], batches, progress=False)
    with pytest.raises(ValueError, match="batches"):
        train(net, loss, images, labels, [], progress=False)
    with pytest.raises(ValueError, match="augment: expected 'letters', a function or None, got 'digits'"):
        train(*make(), *data, augment="digits", progress=False)
    with pytest.raises(FloatingPointError, match="step 0"):
        train(net, lambda e, y: e.sum() * math.nan, images, labels, batches, progress=False)


# --- today's loop, written out: the defaults do this and nothing else -----------------------------------------------


def test_the_defaults_are_the_plain_loop_bit_for_bit(data):
    images, labels, batches = data
    net, loss = make()
    weights = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": 1e-4, "base": 3e-3},
            {"params": others, "weight_decay": 0.0, "base": 3e-3},
            {"params": [loss.proxies], "weight_decay": 0.0, "base": 3e-3 * 10.0},
        ]
    )
    net.to(memory_format=torch.channels_last).train()
    values = []
    for t in range(STEPS):
        torch.manual_seed(5 * 1_000_003 + t)
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * min(1.0, (STEPS - t) / (0.35 * STEPS))
        batch = augment(
            (images[batches[t]].float() / 255 - 0.5).contiguous(memory_format=torch.channels_last)
        )
        value = loss(net(batch), labels[batches[t]])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    trained, trained_loss, history = run(data)
    assert same(net, trained) and same(loss, trained_loss)
    assert [h["loss"] for h in history] == values


# --- resuming: the same run or none ---------------------------------------------------------------------------------


def test_the_home_folder_in_a_path(data, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    run(data, checkpoint="~/runs/a.safetensors", stop_at=1)
    assert (tmp_path / "runs" / "a.safetensors").is_file()
    assert len(run(data, checkpoint="~/runs/a.safetensors", stop_at=2)[2]) == 2


def killed_after_step_4(data, path):
    die = lambda step, entry: step == 4 and os.kill(os.getpid(), signal.SIGKILL)
    run(data, checkpoint=path, checkpoint_every=2, log=die)


@fork
def test_killed_and_resumed_ends_in_the_same_weights(data, tmp_path):
    path = tmp_path / "run.safetensors"
    victim = clean.Process(target=killed_after_step_4, args=(data, path))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    assert load_checkpoint(path, *make())[-1]["step"] == 3  # what came after is lost
    net, loss, history = run(data)
    resumed, resumed_loss, whole = run(data, checkpoint=path)
    assert same(net, resumed) and same(loss, resumed_loss)
    assert [h["loss"] for h in whole] == [h["loss"] for h in history]


# --- settings -------------------------------------------------------------------------------------------------------


def test_stop_at_zero_trains_nothing(data, tmp_path):
    net, loss, history = run(data, stop_at=0, checkpoint=tmp_path / "a.safetensors")
    fresh, fresh_loss = make()
    assert history == [] and same(net, fresh) and same(loss, fresh_loss) and not [*tmp_path.iterdir()]


def test_what_is_no_network_is_named(data):
    with pytest.raises(ValueError, match="net: expected a module"):
        train(lambda x: x, contrastive_loss, *data, progress=False)
    with pytest.raises(ValueError, match="net, loss: expected a parameter"):
        train(make()[0].requires_grad_(False), contrastive_loss, *data, progress=False)
    with pytest.raises(
        ValueError, match="AdamW cannot learn float16; take float32 with amp=True, or bfloat16"
    ):
        train(make()[0].half(), contrastive_loss, *data, progress=False)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("pixels", [torch.uint8, torch.float32, torch.float64, torch.float16])
def test_the_networks_dtype_decides(data, dtype, pixels):
    images, labels, batches = data
    net, loss = make()
    net.to(dtype)
    images = images if pixels == torch.uint8 else to_float(images).to(pixels)
    augmented = None if pixels == torch.float16 else augment
    history = train(net, loss, images, labels, batches, augment=augmented, progress=False, device="cpu")
    assert all(p.dtype == dtype for p in net.parameters()) and all(math.isfinite(h["loss"]) for h in history)


# --- options --------------------------------------------------------------------------------------------------------


def test_the_gradient_of_network_and_loss_is_clipped_together(data):
    net, loss = make()
    norms = []

    def watch(step, entry):
        norms.append(
            torch.cat([p.grad.flatten() for p in (*net.parameters(), *loss.parameters())]).norm().item()
        )

    train(net, loss, *data, clip=0.5, log=watch, seed=5, progress=False, device="cpu")
    assert norms == pytest.approx([0.5] * STEPS, rel=1e-4)  # this loss's gradient is longer
    assert same(run(data, clip=1e9)[0], run(data)[0])


def test_frozen_batchnorm_keeps_its_statistics_and_learns_its_scale(data):
    fresh, _ = make()
    net, _, _ = run(
        data, freeze_batchnorm=True, validate=lambda n: {"training": n.training}, validate_every=2
    )
    start = fresh.state_dict()
    moved = {key for key, value in net.state_dict().items() if not torch.equal(value, start[key])}
    norms = [name for name, m in net.named_modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and not any(f"{n}.running_mean" in moved or f"{n}.running_var" in moved for n in norms)
    assert all(f"{n}.weight" in moved for n in norms)


def test_mixed_precision_computes_in_bfloat16(data):
    seen = []
    net, loss = make()
    net.linear.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    history = train(net, loss, *data, amp=True, seed=5, progress=False, device="cpu")
    assert {*seen} == {torch.bfloat16} and all(p.dtype == torch.float32 for p in net.parameters())
    assert history[0]["loss"] == pytest.approx(run(data)[2][0]["loss"], rel=0.05)


@pytest.mark.parametrize("stop_at", [None, 3, 5])
def test_the_best_of_the_validation_is_kept_also_after_a_resume(data, tmp_path, stop_at):
    scores = {1: 0.2, 3: 0.7, 5: 0.7, 7: 0.1}
    seen = {}

    def validate(net):
        step = next(s for s in scores if s not in done)
        done.append(step)
        seen[step] = [v.clone() for v in net.state_dict().values()]
        return {"score": scores[step]}

    done = []
    options = {
        "validate": validate,
        "validate_every": 2,
        "keep_best": "score",
        "checkpoint": tmp_path / "a.safetensors",
    }
    if stop_at:
        run(data, stop_at=stop_at, **options)
    net, loss, history = run(data, **options)
    assert [h["best_step"] for h in history if "score" in h] == [1, 3, 3, 3]
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), seen[3], strict=True))
    part, part_loss, _ = run(data, stop_at=4)
    assert same(part_loss, loss) and same(part, net)  # the loss goes back with it
    again, _, _ = run(data, **options)
    assert same(again, net)
    alone, _ = make(2)
    load_checkpoint(tmp_path / "a.safetensors", alone)
    assert same(alone, net)


def test_the_optimiser_begins_anew_where_asked(data):
    """Eight steps with a renewal after four are four steps, and four with an optimiser of their own."""
    images, labels, batches = data
    switched = iter((1.0, 0.0))
    options = {"schedule": constant, "augment": None}
    net, loss, history = run(
        data, validate=lambda net: {"switched": next(switched)}, validate_every=4, renew="switched", **options
    )
    assert [h["lr"] for h in history] == [3e-3] * STEPS
    other, its_loss = make()
    for part in ([*batches][:4], [*batches][4:]):
        train(other, its_loss, images, labels, part, seed=5, progress=False, device="cpu", **options)
    assert same(net, other) and same(loss, its_loss)
    kept, _, _ = run(data, **options)
    assert not same(net, kept)


def test_log_gets_each_new_entry(data, tmp_path):
    seen = []
    log = lambda step, entry: seen.append((step, entry))
    path = tmp_path / "a.safetensors"
    run(data, checkpoint=path, stop_at=3, log=log)
    history = run(data, checkpoint=path, log=log, workers=0)[2]
    assert seen == [*enumerate(history)]


def test_tensorboard_reads_the_log(data, tmp_path):
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with tensorboard.SummaryWriter(tmp_path) as writer:
        log = lambda step, entry: [writer.add_scalar(name, value, step) for name, value in entry.items()]
        history = run(data, log=log)[2]
    events = reader.EventAccumulator(str(tmp_path)).Reload()
    found = [(e.step, e.value) for e in events.Scalars("loss")]
    assert [s for s, _ in found] == [*range(STEPS)]
    assert [v for _, v in found] == pytest.approx([h["loss"] for h in history])


def test_batches_that_are_no_sequence_are_named(data):
    with pytest.raises(ValueError, match="batches: expected a sequence"):
        run((*data[:2], iter(data[2])))
    with pytest.raises(ValueError, match="batches: expected indices in 0 .. 23"):
        run((*data[:2], [torch.tensor([24])]))


def test_by_default_grey_images_are_varied_and_coloured_ones_are_not(data):
    def trained(channels, **options):
        torch.manual_seed(0)
        net = EmbeddingNet(small_resnet(channels, (4, 8, 8, 8)), GlobalAveragePooling(), dim=6)
        images, labels, batches = data
        images = images.expand(-1, channels, -1, -1)
        train(net, contrastive_loss, images, labels, batches[:3], progress=False, device="cpu", **options)
        return net

    assert same(trained(1), trained(1, augment="letters")) and not same(trained(1), trained(1, augment=None))
    assert same(trained(3), trained(3, augment=None)) and not same(trained(3), trained(3, augment=augment))
