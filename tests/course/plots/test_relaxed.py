import numpy as np
import pytest
import torch

from dmlnb.course.plots import draw_label_maps, draw_pair_energy, png_bytes
from dmlnb.losses import relaxed_labels


def test_maps_show_the_packages_labels_sorted_by_class():
    source, labels = torch.randn(6, 3), torch.tensor([1, 0, 1, 0, 2, 2])
    figure = draw_label_maps(source, labels, sigmas=(0.5,))
    class_map, relaxed_map = (ax.images[0].get_array() for ax in figure.axes[:2])
    order = [1, 3, 0, 2, 4, 5]
    assert np.array_equal(class_map, np.kron(np.eye(3), np.ones((2, 2))))
    assert np.allclose(relaxed_map, relaxed_labels(source[order], sigma=0.5))
    with pytest.raises(ValueError, match="labels"):
        draw_label_maps(source, labels[:-1])


def test_blocks_bear_the_names_of_their_classes():
    ax = draw_label_maps(torch.randn(7, 3), [0, 0, 0, 1, 1, 1, 1], sigmas=(1.0,), names="ab").axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_yticks().tolist() == [1.0, 4.5] == ax.get_xticks().tolist()
    with pytest.raises(ValueError, match="names: expected one for each of 2 classes, got 3"):
        draw_label_maps(torch.randn(4, 3), [0, 0, 1, 1], names="abc")


def test_the_energies_draw_and_a_bad_margin_is_named():
    figure = draw_pair_energy(labels=(0.0, 0.5))
    png_bytes(figure)
    rests = [line.get_xdata()[0] for line in figure.axes[1].get_lines()[1:4:2]]
    assert rests == [1.0, 0.5]  # δ (1 - w)
    with pytest.raises(ValueError, match="delta"):
        draw_pair_energy(delta=0)
