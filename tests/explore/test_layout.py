import subprocess
import threading

import numpy as np
import pytest
import torch

from dmlnb.explore import layout
from dmlnb.explore.layout import Layout, load_map, map_file, store_map


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DMLNB_DATA", str(tmp_path))
    return tmp_path / "maps"


def test_a_map_is_found_again_by_its_content_and_never_for_another(folder):
    rows, points = torch.randn(9, 3), np.arange(18.0).reshape(9, 2)
    assert load_map(rows, 0) is None
    store_map(rows, 0, points)
    assert np.array_equal(load_map(rows.clone(), 0), points) and len(list(folder.iterdir())) == 1
    others = (rows, 1), (rows.double(), 0), (rows + 1e-6, 0), (rows[:, :2], 0), (rows.view(3, 9), 0)
    assert all(load_map(*other) is None for other in others)


@pytest.mark.parametrize(
    "content", [b"", b"no map", np.zeros((3, 2)), np.full((9, 2), np.nan), np.zeros((9, 2), dtype=object)]
)
def test_a_broken_file_is_no_map(content):
    rows = torch.randn(9, 3)
    store_map(rows, 0, np.zeros((9, 2)))
    if isinstance(content, bytes):
        map_file(rows, 0).write_bytes(content)
    else:
        np.save(map_file(rows, 0), content)
    assert load_map(rows, 0) is None


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DMLNB_DATA", str(tmp_path / "file"))
    store_map(torch.eye(4), 0, np.zeros((4, 2)))
    assert load_map(torch.eye(4), 0) is None


def test_the_other_process_lays_out_what_umap_does_and_tells_how_far_it_is(folder):
    rows, shares = torch.randn(30, 5), []
    points = Layout(rows, seed=2).run(shares.append)
    assert shares[-1] == 1 and shares == sorted(shares)
    assert np.array_equal(load_map(rows, 2), points)
    assert np.array_equal(points, layout.umap_layout(rows, 2, 15))


def test_it_can_be_stopped(monkeypatch):
    monkeypatch.setattr(layout, "PROGRAM", "import time; print('0.5', flush=True); time.sleep(1000)")
    rows, begun = torch.randn(30, 5), threading.Event()
    made, answers = Layout(rows, seed=0), []
    work = threading.Thread(target=lambda: answers.append(made.run(lambda share: begun.set())))
    work.start()
    assert begun.wait(300)
    made.stop()
    work.join(300)
    assert answers == [None] and load_map(rows, 0) is None and made._process.poll() is not None


def test_stopped_before_it_began(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    made = Layout(torch.randn(30, 5), seed=0)
    made.stop()
    assert made.run(print) is None


def test_a_failure_says_why(monkeypatch):
    monkeypatch.setattr(layout, "PROGRAM", "raise SystemExit('no room')")
    with pytest.raises(RuntimeError, match="UMAP failed: no room"):
        Layout(torch.randn(30, 5), seed=0).run(print)
