import io

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from dmlnb.explore.figures import (
    blank_figure,
    class_color,
    class_colors,
    class_marker,
    class_markers,
    new_figure,
    png_bytes,
    style,
    to_numpy,
)


def test_a_class_has_the_same_colour_for_every_number_of_classes():
    many = class_colors(150)
    assert len(many) == 150 and len(set(many)) == 150
    assert all(class_colors(n) == many[:n] for n in (0, 1, 8, 9, 40))
    assert class_markers(10)[8:] == class_markers(2)
    assert class_color(40) == class_colors(41)[40] and class_marker(9) == class_markers(10)[9]
    assert class_color(10**11 + 3).startswith("#")  # without a list of all classes before it


def test_the_theme_stays_inside_its_context():
    before = dict(matplotlib.rcParams)
    with style():
        assert matplotlib.rcParams["axes.spines.top"] is False
    assert dict(matplotlib.rcParams) == before
    new_figure()
    assert dict(matplotlib.rcParams) == before


def test_figures_are_unknown_to_pyplot():
    import matplotlib.pyplot as plt

    figure, axes = new_figure(4, 2, columns=2)
    assert type(figure) is Figure and axes.shape == (2,) and plt.get_fignums() == []


def test_png_is_opaque_and_has_the_size_asked_for():
    figure, ax = new_figure(4, 2)
    ax.plot([0, 1], [0, 1])
    picture = Image.open(io.BytesIO(png_bytes(figure, 50)))
    assert picture.size == (200, 100) and "transparency" not in picture.info
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert png_bytes(figure) == png_bytes(figure)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool])
def test_to_numpy(dtype):
    values = torch.ones(3).to(dtype)
    assert to_numpy(values).tolist() == [1, 1, 1]
    assert to_numpy(torch.ones(2, requires_grad=True)).shape == (2,)
    assert isinstance(to_numpy([1, 2]), np.ndarray)


def test_photographs_keep_their_colours_on_white_ground():
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    photo = np.asarray(coarse.resize((200, 200), Image.Resampling.BICUBIC))
    figure, ax = blank_figure(4, 2)
    ax.imshow(photo, extent=(1, 3, 2, 0))
    ax.set(xlim=(0, 4), ylim=(2, 0))
    found = Image.open(io.BytesIO(png_bytes(figure))).convert("RGB")
    assert found.getpixel((0, 0)) == found.getpixel((399, 199)) == (255, 255, 255)
    seen = np.asarray(found.crop((100, 0, 300, 200)).resize((50, 50), Image.Resampling.BOX)).astype(int)
    true = np.asarray(Image.fromarray(photo).resize((50, 50), Image.Resampling.BOX)).astype(int)
    assert np.abs(seen - true).mean() < 3.5  # in bands of one colour each it is 5.1
