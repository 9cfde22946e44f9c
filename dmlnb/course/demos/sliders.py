"""Sliders round a drawing function.

Only what ipywidgets 7.7 (Colab) and 8 share: controls, and a picture as an HTML `<img>`. Nothing is captured and
nothing is shown from a callback, so an error in the drawing function reaches whoever moved the slider.
"""

import base64
import html
from collections.abc import Callable

import ipywidgets as widgets
from matplotlib.figure import Figure

from dmlnb.explore.figures import png_bytes

SCREEN_DPI = 80


class SliderDemo(widgets.VBox):
    """Controls above a picture; made by `slider_demo`.

    Attributes:
        controls: the ipywidgets control of each parameter; set its `value` to move it.
        picture: the ipywidgets `HTML` that holds the picture.
    """

    _ipython_display_ = None  # ipywidgets 7 would print itself and leave no room for the static picture

    def __init__(self, draw: Callable[..., Figure], controls: dict[str, widgets.Widget], title: str):
        self.draw, self.controls, self.title = draw, controls, title
        self.picture = widgets.HTML()
        for control in controls.values():
            control.observe(self._redraw, names="value")
        self._redraw()
        super().__init__(children=[*controls.values(), self.picture])

    @property
    def parameters(self) -> dict:
        """The value of each control."""
        return {name: control.value for name, control in self.controls.items()}

    def _redraw(self, change=None) -> None:
        self._png = base64.b64encode(png_bytes(self.draw(**self.parameters), SCREEN_DPI)).decode()
        values = ", ".join(
            f"{name.replace('_', ' ')} = {_text(value)}" for name, value in self.parameters.items()
        )
        alt = html.escape(f"{self.title}: {values}")
        self.picture.value = (
            f'<img src="data:image/png;base64,{self._png}" alt="{alt}" style="max-width: 100%">'
        )

    def _repr_mimebundle_(self, include=None, exclude=None, **kwargs) -> dict:
        """The widget for a live front end, and the picture for a reader without one."""
        return {
            "text/plain": f"{self.title} (interactive: run the cell to use its controls)",
            "image/png": self._png,
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.model_id,
            },
        }


def slider_demo(draw: Callable[..., Figure], *, title: str | None = None, **controls) -> SliderDemo:
    """Put controls round a drawing function.

    Every change calls `draw` with all values and shows the figure it returns; an exception of `draw` is not swallowed.

        slider_demo(draw_prototype_demo, num_prototypes=(1, 24, 1, 4), sharpness=[math.inf, 10.0, 3.0, 0.0])

    Args:
        draw: a function of the parameters that returns a figure.
        title: what the picture shows, for its alt text; by default made from the function's name.
        controls: one a parameter. (lowest, highest, step, value) makes a slider, of integers if all four are
            integers; a range of integers makes a number that starts at its first, with buttons to step through; a list
            makes a drop-down menu that starts at its first entry; a bool makes a checkbox.

    Returns:
        A widget: let it be the last value of a cell.

    Raises:
        TypeError: if `draw` cannot be called, or a control is none of these.
        ValueError: for no controls, a range that is empty, or a value outside it.

    Taught in notebook 01.
    """
    if not callable(draw):
        raise TypeError(f"draw: expected a function that returns a figure, got {type(draw).__name__}")
    if not controls:
        raise ValueError("controls: expected at least one, as name=(lowest, highest, step, value), got none")
    if title is None:
        title = getattr(draw, "__name__", "figure").removeprefix("draw_").replace("_", " ")
    return SliderDemo(draw, {name: _control(name, what) for name, what in controls.items()}, title)


def _control(name: str, what) -> widgets.Widget:
    look = {
        "description": name.replace("_", " "),
        "style": {"description_width": "130px"},
        "layout": {"width": "430px"},
    }
    if isinstance(what, bool):
        return widgets.Checkbox(value=what, **look)
    if isinstance(what, list) and what:
        return widgets.Dropdown(options=[(_text(v), v) for v in what], value=what[0], **look)
    if isinstance(what, range) and len(what) > 1 and what.step > 0:
        return widgets.BoundedIntText(min=what[0], max=what[-1], step=what.step, value=what[0], **look)
    if not isinstance(what, tuple) or len(what) != 4:
        raise TypeError(
            f"{name}: expected (lowest, highest, step, value), a range, a list or a bool, got {what!r}"
        )
    lowest, highest, step, value = what
    if not lowest < highest or not lowest <= value <= highest or step <= 0:
        raise ValueError(
            f"{name}: expected lowest < highest, lowest <= value <= highest and step > 0, got {what!r}"
        )
    whole = all(isinstance(number, int) for number in what)
    slider = widgets.IntSlider if whole else widgets.FloatSlider
    return slider(min=lowest, max=highest, step=step, value=value, continuous_update=False, **look)


def _text(value) -> str:
    if isinstance(value, float):
        return "∞" if value == float("inf") else f"{value:g}"
    return str(value)
