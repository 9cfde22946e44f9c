import pytest
import torch

from dmlnb.course.plots import (
    draw_configurations,
    draw_pair_demo,
    draw_transfer_demo,
    draw_transfer_steps,
    png_bytes,
)
from dmlnb.course.toys import pair_slope, toy_source, toy_transfer
from dmlnb.losses import relaxed_labels


@pytest.mark.parametrize("sigma, delta, step", [(0.1, 1.0, 0), (4.0, 0.5, 30), (1.0, 2.0, 60)])
def test_demos_draw(sigma, delta, step):
    for figure in (draw_transfer_demo(sigma, delta, step), draw_pair_demo(5, sigma, delta, step)):
        assert len(png_bytes(figure)) < 80_000


def test_the_pair_demo_says_what_the_loss_does():
    path, _ = toy_transfer(1.0, 1.0, 0)
    figure = draw_pair_demo(12, step=0)
    w = float(relaxed_labels(toy_source(0)[0])[0, 12])
    distance = torch.cdist(path[0], path[0])[0]
    r = float(distance[12] / distance.mean())
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert f"w = {w:.2f}" in titles[0] and f"r = {r:.2f}" in titles[1]
    word = "pulled" if pair_slope(r, w) > 0 else "pushed"
    assert word in titles[2]


def test_configurations_say_how_far_they_are_from_a_circle():
    source, classes = toy_source(0)
    figure = draw_configurations({"source": source, "_$other": torch.randn(24, 2)}, classes)
    png_bytes(figure)
    assert figure.axes[0].get_title(loc="left") == "source: 0 % off"


def test_rays_start_at_the_origin():
    points = torch.tensor([[2.0, 1.0], [3.0, 2.0], [2.0, 3.0], [1.0, 2.0]])  # circle round (2, 2), radius 1
    figure = draw_configurations({"a": points, "b": points}, torch.zeros(4, dtype=int), rays=["b"])
    assert len(figure.axes[0].get_lines()) == 1  # the circle
    lines = figure.axes[1].get_lines()
    assert len(lines) == 1 + 4 + 1 and lines[-1].get_marker() == "+"
    assert [float(v) for v in lines[-1].get_xydata()[0]] == pytest.approx([-2, -2], abs=1e-6)


def test_steps_stand_side_by_side():
    figure = draw_transfer_steps(steps=(0, 60))
    png_bytes(figure)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["source", "target, start", "after 60 steps"]
    path, _ = toy_transfer(1.0, 1.0, 0)
    drawn = torch.cat([torch.as_tensor(dots.get_offsets().data) for dots in figure.axes[2].collections[:4]])
    assert torch.allclose(drawn.float(), path[60], atol=1e-5)


def test_bad_input_is_named():
    for steps in ((), (0, 61)):
        with pytest.raises(ValueError, match="steps"):
            draw_transfer_steps(steps=steps)
    for call in (lambda: draw_transfer_demo(step=61), lambda: draw_pair_demo(step=-1)):
        with pytest.raises(ValueError, match="step"):
            call()
    with pytest.raises(ValueError, match="partner"):
        draw_pair_demo(0)
    with pytest.raises(ValueError, match="configurations"):
        draw_configurations({}, torch.zeros(3))
