"""Interactive demos: thin shells of ipywidgets around the pure functions of `dmlnb.plots`."""

from dmlnb.explore.sliders import SliderDemo, slider_demo

__all__ = ["SliderDemo", "slider_demo"]
