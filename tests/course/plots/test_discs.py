import numpy as np
import pytest

from dmlnb.course.plots import draw_disc_projections, png_bytes
from dmlnb.course.toys import disc_projections


def test_each_panel_draws_the_path_of_its_strength():
    figure = draw_disc_projections((0.0, 1.0), steps=5)
    png_bytes(figure)
    for ax, strength in zip(figure.axes, (0.0, 1.0), strict=False):
        assert np.allclose(ax.get_lines()[0].get_xydata(), disc_projections(strength, 5))
    with pytest.raises(ValueError, match="strengths"):
        draw_disc_projections(())
