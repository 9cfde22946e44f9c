import pytest

from dmlnb.course.plots import draw_chance_demo, png_bytes


@pytest.mark.parametrize("step", [0, 1, 11])
def test_chance_demo_draws_small_pictures(step):
    assert len(png_bytes(draw_chance_demo(step=step))) < 100_000


def test_a_step_out_of_range_is_named():
    with pytest.raises(ValueError, match="step"):
        draw_chance_demo(step=12)
