import base64
import re

import pytest

from dmlnb.course import plots
from dmlnb.course.demos import slider_demo


def picture(demo) -> bytes:
    return base64.b64decode(re.search(r"base64,([^\"]+)", demo.picture.value)[1])


def test_moving_a_slider_changes_the_picture():
    demo = slider_demo(
        plots.draw_prototype_demo, num_prototypes=(1, 16, 1, 5), sharpness=(0.0, 30.0, 0.5, 10.0)
    )
    first = picture(demo)
    assert first.startswith(b"\x89PNG")
    demo.controls["num_prototypes"].value = 9
    assert picture(demo) != first
    demo.controls["num_prototypes"].value = 5
    assert picture(demo) == first


def test_every_extreme_draws():
    demo = slider_demo(
        plots.draw_prototype_demo, num_prototypes=(1, 16, 1, 5), sharpness=(0.0, 30.0, 0.5, 10.0)
    )
    for control in demo.controls.values():
        for end in (control.min, control.max):
            control.value = end
            assert picture(demo).startswith(b"\x89PNG")


def test_kinds_of_controls():
    seen = []

    def draw(**parameters):
        seen.append(parameters)
        return plots.draw_curve([0, 1], [0, 1], "x", "y")

    demo = slider_demo(draw, a=(0, 3, 1, 2), b=(0.0, 1.0, 0.1, 0.5), c=["x", "y"], d=True, e=range(3))
    assert seen == [{"a": 2, "b": 0.5, "c": "x", "d": True, "e": 0}]
    kinds = [type(w).__name__ for w in demo.controls.values()]
    assert kinds == ["IntSlider", "FloatSlider", "Dropdown", "Checkbox", "BoundedIntText"]
    assert demo.controls["e"].max == 2
    assert not demo.controls["a"].continuous_update


def test_errors_in_the_drawing_are_passed_on():
    def draw(a):
        if a > 1:
            raise RuntimeError("too large")
        return plots.draw_curve([0, 1], [0, 1], "x", "y")

    demo = slider_demo(draw, a=(0, 3, 1, 0))
    with pytest.raises(RuntimeError, match="too large"):
        demo.controls["a"].value = 2


@pytest.mark.parametrize("controls", [{}, {"a": (1, 2)}, {"a": []}, {"a": "x"}, {"a": range(1)}])
def test_bad_controls_are_named(controls):
    with pytest.raises((TypeError, ValueError), match="controls|a:"):
        slider_demo(plots.draw_prototype_demo, **controls)
