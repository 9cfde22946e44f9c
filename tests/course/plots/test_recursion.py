import numpy as np
import pytest
import torch

from dmlnb.course.plots import (
    draw_histogram_patches,
    draw_recursion,
    draw_recursion_steps,
    png_bytes,
    recursion_world,
)
from dmlnb.prototypes import recursive_fit
from dmlnb.prototypes.recursive import VARIANTS


def test_the_world_is_linear_up_to_its_noise_and_turns():
    batches, true = recursion_world(200, drift=0.1, seed=1)
    assert len(batches) == 200 and true.shape == (200, 3, 2)
    for z, _ in batches:
        assert torch.allclose(z.sum(dim=1), torch.ones(4).double()) and (z >= 0).all()
    noise = torch.cat([y - z @ v for (z, y), v in zip(batches, true, strict=True)])
    assert noise.std().item() == pytest.approx(0.15, rel=0.1)
    turned = torch.tensor([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])
    assert torch.allclose(true[1], true[0] @ turned.T)
    assert torch.equal(recursion_world(5)[1][0], recursion_world(5)[1][4])


def test_a_longer_world_begins_as_a_shorter_one():
    short, long = recursion_world(3)[0], recursion_world(9)[0]
    assert all(torch.equal(a[1], b[1]) for a, b in zip(short, long, strict=False))


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
    with pytest.raises(ValueError, match="num_batches"):
        recursion_world(0)
    with pytest.raises(ValueError, match="ridge"):
        draw_recursion(ridge=0.0)


def test_histogram_patches_show_the_strongest_prototypes():
    z = torch.tensor([0.1, 0.5, 0.0, 0.4])
    figure = draw_histogram_patches(torch.rand(1, 16, 16), z, torch.rand(4, 3, 5, 5), shown=2)
    picture, bars, strip = figure.axes
    assert [bar.get_height() for bar in bars.patches] == pytest.approx(z.tolist())
    faces = [bar.get_facecolor() for bar in bars.patches]
    assert faces[0] == faces[2] and len({faces[0], faces[1], faces[3]}) == 3
    assert strip.images[0].get_array().shape == (2 * 6 - 1, 3 * 6 - 1)
    assert len(png_bytes(figure)) < 100_000
    draw_histogram_patches(torch.zeros(8, 8), torch.ones(1), torch.zeros(1, 1, 4, 4))


def test_histogram_patches_name_bad_input():
    for z, patches in ((torch.ones(3, 2), torch.rand(3, 1, 4, 4)), (torch.ones(3), torch.rand(2, 1, 4, 4))):
        with pytest.raises(ValueError, match="histogram, patches"):
            draw_histogram_patches(torch.zeros(8, 8), z, patches)
