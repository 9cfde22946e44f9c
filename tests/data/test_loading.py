import multiprocessing
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from dmlnb.data import FeatureMaps
from dmlnb.data.loading import load_batches, reads_batches, require_images
from dmlnb.models import embed
from dmlnb.training import train


class Noisy(torch.utils.data.Dataset):
    """Items whose image draws from all three generators, and whose label is the index."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        drawn = [torch.rand(()).item(), np.random.rand(), random.random()]  # noqa: NPY002 - as transforms draw
        return torch.tensor([float(index), *drawn]).view(4, 1, 1), index


class Labelled(Noisy):
    labels = torch.arange(10)


def fails_module():
    net = nn.Conv2d(4, 2, 1)
    net.register_forward_hook(fails)
    return net


class Maps:
    """As feature maps are read: by index tensors only."""

    reads_batches = True

    def __init__(self, maps):
        self.maps = maps

    def __len__(self):
        return len(self.maps)

    def __getitem__(self, index):
        assert isinstance(index, torch.Tensor)
        return self.maps[index]


BATCHES = [torch.tensor([3, 1]), torch.tensor([2, 2]), torch.tensor([9, 0, 5])]


def read(images, labels=None, steps=range(3), **options):
    return [*load_batches(images, labels, BATCHES, steps, **options)]


def test_the_items_of_the_batches_in_order():
    labels = torch.arange(100, 110)
    for images in (
        Noisy(),
        torch.arange(10.0).view(10, 1, 1, 1).expand(10, 4, 1, 1),
        Maps(torch.arange(10.0).view(10, 1, 1, 1)),
    ):
        for (batch, own), index in zip(read(images, labels), BATCHES, strict=True):
            assert torch.equal(batch[:, 0, 0, 0], index.float()) and torch.equal(own, labels[index])
    assert [own.tolist() for _, own in read(Noisy())] == [index.tolist() for index in BATCHES]
    assert [own for _, own in read(Maps(torch.zeros(10, 1, 1, 1)))] == [None] * 3


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_and_where_one_begins_change_nothing(workers):
    expected = read(Noisy(), seed=3)
    found = read(Noisy(), seed=3, workers=workers)
    later = read(Noisy(), seed=3, workers=workers, steps=range(1, 3))
    for a, b in zip((*expected, *expected[1:]), (*found, *later), strict=True):
        assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


@pytest.mark.parametrize(
    "images, labels", [(Noisy(), None), (Maps(torch.randn(10, 2, 3, 3)), torch.arange(10))]
)
def test_parts_are_the_batch_cut_in_pieces(images, labels):
    batches = [torch.tensor([3, 1, 7, 7]), torch.tensor([9, 0, 5, 2])]
    whole = [*load_batches(images, labels, batches, range(2), seed=4)]
    parts = [[*load_batches(images, labels, batches, range(2), seed=4, part=(n, 2))] for n in range(2)]
    for step, (batch, target) in enumerate(whole):
        pieces = [part[step] for part in parts]
        assert torch.equal(torch.cat([piece for piece, _ in pieces]), batch)
        assert torch.equal(torch.cat([own for _, own in pieces]), target)


def test_every_draw_is_its_own():
    drawn = torch.cat([batch[:, 1:, 0, 0] for batch, _ in read(Noisy(), seed=3)])  # (7, 3)
    assert len(drawn.flatten().unique()) == 21  # also the same index twice in a batch
    other = torch.cat([batch[:, 1:, 0, 0] for batch, _ in read(Noisy(), seed=4)])
    assert not (drawn == other).any()
    assert torch.equal(
        drawn[:2], torch.cat([batch[:, 1:, 0, 0] for batch, _ in read(Noisy(), seed=3, steps=[0])])
    )


class Broken(Noisy):
    def __getitem__(self, index):
        if index == 5:
            raise OSError("no picture")
        return super().__getitem__(index)


def fails(*_):
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "read_all, images, error",
    [
        (lambda images, path: read(images, workers=2), Broken(), OSError),
        (
            lambda images, path: embed(fails_module(), images, workers=2, batch_size=2),
            Noisy(),
            ZeroDivisionError,
        ),
        (
            lambda images, path: train(
                nn.Conv2d(4, 2, 1), fails, images, torch.arange(10), BATCHES, workers=2, progress=False
            ),
            Noisy(),
            ZeroDivisionError,
        ),
        (
            lambda images, path: FeatureMaps.compute(
                fails_module(), images, path / "m", workers=2, batch_size=2
            ),
            Labelled(),
            ZeroDivisionError,
        ),
    ],
    ids=["a worker", "embed", "train", "maps"],
)
def test_no_worker_outlives_an_error_that_is_kept_as_notebooks_do(tmp_path, read_all, images, error):
    before = {*multiprocessing.active_children()}
    with pytest.raises(error) as kept:
        read_all(images, tmp_path)
    assert {*multiprocessing.active_children()} <= before
    assert kept.tb is not None


@pytest.mark.parametrize("workers", [0, 1])
def test_the_global_generators_stay_as_they_are(workers):
    draw = lambda: (torch.rand(()).item(), np.random.rand(), random.random())  # noqa: NPY002
    seed = lambda: (torch.manual_seed(1), np.random.seed(1), random.seed(1))  # noqa: NPY002
    seed()
    expected = draw()
    seed()
    read(require_images(Noisy()), workers=workers)
    assert draw() == expected


def test_what_reads_batches():
    assert reads_batches(torch.zeros(2)) and reads_batches(Maps(torch.zeros(2)))
    assert not reads_batches(Noisy()) and not reads_batches([])
    assert torch.equal(
        require_images(np.ones((2, 1, 3, 3), dtype=np.uint8)), torch.ones(2, 1, 3, 3, dtype=torch.uint8)
    )


class Stream(IterableDataset):
    def __iter__(self):
        yield torch.zeros(1, 2, 2), 0


@pytest.mark.parametrize("images, message", [
    (Stream(), "a Dataset with len\\(\\) and \\[i\\], got Stream"),
    (DataLoader(TensorDataset(torch.zeros(2, 1))), "got DataLoader; give its .dataset"),
    (iter([1]), "got list_iterator"),
    (3, "got int"),
    ([], "expected at least one"),
    (torch.zeros(0, 1, 2, 2), "expected at least one"),
    ([("a.jpg", 1)], "item 0 is tuple \\(str, int\\); give the Dataset a transform that ends in a tensor"),
    ([(torch.zeros(1, 2, 2),)], "item 0 is tuple \\(Tensor\\)"),
    ({0: "x"}, "item 0 is str"),
    ([(torch.zeros(2, 2), 0)], "expected items of shape \\(c, S, S\\), got \\(2, 2\\)"),
])  # fmt: skip
def test_what_holds_no_images_is_named(images, message):
    with pytest.raises(ValueError, match=message) as error:
        require_images(images)
    assert str(error.value).startswith("images: ") and "\n" not in str(error.value)


def test_images_of_several_sizes_are_named():
    images = [(torch.zeros(1, 2, 2 + i), i) for i in range(10)]
    with pytest.raises(ValueError, match="expected one size, got .* let the transform crop or resize"):
        read(images)


def test_arrays_and_images_alone():
    images = [np.full((1, 2, 2), i, dtype=np.float32) for i in range(10)]
    assert [own.tolist() for _, own in read([(image, i, "more") for i, image in enumerate(images)])] == [
        index.tolist() for index in BATCHES
    ]
    assert [batch[:, 0, 0, 0].tolist() for batch, _ in read(images)] == [index.tolist() for index in BATCHES]
    assert [own for _, own in read(images)] == [None] * 3


@pytest.mark.parametrize("batch, message", [
    (torch.tensor([0, 10]), "expected indices in 0 .. 9, step 1 has 0 .. 10"),
    (torch.tensor([-1, 0]), "step 1 has -1 .. 0"),
    (torch.tensor([0.0]), "step 1 has torch.float32 of shape \\(1,\\)"),
    (torch.ones(10, dtype=torch.bool), "step 1 has torch.bool"),
    (torch.zeros(2, 2, dtype=torch.int64), "of shape \\(2, 2\\)"),
    ([], "of shape \\(0,\\)"),
    ((torch.tensor([1, 2]), torch.tensor([3, 4])), "step 1 has tuple \\(Tensor, Tensor\\)"),
], ids=str)  # fmt: skip
def test_a_batch_that_is_no_index_is_named(batch, message):
    for images in (torch.zeros(10, 1, 2, 2), Noisy()):
        with pytest.raises(ValueError, match=f"batches: .*{message}"):
            [*load_batches(images, None, [torch.tensor([0]), batch], range(2))]
