"""Sliders over a pure drawing function.

Only what ipywidgets 7.7 and 8 share. The picture is an `HTML` widget with an embedded PNG: captured output and pyplot
do not survive in every front end, this does. A still figure of the same function should stand before each demo.
"""

import base64
import io
from collections.abc import Callable

import ipywidgets


def slider_demo(draw: Callable, *, dpi: int = 80, alt: str = "interactive figure", **controls) -> ipywidgets.VBox:
    """Sliders, menus or check boxes that redraw a figure.

    Args:
        draw: a pure function `draw(**parameters) -> Figure`.
        dpi: of the picture.
        alt: text for readers who do not see it.
        **controls: one a parameter: `(lowest, highest, step, value)` for a slider (of integers, if all four are), a
            list for a menu that starts with its first entry, True or False for a check box.

    Returns:
        The widget; `.controls` by name and `.picture`.

    Raises:
        ValueError: for a control of another form, or none at all. What `draw` raises is passed on.

    Taught in notebook 00.
    """
    if not controls:
        raise ValueError("controls: expected at least one")
    widgets = {name: _control(name, spec) for name, spec in controls.items()}
    picture = ipywidgets.HTML()

    def redraw(_=None) -> None:
        figure = draw(**{name: widget.value for name, widget in widgets.items()})
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dpi)
        data = base64.b64encode(buffer.getvalue()).decode()
        picture.value = f'<img alt="{alt}" src="data:image/png;base64,{data}">'

    for widget in widgets.values():
        widget.observe(redraw, names="value")
    redraw()
    box = ipywidgets.VBox([*widgets.values(), picture])
    box.controls, box.picture = widgets, picture
    return box


def _control(name: str, spec):
    options = {"description": name.replace("_", " "), "style": {"description_width": "initial"}}
    if isinstance(spec, bool):
        return ipywidgets.Checkbox(value=spec, **options)
    if isinstance(spec, list) and spec:
        return ipywidgets.Dropdown(options=spec, value=spec[0], **options)
    if isinstance(spec, tuple) and len(spec) == 4:
        lowest, highest, step, value = spec
        make = ipywidgets.IntSlider if all(isinstance(number, int) for number in spec) else ipywidgets.FloatSlider
        return make(min=lowest, max=highest, step=step, value=value, continuous_update=False, **options)
    raise ValueError(f"controls: {name} should be (lowest, highest, step, value), a list, or a bool, got {spec!r}")
