import numpy as np
import pytest
import torch

from dmlnb.course.plots import draw_pooling_plan, draw_transport, draw_transport_demo, png_bytes
from dmlnb.geometry import pairwise_distances
from dmlnb.pooling import partial_transport


def heights(ax):
    return np.array([bar.get_height() for bar in ax.patches])


@pytest.mark.parametrize("mass, sharpness", [(0.3, 5.0), (0.05, 200.0), (1.0, 5.0), (0.5, 0.0)])
def test_bars_are_the_gates_and_widths_the_masses(mass, sharpness):
    tokens, prototypes = torch.randn(12, 2), torch.randn(3, 2)
    plan = partial_transport(pairwise_distances(prototypes, tokens)[None].double(), mass, sharpness)
    figure = draw_transport(tokens, prototypes, mass, sharpness)
    ax, bars = figure.axes
    assert np.allclose(heights(bars), plan.gates[0].sort(descending=True).values, atol=1e-5)
    # the lines: one collection for the residual, one a prototype; their widths are proportional to the mass
    flows = [np.sum(lines.get_linewidths()) for lines in ax.collections if hasattr(lines, "get_segments")]
    expected = [float(plan.residual.sum()), *plan.plan[0].sum(dim=1).tolist()]
    drawn = [flow / 60 if lines_ else 0.0 for flow, lines_ in zip(flows, expected, strict=True)]
    assert np.allclose(drawn, expected, atol=0.03)
    png_bytes(figure)


def test_the_demo_separates_near_from_far():
    few = heights(draw_transport_demo(0.3, 20.0).axes[1])
    assert few[:7].min() > 0.4 and few[10:].max() < 0.05 and few.mean() == pytest.approx(0.3, abs=1e-6)
    assert heights(draw_transport_demo(1.0, 5.0).axes[1]) == pytest.approx(np.ones(24))


def test_equal_inputs_equal_pictures():
    assert png_bytes(draw_transport_demo(0.4, 3.0, 1)) == png_bytes(draw_transport_demo(0.4, 3.0, 1))


def test_one_token_one_prototype():
    png_bytes(draw_transport(torch.zeros(1, 2), torch.zeros(1, 2), 0.5, 5.0))


@pytest.mark.parametrize("tokens, prototypes", [((5, 3), (2, 3)), ((5, 2), (2,)), ((5,), (2, 2))])
def test_shapes_are_checked(tokens, prototypes):
    with pytest.raises(ValueError, match=r"tokens, prototypes: expected \(n, 2\)"):
        draw_transport(torch.zeros(tokens), torch.zeros(prototypes))


@pytest.mark.parametrize("masked", [True, False])
def test_the_plan_of_an_image(masked):
    plan = partial_transport(2 * torch.rand(1, 20, 64), 0.3, 10.0)
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[:10, 5:20] = True
    image = torch.randint(0, 256, (1, 32, 32), dtype=torch.uint8)
    figure = draw_pooling_plan(image, plan, mask=mask if masked else None)
    assert np.allclose(heights(figure.axes[2]), plan.gates[0].sort(descending=True).values)
    matrix = figure.axes[3].images[0].get_array()
    assert matrix.shape == (16, 64)
    assert float(matrix.sum()) == pytest.approx(
        float(plan.plan[0].sum(dim=1).topk(16).values.sum()), abs=1e-5
    )
    weights = figure.axes[1].images[-1].get_array()
    assert np.allclose(weights, (64 * plan.weights[0]).clamp(0.5, 2).log2().view(8, 8), atol=1e-5)
    png_bytes(figure)


@pytest.mark.parametrize("shape", [(2, 4, 64), (1, 4, 60)])
def test_a_plan_of_several_images_or_of_no_square_map_is_refused(shape):
    with pytest.raises(ValueError, match="plan: expected one image and a square map"):
        draw_pooling_plan(torch.zeros(8, 8), partial_transport(torch.rand(shape), 0.3, 5.0))
