import re

import pytest

from dmlnb.course.plots import METHOD_COLORS, method_color, method_marker
from dmlnb.course.plots.palette import METHOD_MARKERS, METRIC_COLORS, SPLIT_COLORS


def test_methods_have_colours_of_their_own_and_neighbours_differ_in_marker():
    assert set(METHOD_MARKERS) == set(METHOD_COLORS)
    named = ["random network", "raw pixels", "GAP", "GMP", "GeM", "GSP", "GSP+GeM", "XML", "CCP"]
    assert len({method_marker(name) for name in named}) == len(named)
    assert len({METHOD_COLORS[name] for name in named}) == len(named)


def test_unknown_names_are_refused_with_near_ones_named():
    for name in [*METHOD_COLORS, *SPLIT_COLORS, *METRIC_COLORS]:
        assert re.fullmatch("#[0-9A-F]{6}", method_color(name))
    with pytest.raises(ValueError, match="got 'Proxy anchor'; did you mean 'Proxy-Anchor'"):
        method_color("Proxy anchor")
    with pytest.raises(ValueError, match="got 'GSP, γ = 20'; did you mean 'GSP'"):
        method_color("GSP, γ = 20")
    with pytest.raises(ValueError, match="got 'xyzzy'; other=True"):
        method_color("xyzzy")


def test_a_case_of_a_method_has_its_colour():
    assert method_color("triplet: CCP − once") == METHOD_COLORS["triplet"]
    with pytest.raises(ValueError, match="got 'Triplet'; did you mean 'triplet'"):
        method_color("Triplet: CCP − once")


def test_another_method_keeps_its_colour():
    mine = method_color("my own", other=True)
    assert mine == method_color("my own", other=True) != method_color("another", other=True)
    assert re.fullmatch("#[0-9a-f]{6}", mine) and method_marker("my own") == "o"
    assert method_color("GAP", other=True) == METHOD_COLORS["GAP"]
