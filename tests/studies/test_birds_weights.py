import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from studies import birds, birds_weights


@pytest.fixture
def few(few_birds, monkeypatch):
    few_birds(birds)
    first = torch.rand(7, 6, 3, 3)
    seen = {"first": first, "shifted": torch.rand(7, 6, 3, 3), "mirrored": first.flip(3)}
    monkeypatch.setattr(birds_weights, "views", lambda: seen)
    monkeypatch.setattr(birds_weights, "SILENCED", 2)
    return few_birds(birds_weights)


def test_two_steps(few, check_row):
    rows = [{"method": birds.tries(arm)[4], "validation_map_at_r": 0.5} for arm in birds_weights.ARMS]
    (few / "birds_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for method in birds_weights.ARMS:
        row = birds_weights.run(method, 0)
        check_row("birds_weights", method, row | {"own": 0})
        # a weighting by prototypes goes with the regions: a mirrored map has mirrored weights
        assert row["overlap_mirrored"] == pytest.approx(1, abs=1e-4)
        assert row["overlap_mirrored_control"] < row["overlap_mirrored"]


def test_regions_that_two_views_share_lie_on_each_other(monkeypatch, tmp_path):
    """With a backbone that averages 32 x 32 pixels, the shared regions of the views are the same numbers."""
    lines = ["1 a.png", "2 b.png", "3 c.png"]
    (tmp_path / "images").mkdir()
    for line in lines:
        pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / line.split()[1])
    (tmp_path / "images.txt").write_text("\n".join(lines))
    (tmp_path / "image_class_labels.txt").write_text("1 50\n2 51\n3 100\n")
    monkeypatch.setattr(birds_weights, "ONE_IN", 1)
    images = birds_weights.photographs(tmp_path)
    assert len(images) == 2 and images[0][0].shape == (3, 256, 256)

    class Stored:
        labels = torch.zeros(2)

        @staticmethod
        def load(path):
            return Stored()

        def __getitem__(self, rows):
            return torch.tensor([0.0, 2.0])

    class Averages(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.weight * nn.functional.avg_pool2d(x, 32)

    monkeypatch.setattr(birds_weights, "FeatureMaps", Stored)
    monkeypatch.setattr(birds_weights, "lite0_backbone", Averages)
    monkeypatch.setattr(birds_weights, "photographs", lambda: images)
    maps = birds_weights.views.__wrapped__()
    assert {view.shape for view in maps.values()} == {(2, 3, 7, 7)}
    grey = {name: view.mean(dim=1).exp() for name, view in maps.items()}
    for view in ("shifted", "mirrored"):
        first, other = birds_weights.common(grey, view)
        assert torch.allclose(first, other, atol=1e-5)
        assert birds_weights.agreement(first, other) == pytest.approx((1, 1), abs=1e-4)


def test_agreement_by_hand():
    first, other = torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([[0.0, 0.5, 0.5]])
    overlap, correlation = birds_weights.agreement(first, other)
    assert overlap == pytest.approx(0.5) and correlation == pytest.approx(-0.5)


def test_silenced_regions_are_the_mean_and_others_stay():
    maps = torch.randn(4, 5, 3, 3)
    regions = torch.tensor([[0, 4], [8, 1], [2, 3], [7, 6]])
    after = birds_weights.silence(maps, regions)
    for old, new, chosen in zip(maps.flatten(2), after.flatten(2), regions.tolist(), strict=True):
        for j in range(9):
            assert torch.equal(new[:, j], old.mean(dim=1) if j in chosen else old[:, j])
