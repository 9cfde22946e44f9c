import numpy as np
import pytest
import torch

from dmlnb.course.plots import assignment_maps, png_bytes, pooling_overlay

GREY = torch.randint(0, 256, (12, 1, 16, 16), dtype=torch.uint8)
MASKS = torch.zeros(12, 16, 16, dtype=torch.bool)
MASKS[:, 4:12, 4:16] = True


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_overlay_shows_weights_relative_to_uniform():
    weights = torch.ones(2, 4, 4)
    weights[1] = 0
    weights[1, 0, 0] = 5.0
    figure = pooling_overlay(GREY[:2], weights, masks=MASKS[:2], titles=["x", "y"], title="t")
    heat = [image.get_array() for image in figure.axes[0].images if image.get_array().shape == (4, 4)]
    assert np.allclose(heat[0], 0)  # log2 of 1
    assert heat[1][0, 0] == 3 and heat[1][1, 1] == -3  # clipped at 8 times and at 1/8
    assert len(figure.axes) == 2 and len(png_bytes(figure)) < 150_000
    both = pooling_overlay(GREY[:2], {"GAP": weights[:1].expand(2, -1, -1), "GSP": weights * 3})
    assert {"image", "GAP", "GSP"} <= set(texts(both))


def test_overlay_with_a_narrow_scale_and_large_pictures():
    weights = torch.ones(2, 4, 4)
    weights[1, 0, 0] = 99.0
    figure = pooling_overlay(GREY[:2], weights, octaves=1, size=1.6)
    heat = [image.get_array() for image in figure.axes[0].images if image.get_array().shape == (4, 4)]
    assert heat[1][0, 0] == 1 and heat[1][1, 1] == -1  # clipped at twice and at half
    labels = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert labels == ["≤ 1/2", "1 = GAP", "≥ 2"]
    left, right, *_ = figure.axes[0].images[0].get_extent()
    assert right - left == pytest.approx(1.6)


@pytest.mark.parametrize(
    "bad", [torch.zeros(2, 4, 4), -torch.ones(2, 4, 4), torch.full((2, 4, 4), torch.nan), torch.ones(2, 4)]
)
def test_overlay_rejects_bad_weights(bad):
    with pytest.raises(ValueError, match="weights: expected"):
        pooling_overlay(GREY[:2], bad)


def test_overlay_rejects_another_number():
    with pytest.raises(ValueError, match=r"weights\['weights'\]: expected 2"):
        pooling_overlay(GREY[:2], torch.ones(3, 4, 4))


def test_assignment_maps_show_the_winners():
    images, winners = torch.zeros(3, 1, 8, 8), torch.randint(0, 4, (3, 2, 2))
    figure = assignment_maps(images, winners, num_prototypes=4)
    shown = [axis.images[0].get_array() for axis in figure.axes[3:6]]
    assert all(np.array_equal(a, w) for a, w in zip(shown, winners.numpy(), strict=True))
    with pytest.raises(ValueError, match="winners"):
        assignment_maps(images, winners[:2], num_prototypes=4)


def test_assignment_maps_have_captions():
    figure = assignment_maps(
        GREY[:2], torch.zeros(2, 2, 2, dtype=torch.long), num_prototypes=1, titles=["$a", "b"]
    )
    assert [axis.get_title(loc="left") for axis in figure.axes[:2]] == [r"\$a", "b"]
    with pytest.raises(ValueError, match="titles: expected 2"):
        assignment_maps(GREY[:2], torch.zeros(2, 2, 2, dtype=torch.long), num_prototypes=1, titles=["a"])


def test_assignment_maps_refuse_prototypes_that_are_not_there():
    with pytest.raises(ValueError, match=r"winners: expected prototypes in 0 \.\. 3, got 0 \.\. 4"):
        assignment_maps(GREY[:1], torch.arange(5).view(1, 1, 5), num_prototypes=4)


def test_heat_and_outline_cover_a_picture_that_is_not_square():
    figure = pooling_overlay([np.zeros((20, 10), dtype=np.uint8)], {"a$b_{$": torch.ones(1, 2, 2)}, MASKS[:1])
    picture, again, heat = figure.axes[0].images
    assert heat.get_extent() == again.get_extent() != picture.get_extent()
    left, right, low, high = heat.get_extent()
    assert abs(low - high) == pytest.approx(2 * (right - left))
    png_bytes(figure)
