import functools
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dmlnb.data import ClassBatches, augment, to_float
from dmlnb.losses import ProxyAnchorLoss, contrastive_loss
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GlobalAveragePooling, GlobalMaxPooling
from dmlnb.training import hold_then_linear, load_checkpoint, make_optimizer, save_checkpoint, train

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


def refused(data, path, *words, net=None, loss=None, seed=5, **options):
    """The run is refused in one line, and nothing of it is changed."""
    fresh_net, fresh_loss = make(3)
    net, loss = net or fresh_net, loss or fresh_loss
    before = [v.clone() for v in net.state_dict().values()], net.training
    net.eval()
    with pytest.raises(ValueError) as error:
        train(net, loss, *data, seed=seed, progress=False, device="cpu", checkpoint=path, **options)
    text = str(error.value)
    assert "\n" not in text and all(word in text for word in ("belongs to another run", *words)), text
    assert all(torch.equal(a, b) for a, b in zip(before[0], net.state_dict().values(), strict=True))
    assert not net.training


def test_another_run_is_refused_by_name(data, tmp_path):
    images, labels, batches = data
    path = tmp_path / "run.safetensors"
    run(data, checkpoint=path, stop_at=3)
    refused(data, path, "seed: 5 there, 7 here", seed=7)
    refused((images, labels, batches.table[:4]), path, "steps: 8 there, 4 here")
    refused((images, labels, ClassBatches(labels, 3, 2, STEPS, seed=4)), path, "batches: ")
    refused((images, labels.flip(0), batches), path, "labels: ")
    refused((images.flip(0), labels, batches), path, "images' values: ")
    refused(
        (images.repeat(1, 3, 1, 1), labels, batches), path, "(1, 16, 16) there, 24 of shape (3, 16, 16) here"
    )
    for name, there, here in (
        ("learning_rate", 3e-3, 1e-3), ("proxy_factor", 10.0, 2.0), ("weight_decay", 1e-4, 0.0), ("warmup", 0, 2),
        ("clip", None, 1.0), ("amp", False, True), ("freeze_batchnorm", False, True),
    ):  # fmt: skip
        refused(data, path, f"{name}: {there} there, {here} here", **{name: here})
    refused(data, path, "rates: None there, {'backbone': 0.5} here", rates={"backbone": 0.5})
    refused(data, path, "augment: augment there, None here", augment=None)
    refused(data, path, "augment: augment there", augment=functools.partial(augment, angle=0.0))
    refused(data, path, "validate_every: None there, 200 here", validate=lambda net: {})
    refused(data, path, "loss: ProxyAnchorLoss", "contrastive_loss here", loss=contrastive_loss)
    refused(data, path, "loss: ", "alpha=32.0", "alpha=16.0", loss=ProxyAnchorLoss(4, 6, alpha=16.0))
    backbone = small_resnet(1, (4, 8, 8, 8))
    other = EmbeddingNet(backbone, GlobalMaxPooling(), dim=6)
    refused(data, path, "net.pooling: GlobalAveragePooling() there, GlobalMaxPooling() here", net=other)
    assert len(run(data, checkpoint=path)[2]) == STEPS


def test_what_changes_nothing_may_change_when_resuming(data, tmp_path):
    net, _, _ = run(data)
    path = tmp_path / "run.safetensors"
    run(data, checkpoint=path, stop_at=3)
    images, labels, batches = data
    again, _, history = run(
        (images, labels.to(torch.int32), list(batches)),
        checkpoint=path,
        checkpoint_every=1,
        log=lambda *_: None,
    )
    assert same(net, again) and len(history) == STEPS


def test_a_checkpoint_without_a_stamp_is_loaded_but_not_resumed(data, tmp_path):
    net, loss, history = run(data)
    path = tmp_path / "old.safetensors"
    save_checkpoint(path, net, loss, history=history)
    other, other_loss = make(4)
    assert load_checkpoint(path, other, other_loss) == history and same(net, other)
    with pytest.raises(ValueError, match="does not say which run .* load_checkpoint, or give another path"):
        run(data, checkpoint=path)


def test_the_home_folder_in_a_path(data, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    run(data, checkpoint="~/runs/a.safetensors", stop_at=1)
    assert (tmp_path / "runs" / "a.safetensors").is_file()
    assert len(run(data, checkpoint="~/runs/a.safetensors", stop_at=2)[2]) == 2


def test_killed_and_resumed_ends_in_the_same_weights(data, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, signal, sys, torch\n"
        "from dmlnb.data import ClassBatches\n"
        "from dmlnb.losses import ProxyAnchorLoss\n"
        "from dmlnb.models import EmbeddingNet, small_resnet\n"
        "from dmlnb.pooling import GlobalAveragePooling, GlobalMaxPooling\n"
        "from dmlnb.training import train\n"
        "images, labels = torch.load(sys.argv[1])\n"
        "torch.manual_seed(0)\n"
        "net = EmbeddingNet(small_resnet(1, (4, 8, 8, 8)), GlobalAveragePooling(), dim=6)\n"
        "die = lambda step, entry: step == 5 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "train(net, ProxyAnchorLoss(4, 6), images, labels, ClassBatches(labels, 3, 2, 8, seed=3), seed=5, log=die,\n"
        "      checkpoint=sys.argv[2], checkpoint_every=2, progress=False, device='cpu')\n"
    )
    torch.save(data[:2], tmp_path / "data.pt")
    path = tmp_path / "run.safetensors"
    command = [sys.executable, str(program), str(tmp_path / "data.pt"), str(path)]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        command, cwd=root, env=os.environ | {"PYTHONPATH": root}, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    net, loss, history = run(data)
    resumed, resumed_loss, whole = run(data, checkpoint=path)
    assert same(net, resumed) and same(loss, resumed_loss)
    assert [h["loss"] for h in whole] == [h["loss"] for h in history]


# --- settings -------------------------------------------------------------------------------------------------------


def test_stop_at_zero_trains_nothing(data, tmp_path):
    net, loss, history = run(data, stop_at=0, checkpoint=tmp_path / "a.safetensors")
    fresh, fresh_loss = make()
    assert history == [] and same(net, fresh) and same(loss, fresh_loss) and not [*tmp_path.iterdir()]


@pytest.mark.parametrize("setting", [
    {"stop_at": -1}, {"stop_at": 1.5}, {"seed": 0.5}, {"seed": 2**43}, {"seed": "a"}, {"learning_rate": -0.1},
    {"learning_rate": math.nan}, {"learning_rate": math.inf}, {"proxy_factor": -1.0}, {"weight_decay": math.nan},
    {"warmup": -1}, {"clip": 0.0}, {"clip": math.nan}, {"workers": -1}, {"validate_every": 0}, {"checkpoint_every": 0},
    {"keep_best": "score"}, {"rates": {"back": 0.1}}, {"rates": {"backbone": -0.1}}, {"rates": {"linear": math.nan}},
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


def test_warm_up_rises_linearly_and_joins_the_schedule(data):
    assert [hold_then_linear(t, 100, warmup=4) for t in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    _, _, history = run(data, warmup=4, learning_rate=0.1)
    assert [h["lr"] for h in history[:4]] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert history[-1]["lr"] == pytest.approx(0.1 / (0.35 * STEPS))


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


def test_a_best_that_cannot_be_told_is_named(data):
    with pytest.raises(ValueError, match="keep_best: validate gave 'a', but no 'score'"):
        run(data, validate=lambda n: {"a": 1}, validate_every=1, keep_best="score")
    with pytest.raises(FloatingPointError, match="validate: a became nan"):
        run(data, validate=lambda n: {"a": math.nan}, validate_every=1, keep_best="a")


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
