"""Interactive demos: thin shells around the pure functions of `dmlnb.plots`."""

from dmlnb.explore.sliders import slider_demo

__all__ = ["slider_demo"]
