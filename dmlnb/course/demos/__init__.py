"""Interactive demos: sliders around pure functions that draw."""

import dmlnb.explore  # noqa: F401  (first: it says what to install where the course's packages are missing)
from dmlnb.course.demos.sliders import SliderDemo, slider_demo

__all__ = ["SliderDemo", "slider_demo"]
