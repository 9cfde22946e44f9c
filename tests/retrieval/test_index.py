import os
import stat

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from dmlnb.retrieval import Index, evaluate, nearest, rerank


@pytest.fixture(autouse=True)
def same_numbers_every_time():
    torch.manual_seed(0)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_search_is_that_of_nearest_and_batches_do_not_matter(metric):
    gallery, queries = torch.randn(80, 5), torch.randn(12, 5)
    index = Index(gallery, metric=metric)
    scores, rows = index.search(queries, 7)
    expected, same = nearest(queries, gallery, k=7, metric=metric)
    assert torch.equal(rows, expected) and torch.equal(scores, same) and len(index) == 80
    parts = [index.search(part, np.int64(7)) for part in queries.split(5)]
    assert torch.equal(torch.cat([p[1] for p in parts]), rows)
    assert torch.allclose(torch.cat([p[0] for p in parts]), scores, rtol=1e-13)


def test_own_is_left_out_and_recall_is_that_of_evaluate():
    gallery, labels = torch.randn(60, 4), torch.randint(0, 6, (60,))
    index = Index(gallery.numpy(), labels.tolist())
    _, rows = index.search(gallery, 1, own=torch.arange(60))
    found = (index.labels[rows[:, 0]] == labels).double().mean().item()
    assert found == pytest.approx(evaluate(gallery, labels).recall_at[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("labels", [None, torch.arange(30) + 111_085_122_871])
def test_saved_and_loaded_it_answers_the_same(tmp_path, dtype, labels):
    index, queries = Index(torch.randn(30, 4, dtype=dtype), labels, "l2"), torch.randn(5, 4)
    index.save(tmp_path / "new" / "a.safetensors")
    loaded = Index.load(tmp_path / "new" / "a.safetensors")
    assert all(
        torch.equal(a, b) for a, b in zip(index.search(queries, 9), loaded.search(queries, 9), strict=True)
    )
    assert loaded.metric == "l2" and loaded.embeddings.dtype == dtype
    assert loaded.labels is None if labels is None else torch.equal(loaded.labels, labels)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.safetensors"]


def test_added_rows_are_found():
    first, second = torch.randn(10, 3), torch.randn(5, 3)
    index = Index(first, range(10))
    index.add(second, range(10, 15))
    assert torch.equal(index.search(second, 1)[1][:, 0], torch.arange(10, 15)) and len(index.labels) == 15
    for bad in [(torch.randn(5, 4), range(5)), (second, range(3)), (second, None)]:
        with pytest.raises(ValueError):
            index.add(*bad)
    assert len(index) == 15


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


@pytest.mark.parametrize(
    "error", [OSError, SafetensorError]
)  # the second is what safetensors makes of a full disk
def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch, error):
    path = tmp_path / "a.safetensors"
    Index(torch.randn(4, 2)).save(path)

    def full(tensors, part, metadata):
        part.write_bytes(b"half")
        raise error("no space left")

    monkeypatch.setattr("dmlnb.retrieval.files.save_file", full)
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


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Index(torch.randn(3, 2), metric="dot"), "metric"),
        (lambda: Index(torch.randn(3, 2), [0, 1]), "labels"),
        (lambda: Index(torch.full((3, 2), torch.nan)), "finite"),
        (lambda: Index(torch.randn(3, 2)).search(torch.randn(1, 3)), "queries: expected as many"),
        (lambda: Index(torch.randn(3, 2)).search(torch.randn(1, 2), 4), "k: expected 1 .. 3"),
        (lambda: Index(torch.randn(3, 2)).search(torch.randn(1, 2), 3, own=[0]), "k: expected 1 .. 2"),
        (lambda: Index(torch.randn(3, 2), metric="l2").search(torch.randn(1, 2), 1, rerank=True), "rerank"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_reranking_is_an_option_of_the_search():
    gallery, queries = torch.randn(50, 4), torch.randn(6, 4)
    scores, rows = Index(gallery).search(queries, 5, rerank=True)
    expected, same = rerank(queries, gallery, k=5)
    assert torch.equal(rows, expected) and torch.allclose(scores, same)
