import os
import stat

import pytest
import torch

from dmlnb.retrieval import Index


def test_the_file_follows_umask_home_and_links(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    index, old = Index(torch.randn(4, 2)), os.umask(0o027)
    try:
        index.save("~/a.safetensors")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode) == 0o640
    (tmp_path / "link").symlink_to(tmp_path / "a.safetensors")
    Index(torch.randn(7, 2)).save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and len(Index.load("~/a.safetensors")) == 7


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    Index(torch.randn(4, 2)).save(path)

    def full(tensors, part, metadata):
        part.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("dmlnb._files.save_file", full)
    with pytest.raises(OSError, match="no space"):
        Index(torch.randn(9, 2)).save(path)
    assert len(Index.load(path)) == 4 and [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_loaded_index_does_not_live_in_its_file(tmp_path):
    path, rows = tmp_path / "a.safetensors", torch.randn(500, 8)
    Index(rows).save(path)
    loaded = Index.load(path)
    path.write_bytes(b"")
    assert torch.equal(loaded.embeddings, rows)


def test_bad_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        Index.load(tmp_path / "none")
    for action in (Index.load, Index(torch.randn(2, 2)).save):
        with pytest.raises(ValueError, match="path: expected a file, got the folder"):
            action(tmp_path)
    path = tmp_path / "a.safetensors"
    Index(torch.randn(40, 2)).save(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="whole safetensors file"):
        Index.load(path)
    from safetensors.torch import save_file

    save_file({"embeddings": torch.randn(2, 2)}, path)
    with pytest.raises(ValueError, match="kind 'retrieval index', got .* of kind None"):
        Index.load(path)
