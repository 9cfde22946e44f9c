import functools
import subprocess
import sys

import numpy as np
import pytest
import torch
import torchvision.transforms as v1
from torch import nn
from torchvision.transforms import v2

from dmlnb.data import augment, mirrored, photo_transforms
from dmlnb.data.names import name_of, same_name, without_digests


class Crop:
    def __init__(self, size):
        self.size = size

    def __call__(self, image):
        return image[..., : self.size]

    def apply(self, image):
        return self(image)


class Darker(nn.Module):  # its repr says nothing of the share
    def __init__(self, share):
        super().__init__()
        self.share = share

    def forward(self, image):
        return self.share * image


class Brighter(nn.Module):
    def __init__(self, share):
        super().__init__()
        self.share = share

    def forward(self, image):
        return image / self.share


def cut(size):
    def inner(image):
        return image[..., :size]

    return inner


def scaled(image, by=2):
    return image * by


def written(source):
    """What a notebook's cell defines as `f`."""
    cell = {"__name__": "__main__"}
    exec(source, cell)
    return cell["f"]


DIFFERENT = [  # each of two
    (lambda x: x + 1, lambda x: x + 2),
    (lambda x: x.sin(), lambda x: x.cos()),
    (lambda x: [y + 1 for y in x], lambda x: [y + 2 for y in x]),
    (lambda x, by=1: x * by, lambda x, by=2: x * by),
    (lambda x, *, by=1: x * by, lambda x, *, by=2: x * by),
    (written("def f(x): return x + 1"), written("def f(x): return x - 1")),
    (written("S = 8\nf = lambda x: x[:S]"), written("S = 9\nf = lambda x: x[:S]")),
    (
        written("def g(x): return x\nf = lambda x: g(x)"),
        written("def g(x): return 2 * x\nf = lambda x: g(x)"),
    ),
    (cut(8), cut(9)),
    (cut(torch.tensor(8)), cut(torch.tensor(9))),
    (functools.partial(scaled, by=2), functools.partial(scaled, by=3)),
    (functools.partial(scaled, by=torch.ones(2)), functools.partial(scaled, by=torch.zeros(2))),
    (functools.partial(scaled, by=np.ones(2)), functools.partial(scaled, by=np.zeros(2))),
    (Crop(8), Crop(9)),
    (Crop(8).apply, Crop(9).apply),
    (Darker(0.5), Darker(0.25)),
    (written("class f: __call__ = lambda s, x: x")(), written("class f: __call__ = lambda s, x: -x")()),
    (Darker(0.5), Brighter(0.5)),
    (lambda x: Darker(0.5)(x), lambda x: Darker(0.25)(x)),
    (torch.no_grad()(cut(8)), torch.no_grad()(cut(9))),
    (photo_transforms(8), photo_transforms(9)),
    (photo_transforms(8).forward, photo_transforms(9).forward),
]


def several():
    rng, log = np.random.default_rng(0), []
    return [*DIFFERENT, (lambda x: x in {"a", "b", "c"}, [{"a", "b", "c"}, rng, log.append])]


@pytest.mark.parametrize("one, other", DIFFERENT)
@pytest.mark.parametrize(
    "inside",
    [
        lambda f: f,
        lambda f: v2.Compose([v2.ToImage(), v2.Lambda(f)]),
        lambda f: v2.Compose([f, v2.ToImage()]),
        lambda f: v1.Compose([v1.Lambda(f)]),
        lambda f: lambda x: f(x),
        lambda f: nn.Sequential(v2.Lambda(f)),
    ],
    ids=["itself", "v2.Lambda", "v2.Compose", "v1", "closure", "Sequential"],
)
def test_different_code_and_values_have_different_names(one, other, inside):
    assert name_of(inside(one)) == name_of(inside(one)) != name_of(inside(other))
    assert not same_name(name_of(inside(one)), name_of(inside(other)))


def test_names_are_the_same_in_every_process():
    """Addresses, and the order of sets of strings, are others in each."""
    program = "from tests.data.test_names import *\nfor f in several(): print(name_of(f))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    here = [str(name_of(f)) for f in several()]
    assert run.stdout.splitlines() == here and " at 0x" not in run.stdout


def test_the_place_of_code_and_what_is_done_with_it_change_no_name():
    moved = written("\n\n\nf = lambda image: image + 1")
    assert name_of(moved) == name_of(written("f = lambda x: x + 1"))
    before = name_of(moved)
    for _ in range(1000):  # Python writes faster code in the place of what often runs
        moved(1)
    assert name_of(moved) == before
    log = []
    keep = lambda x: log.append(x)
    before = name_of(keep)
    keep(1)
    assert name_of(keep) == before
    layer = nn.Linear(2, 2)
    through = lambda x: layer(x)
    before = name_of(through)
    nn.init.zeros_(layer.weight)
    layer.eval()
    assert name_of(through) == before


def test_a_function_that_calls_itself_has_a_name():
    source = "def f(x): return f(x[1:]) if len(x) else x"
    assert name_of(written(source)) == name_of(written(source))
    crop = Crop(8)
    crop.itself = crop
    assert name_of(crop) == name_of(crop)


def test_what_is_the_packages_own_has_the_name_that_it_had():
    assert name_of(mirrored) == "mirrored" and name_of(augment) == "augment"
    for transform in (photo_transforms(8), photo_transforms(8, train=True), nn.Flatten(), v1.ToTensor()):
        assert name_of(transform) == " ".join(repr(transform).split())
    assert name_of(functools.partial(augment, angle=0.0)) == ["augment", [], {"angle": 0.0}]
    values = {"a": [1, None, "x", True], "b": np.float64(0.5)}
    assert name_of(values) == {"a": [1, None, "x", True], "b": 0.5}


def test_a_name_without_digests_is_that_of_an_older_version():
    new = name_of([cut(8), photo_transforms(8), 1])
    old = ["inner", repr(photo_transforms(8)), 1]
    assert same_name(old, new) and not same_name(new, old) and not same_name(["cut", *old[1:]], new)
    assert without_digests(new)[0] == "inner" and without_digests({"a": new})["a"][2] == 1
