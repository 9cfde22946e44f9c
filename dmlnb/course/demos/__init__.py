"""Interactive demos: sliders around pure functions that draw."""

from dmlnb.course.demos.sliders import SliderDemo, slider_demo

__all__ = ["SliderDemo", "slider_demo"]
