import pytest
import torch

from dmlnb.course.plots import draw_direction_maps, draw_force_panels, draw_forces, png_bytes
from dmlnb.course.toys import CIRCLE_LOSSES


@pytest.mark.parametrize("name", CIRCLE_LOSSES)
@pytest.mark.parametrize("dial, step", [(None, 0), (0.0, 20), (1.0, 200)])
def test_small_pictures_of_every_loss(name, dial, step):
    figure = draw_forces(name, dial, step)
    assert len(png_bytes(figure)) < 20_000
    assert figure.axes[0].get_title(loc="left").startswith(f"{name}, ")


def test_the_title_gives_the_setting():
    loss = CIRCLE_LOSSES["triplet"]
    for dial, value in ((None, loss.value), (0.0, loss.low), (1.0, loss.high)):
        assert f"margin {value:.2f}" in draw_forces("triplet", dial).axes[0].get_title(loc="left")


def test_a_point_without_a_force_is_hollow():
    (ax,) = draw_forces("semi-hard triplet").axes
    faces = [line.get_markerfacecolor() for line in ax.lines if line.get_markersize() == 8]
    assert len(faces) == 6 and faces.count("white") == 3
    assert len([text for text in ax.texts if text.get_text() == ""]) == 3  # an arrow each


def test_panels():
    figure = draw_force_panels(step=200)
    assert len(png_bytes(figure)) < 60_000
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[: len(CIRCLE_LOSSES)] == [*CIRCLE_LOSSES]


def test_bad_input_is_named():
    for bad, message in (
        ({"name": "centre"}, "name: expected"),
        ({"dial": 1.5}, "dial: expected"),
        ({"step": 201}, "step: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            draw_forces(**bad)
    with pytest.raises(ValueError, match="names: expected at least one"):
        draw_force_panels([])


def test_direction_maps_show_directions_only():
    x, labels = torch.randn(12, 2), torch.arange(12) % 3
    figure = draw_direction_maps({"triplet": x, "SupCon": 5 * x}, labels, titles={"SupCon": "again"})
    first, second = figure.axes[:2]
    assert [ax.get_title() for ax in (first, second)] == ["triplet", "again"]
    for a, b in zip(first.collections, second.collections, strict=True):
        assert abs(a.get_offsets() - b.get_offsets()).max() < 1e-5
    for bad in ({}, {"triplet": x[:, :1]}, {"triplet": x[:5]}):
        with pytest.raises(ValueError, match="embeddings: expected"):
            draw_direction_maps(bad, labels)
