import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dmlnb.losses import ProxyAnchorLoss
from dmlnb.training import load_checkpoint, save_checkpoint
from tests.training.small import equal, everything, make, one_line, stepped


def test_all_of_it_comes_back(tmp_path):
    net, loss = make()
    optimizer = stepped(net, loss)
    save_checkpoint(tmp_path / "a.safetensors", net, loss, optimizer, [{"step": 0, "loss": 1.5}])
    other, other_loss = make(1)
    other_optimizer = stepped(other, other_loss)
    assert load_checkpoint(tmp_path / "a.safetensors", other, other_loss, other_optimizer) == [
        {"step": 0, "loss": 1.5}
    ]
    assert equal(everything(net, loss, optimizer), everything(other, other_loss, other_optimizer))


def test_damaged_checkpoints_are_named(tmp_path):
    net, loss = make()
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, net, loss)
    assert load_checkpoint(path, net, loss) == []
    damaged = bytearray(path.read_bytes())
    damaged[-3] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(path, net, loss)
    path.write_bytes(bytes(damaged[: len(damaged) // 2]))
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(path, net, loss)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(path, net)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        load_checkpoint(tmp_path / "absent.safetensors", net)


def test_a_sound_file_is_never_called_damaged(tmp_path):
    net, _ = make()
    foreign, pickled, folder = tmp_path / "foreign.safetensors", tmp_path / "net.pt", tmp_path / "runs"
    save_file({"weight": torch.zeros(3)}, foreign)
    torch.save(net.state_dict(), pickled)
    folder.mkdir()
    old = tmp_path / "old.pt"
    torch.save(net.state_dict(), old, _use_new_zipfile_serialization=False)
    for path, words in (
        (foreign, "another program"),
        (pickled, "torch.save"),
        (old, "torch.save"),
        (folder, "a folder"),
    ):
        with pytest.raises(ValueError) as error:
            load_checkpoint(path, net)
        one_line(error, words, str(path))
        assert "damaged" not in str(error.value) and "delete" not in str(error.value)


def test_a_file_whose_length_begins_as_a_pickle_is_no_pickle(tmp_path):
    """The first bytes of a safetensors file are the length of its header: here of every multiple of 8 below 256."""
    net, loss = make()
    path, beginnings = tmp_path / "a.safetensors", set()
    for words in range(0, 256, 8):
        save_checkpoint(path, net, loss, history=[{"step": 0}], run={"note": "n" * words})
        beginnings.add(path.read_bytes()[0])
        assert load_checkpoint(path, *make()) == [{"step": 0}]
    assert 0x80 in beginnings


def test_what_does_not_fit_changes_nothing(tmp_path):
    path = tmp_path / "a.safetensors"
    net, loss = make()
    save_checkpoint(path, net, loss, stepped(net, loss))
    # the network fits, the loss does not; the network and the loss fit, the optimiser does not; the last layer differs
    for other, other_loss, kind, words in (
        (make(1)[0], ProxyAnchorLoss(5, 6), None, "another loss"),
        (*make(1), torch.optim.SGD, "AdamW"),
        (make(1, width=12)[0], make(1)[1], None, "another net"),
    ):
        optimizer = stepped(other, other_loss, kind) if words == "AdamW" else None
        held = [t.clone() for t in (*other.state_dict().values(), *other_loss.state_dict().values())]
        with pytest.raises(ValueError) as error:
            load_checkpoint(path, other, other_loss, optimizer)
        one_line(error, words)
        now = [*other.state_dict().values(), *other_loss.state_dict().values()]
        assert equal(held, now)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux lists what is mapped")
def test_nothing_goes_on_living_in_the_file(tmp_path):
    path = tmp_path / "a.safetensors"
    net, loss = make()
    optimizer = stepped(net, loss)
    save_checkpoint(path, net, loss, optimizer)
    load_checkpoint(path, net, loss, optimizer)
    assert str(path) not in Path("/proc/self/maps").read_text()
    before = everything(net, loss, optimizer)
    with path.open("r+b") as file:  # in place, as another program might write
        file.write(b"\xff" * path.stat().st_size)
    assert equal(before, everything(net, loss, optimizer))


@pytest.mark.skipif(sys.platform == "win32", reason="modes and links of POSIX")
def test_mode_home_and_links_are_respected(tmp_path, monkeypatch):
    net, _ = make()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for mask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        before = os.umask(mask)
        try:
            save_checkpoint(f"~/{mask}.safetensors", net)
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / f"{mask}.safetensors").stat().st_mode) == mode
    assert load_checkpoint("~/18.safetensors", net) == [] and not (tmp_path / "~").exists()
    private = tmp_path / "18.safetensors"
    private.chmod(0o600)
    save_checkpoint(private, net)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    link = tmp_path / "last.safetensors"
    link.symlink_to(tmp_path / "elsewhere" / "run.safetensors")
    save_checkpoint(link, net, history=[{"step": 0}])
    assert link.is_symlink() and (tmp_path / "elsewhere" / "run.safetensors").is_file()
    assert load_checkpoint(link, net) == [{"step": 0}]


def test_numpy_numbers_and_tensors_in_the_history(tmp_path):
    net, _ = make()
    save_checkpoint(
        tmp_path / "a.safetensors",
        net,
        history=[{"a": np.float32(0.5), "b": np.int64(3), "c": torch.ones(())}],
    )
    assert load_checkpoint(tmp_path / "a.safetensors", net) == [{"a": 0.5, "b": 3, "c": 1.0}]
    with pytest.raises(ValueError, match="history: expected numbers, got object"):
        save_checkpoint(tmp_path / "b.safetensors", net, history=[{"a": object()}])


def test_the_run_is_asked_for_and_named(tmp_path):
    net, _ = make()
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, net, run={"seed": 0, "steps": 8})
    assert load_checkpoint(path, net, run={"seed": 0, "steps": 8}) == load_checkpoint(path, net) == []
    with pytest.raises(ValueError) as error:
        load_checkpoint(path, net, run={"seed": 7, "steps": 8})
    one_line(error, "another run (seed: 0 there, 7 here)")


def test_an_unwritable_place_leaves_no_partial_file(tmp_path, monkeypatch):
    net, _ = make()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError):
        save_checkpoint(tmp_path / "file" / "a.safetensors", net)

    def broken(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("dmlnb._files.save_file", broken)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(tmp_path / "b.safetensors", net)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_loses_nothing(tmp_path):
    net, loss = make()
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, net, loss, history=[{"step": 0}])
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))  # files end after 2 kB, as on a full disk
    try:
        with pytest.raises(OSError):
            save_checkpoint(path, net, loss, history=[{"step": 0}, {"step": 1}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert load_checkpoint(path, net, loss) == [{"step": 0}]
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_state_that_is_no_tensor_is_named(tmp_path):
    class Counting(nn.Linear):
        def get_extra_state(self):
            return {"calls": 3}

        def set_extra_state(self, state):
            pass

    with pytest.raises(ValueError, match="_extra_state: expected tensors"):
        save_checkpoint(tmp_path / "a.safetensors", Counting(2, 3))


def test_the_loss_in_a_lambda_is_kept(tmp_path):
    net, loss = make()
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, net, lambda e, y: loss(e, y))
    other, other_loss = make(1)
    load_checkpoint(path, other, lambda e, y: other_loss(e, y))
    assert torch.equal(loss.proxies, other_loss.proxies)
    assert load_checkpoint(path, other) == []
