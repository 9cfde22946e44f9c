import numpy as np
import pytest

from dmlnb.course.plots import (
    draw_recursion,
    draw_recursion_steps,
    png_bytes,
)
from dmlnb.course.toys import recursion_world
from dmlnb.prototypes import recursive_fit
from dmlnb.prototypes.recursive import VARIANTS


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("drift", [0.0, 0.2])
def test_the_curve_is_the_error_of_the_fit(variant, drift):
    figure = draw_recursion(variant, 7, 0.3, 0.7, drift, 2)
    curve = figure.axes[1].lines[VARIANTS.index(variant)]
    world, true = recursion_world(24, drift, 2)
    fits = recursive_fit(world[:7], 0.3, variant, forgetting=0.7)
    expected = [float((f.prototypes - t).norm(dim=1).mean()) for f, t in zip(fits, true, strict=False)]
    assert np.allclose(curve.get_ydata(), expected) and curve.get_label() == variant
    assert len(png_bytes(figure)) < 100_000


def test_circles_have_the_radius_of_the_uncertainty():
    figure = draw_recursion("full", 5)
    fit = recursive_fit(recursion_world(24)[0][:5], 0.3)[-1]
    radii = [patch.radius for patch in figure.axes[0].patches]
    assert np.allclose(radii, 0.15 * fit.covariance.diagonal().sqrt())


def test_small_multiples_have_a_row_a_variant():
    figure = draw_recursion_steps(("full", "proximal"), (1, 3, 5), drift=0.1)
    assert len(figure.axes) == 6 and len(png_bytes(figure)) < 150_000
    assert [ax.get_ylabel() for ax in figure.axes[::3]] == ["full", "proximal"]
    assert [ax.get_title(loc="left") for ax in figure.axes[:3]] == ["1 batch", "3 batches", "5 batches"]


def test_equal_inputs_equal_pictures():
    assert png_bytes(draw_recursion("full", 3)) == png_bytes(draw_recursion("full", 3))


def test_bad_input_is_named():
    for batches in (0, 25):
        with pytest.raises(ValueError, match="batches"):
            draw_recursion("full", batches)
    with pytest.raises(ValueError, match="variant"):
        draw_recursion("kalman")
    with pytest.raises(ValueError, match="ridge"):
        draw_recursion(ridge=0.0)
