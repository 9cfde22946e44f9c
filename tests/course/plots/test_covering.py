import pytest
import torch

from dmlnb.course.plots import draw_cover, png_bytes
from dmlnb.course.toys import cover_points
from dmlnb.geometry import proxy_cover


def test_the_title_tells_the_mean_cover_of_what_is_drawn():
    points, labels = cover_points()
    proxies = torch.randn(3, 2, 2)
    figure = draw_cover(points, labels, [proxies, points.view(3, 30, 2)], titles=["a", "b"])
    expected = proxy_cover(points, labels, proxies)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == [f"a: mean cover {expected.mean():.2f}", "b: mean cover 0.00"]
    radii = {round(circle.radius, 4) for circle in figure.axes[0].patches}
    assert radii == {round(r, 4) for r in expected.tolist()}
    assert len(png_bytes(figure)) < 150_000


@pytest.mark.parametrize(
    ("points", "titles", "words"), [(torch.randn(4, 3), None, "points"), (torch.randn(4, 2), [], "titles")]
)
def test_bad_inputs_are_named(points, titles, words):
    with pytest.raises(ValueError, match=words):
        draw_cover(points, torch.zeros(4).long(), torch.randn(1, 1, 2), titles=titles)
