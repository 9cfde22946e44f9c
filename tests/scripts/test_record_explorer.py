"""`scripts/record_explorer.py`: what it stores; the visit itself needs a browser."""

from pathlib import Path

import numpy as np
import record_explorer
from PIL import Image

from dmlnb.data import Glyphs
from dmlnb.retrieval import evaluate

ROOT = Path(__file__).parents[2]


def test_the_recording_moves_and_is_small():
    file = ROOT / "notebooks" / "explorer.gif"
    assert file.stat().st_size < 1e6
    with Image.open(file) as picture:
        assert picture.size == record_explorer.SIZE and picture.n_frames >= 8


def test_the_stored_embeddings_are_those_of_trained_networks():
    import torch

    labels = Glyphs("test", per_class=10).labels
    with np.load(ROOT / "docs" / "letters.npz") as stored:
        assert stored.files == ["GAP", "GSP"]
        for name in stored.files:
            rows = torch.from_numpy(stored[name]).float()
            assert rows.shape == (len(labels), 64) and evaluate(rows, labels).recall_at[1] > 0.6


def test_train_stores_one_row_an_image(tmp_path, monkeypatch):
    from dmlnb.course import recipes
    from dmlnb.models import EmbeddingNet, small_resnet

    untrained = lambda pooling, **options: (EmbeddingNet(small_resnet(), pooling, 64), [])
    monkeypatch.setattr(recipes, "glyph_baseline", untrained)
    record_explorer.train(tmp_path / "letters.npz")
    with np.load(tmp_path / "letters.npz") as stored:
        shapes = {name: stored[name].shape for name in stored.files}
    assert shapes == dict.fromkeys(("GAP", "GSP"), (len(Glyphs("test", per_class=10).labels), 64))
