import base64
import itertools
import math
import re

import ipywidgets
import pytest

from dmlnb.course import plots
from dmlnb.course.demos import SliderDemo, slider_demo

DEMOS = {
    "prototypes": (
        plots.draw_prototype_demo,
        {"num_prototypes": (1, 24, 1, 4), "sharpness": [math.inf, 10.0, 0.0], "seed": (0, 3, 1, 0)},
    ),
    "sweep": (
        plots.draw_assignment_sweep,
        {"sharpness": (0.5, 9.0, 0.5, 4.0), "gamma": (0.1, 2.0, 0.1, 0.5)},
    ),
}


def ends(control):
    return (
        [value for _, value in control.options]
        if isinstance(control, ipywidgets.Dropdown)
        else [control.min, control.max]
    )


@pytest.mark.parametrize("name", DEMOS)
def test_all_corners_draw(name):
    draw, controls = DEMOS[name]
    demo = slider_demo(draw, **controls)
    for corner in itertools.product(*(ends(control) for control in demo.controls.values())):
        for control, value in zip(demo.controls.values(), corner, strict=True):
            control.value = value
        assert tuple(demo.parameters.values()) == corner
        assert demo.picture.value.startswith('<img src="data:image/png;base64,')


def test_the_picture_says_its_parameters_and_escapes_them():
    demo = slider_demo(
        lambda angle, what: plots.new_figure()[0], title='a "b" <c>', angle=(0.0, 1.0, 0.5, 0.5), what=["∞"]
    )
    assert re.search('alt="a &quot;b&quot; &lt;c&gt;: angle = 0.5, what = ∞"', demo.picture.value)
    demo = slider_demo(plots.draw_prototype_demo, sharpness=[math.inf, 1.0])
    assert 'alt="prototype demo: sharpness = ∞"' in demo.picture.value
    assert demo.controls["sharpness"].options[0] == ("∞", math.inf)


def test_a_reader_without_a_front_end_gets_the_picture():
    demo = slider_demo(plots.draw_prototype_demo, num_prototypes=(1, 9, 1, 3))
    assert isinstance(demo, SliderDemo) and isinstance(demo, ipywidgets.VBox)
    bundle = demo._repr_mimebundle_(include=None, exclude=None)
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["image/png"] in demo.picture.value and len(bundle["image/png"]) < 60_000
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view == {"version_major": 2, "version_minor": 0, "model_id": demo.model_id}
    demo.controls["num_prototypes"].value = 4
    assert demo._repr_mimebundle_()["image/png"] != bundle["image/png"]


def test_an_error_at_the_start_is_passed_on_too():
    with pytest.raises(ValueError, match="num_prototypes: expected"):
        slider_demo(plots.draw_prototype_demo, num_prototypes=(90, 99, 1, 95))


@pytest.mark.parametrize(
    ("control", "error"),
    [
        ((1, 2, 1), TypeError),
        ("abc", TypeError),
        ([], TypeError),
        (3.0, TypeError),
        ((2, 1, 1, 1), ValueError),
        ((0, 5, 1, 9), ValueError),
        ((0, 5, 0, 1), ValueError),
        ((1, 2), TypeError),
        (range(1), TypeError),
    ],
)
def test_bad_controls(control, error):
    with pytest.raises(error, match="a: expected"):
        slider_demo(lambda a: None, a=control)


def test_bad_draw():
    with pytest.raises(TypeError, match="draw: expected a function"):
        slider_demo(None, a=(0, 1, 1, 0))
    with pytest.raises(ValueError, match="controls: expected at least one"):
        slider_demo(plots.draw_prototype_demo)


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
