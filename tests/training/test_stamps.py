import functools

import pytest
import torch

from dmlnb.data import ClassBatches, augment
from dmlnb.losses import ProxyAnchorLoss, contrastive_loss
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GlobalMaxPooling
from dmlnb.training import cosine, load_checkpoint, save_checkpoint, train
from dmlnb.training.stamps import describe_run, difference
from tests.training.small import STEPS, make, run, same


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
    refused(data, path, "schedule: ", "cosine here", schedule=cosine)
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


def test_a_loss_without_a_name_is_told_by_its_code(data, tmp_path):
    path = tmp_path / "run.safetensors"
    own = lambda embeddings, labels: contrastive_loss(embeddings, labels)
    net, _ = make()
    options = {"seed": 5, "device": "cpu", "progress": False, "checkpoint": path}
    train(net, own, *data, stop_at=3, **options)
    other = lambda embeddings, labels: 2 * contrastive_loss(embeddings, labels)
    with pytest.raises(ValueError, match="loss: <lambda> #[0-9a-f]+ there, <lambda> #[0-9a-f]+ here"):
        train(net, other, *data, **options)
    assert len(train(net, lambda e, y: contrastive_loss(e, y), *data, **options)) == STEPS


def test_a_stamp_of_names_alone_still_fits():
    here = describe_run(
        *make(), torch.zeros(2, 1, 4, 4), None, [torch.tensor([0, 1])], {"augment": lambda x: x}
    )
    there = here | {"augment": "<lambda>"}
    assert difference(there, here) == "" and difference(there | {"augment": "turn"}, here).startswith(
        "augment: turn"
    )


def test_what_a_loss_writes_down_makes_no_other_run(data, tmp_path):
    class Logging(ProxyAnchorLoss):
        def forward(self, embeddings, labels):
            value = super().forward(embeddings, labels)
            self.log = [*getattr(self, "log", ()), value.item()]
            return value

    net, loss = make()[0], Logging(4, 6)
    options = {"seed": 5, "device": "cpu", "progress": False, "checkpoint": tmp_path / "run.safetensors"}
    train(net, loss, *data, stop_at=3, **options)
    assert len(loss.log) == 3 and len(train(net, loss, *data, **options)) == STEPS
