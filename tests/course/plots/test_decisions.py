import numpy as np
import pytest
import torch

from dmlnb.course.plots import draw_decision_steps, png_bytes


def regions():
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    own = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    decided = torch.tensor([0, 0, 1, 3, 2, 2, 3, 1])
    decisions = torch.tensor([[1, 0, 0, 0], [0, 0.5, 0, 0.5], [0, 0, 1, 0], [0, 0.5, 0, 0.5]])
    return torch.randn(8, 5), torch.randn(8, 2), labels, own, decided, decisions


def test_each_step_has_its_panel():
    features, z, labels, own, decided, decisions = regions()
    figure = draw_decision_steps(features, z, labels, own, decided, decisions)
    png_bytes(figure)
    raw, lda, first, second, table, bars = figure.axes
    assert np.allclose(raw.collections[0].get_offsets(), features[:, :2])
    assert np.allclose(lda.collections[0].get_offsets(), z)
    assert len(np.unique(lda.collections[0].get_facecolors(), axis=0)) == 2
    assert len(np.unique(first.collections[0].get_facecolors(), axis=0)) == 4
    for panel, number in ((first, own), (second, decided)):
        dots, means = panel.collections
        assert np.allclose(dots.get_facecolors(), means.get_facecolors()[number])
        assert np.allclose(means.get_offsets(), torch.stack([z[own == g].mean(dim=0) for g in range(4)]))
    assert np.allclose(table.images[0].get_array(), decisions.sqrt())
    assert [bar.get_height() for bar in bars.patches] == [1, 0, 0, 0, 0, 0.5, 0, 0.5]


def test_names_what_is_wrong():
    features, z, labels, own, decided, decisions = regions()
    with pytest.raises(ValueError, match="labels: expected 8"):
        draw_decision_steps(features, z[:4], labels, own, decided, decisions)
    with pytest.raises(ValueError, match="decisions: expected"):
        draw_decision_steps(features, z, labels, own, decided, torch.eye(3))
