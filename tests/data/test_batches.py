import warnings
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from dmlnb.data import ClassBatches, DisjointHalves


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 7), st.integers(1, 5), st.integers(1, 20), st.integers(0, 5), st.data())
def test_every_batch_has_m_classes_and_k_samples(classes, k, length, seed, data):
    m = data.draw(st.integers(1, classes))
    labels = torch.arange(classes).repeat(5)[torch.randperm(5 * classes)]
    batches = ClassBatches(labels, m, k, length, seed=seed)
    assert len(batches) == length and not batches.short_classes
    for t in range(length):
        own = labels[batches[t]].view(m, k)
        assert (own == own[:, :1]).all() and len(own[:, 0].unique()) == m
        assert len(batches[t].unique()) == m * k  # no sample twice


def test_all_samples_are_seen_before_one_repeats():
    labels = torch.arange(3).repeat_interleave(4)
    batches = ClassBatches(labels, 3, 2, 4, seed=1)
    assert torch.cat([batches[0], batches[1]]).sort().values.tolist() == list(range(12))
    assert torch.cat([batches[2], batches[3]]).sort().values.tolist() == list(range(12))


def test_the_seed_decides():
    labels = torch.arange(6).repeat_interleave(4)
    a, b, c = (ClassBatches(labels, 3, 2, 9, seed=s).table for s in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_short_classes_are_said_and_repeat_as_little_as_possible():
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2])
    with pytest.warns(UserWarning, match="2 classes have fewer than 3"):
        batches = ClassBatches(labels, 3, 3, 5)
    assert batches.short_classes == [1, 2]
    for t in range(5):
        _, counts = batches[t].unique(return_counts=True)
        own = batches[t].view(3, 3)
        assert {tuple(labels[row].tolist()) for row in own} == {(0, 0, 0), (1, 1, 1), (2, 2, 2)}
        assert sorted(counts.tolist()) == [1, 1, 1, 1, 2, 3]


def test_halves_are_disjoint_in_class():
    labels = torch.arange(9).repeat_interleave(6)
    for first, second in DisjointHalves(labels, 4, 3, 12):
        assert len(first) == len(second) == 12
        assert not set(labels[first].tolist()) & set(labels[second].tolist())


@pytest.mark.parametrize(
    "arguments, message",
    [((4, 2, 5), "classes_per_batch"), ((0, 2, 5), "numbers >= 1"), ((2, 0, 5), ">= 1"), ((2, 2, 0), ">= 1")],
)
def test_bad_sizes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassBatches(torch.arange(3).repeat(4), *arguments)
    with pytest.raises(ValueError, match="labels"):
        ClassBatches(torch.tensor([0, -1]), 1, 1, 1)


@pytest.mark.parametrize("sizes", [(2.5, 2, 5), (2, 2.0, 5), (2, 2, "5"), (None, 2, 5)])
def test_sizes_that_are_no_whole_numbers_are_named(sizes):
    with pytest.raises(ValueError, match="samples_per_class.*whole numbers"):
        ClassBatches(torch.arange(3).repeat(4), *sizes)
    with pytest.raises(ValueError, match="whole number"):
        DisjointHalves(torch.arange(6).repeat(4), *sizes)


def test_numpy_numbers_and_labels_of_any_width_give_the_same_batches():
    labels = torch.arange(6).repeat(4)
    wanted = ClassBatches(labels, 3, 2, 5, seed=4).table
    for whole, dtype in ((np.int64, torch.int32), (np.int32, torch.uint8), (np.uint16, torch.int16)):
        sizes = [whole(n) for n in (3, 2, 5)]
        assert torch.equal(ClassBatches(labels.to(dtype), *sizes, seed=whole(4)).table, wanted)
    assert torch.equal(ClassBatches(labels.numpy(), 3, 2, 5, seed=4).table, wanted)


def test_batches_are_a_sequence():
    labels = torch.arange(6).repeat(4)
    for batches in (ClassBatches(labels, 3, 2, 5), DisjointHalves(labels, 3, 2, 5)):
        assert isinstance(batches, Sequence) and len(list(batches)) == len(batches[:]) == 5
        pairs = zip(
            [batches[-2], *batches[1:3], next(reversed(batches))],
            [batches[t] for t in (3, 1, 2, 4)],
            strict=True,
        )
        for a, b in pairs:
            assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
        with pytest.raises(IndexError):
            batches[5]


def test_a_data_loader_takes_them_as_its_batch_sampler():
    labels = torch.arange(6).repeat(4)
    data = torch.utils.data.TensorDataset(torch.arange(24), labels)
    batches = ClassBatches(labels, 3, 2, 5)
    for workers in (0, 1):
        loader = torch.utils.data.DataLoader(data, batch_sampler=batches, num_workers=workers)
        assert len(loader) == 5
        for (rows, own), batch in zip(loader, batches, strict=True):
            assert torch.equal(rows, batch) and torch.equal(own, labels[batch])


def test_many_classes_do_not_search_the_table_for_each_class():
    """Numbers written while the table is made: some times its size, not classes times its size."""

    class Counted(TorchDispatchMode):
        written = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            made = func(*args, **(kwargs or {}))
            parts = made if isinstance(made, tuple | list) else [made]
            if not func._schema.is_mutable:  # which give back all of what they write into
                self.written += sum(part.numel() for part in parts if isinstance(part, torch.Tensor))
            return made

    labels = torch.arange(2000).repeat(2)
    with Counted() as counted:
        batches = ClassBatches(labels, 50, 2, 200)
    assert (labels[batches.table].view(-1, 50, 2).diff(dim=2) == 0).all()
    assert counted.written < 100 * batches.table.numel()


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 7), min_size=2, max_size=9),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 12)),
    seed=st.integers(0, 2**40),
    step=st.integers(1, 4),
)
def test_batches_of_any_classes(sizes, shape, seed, step):
    """Of any class sizes and numbers: M classes, K of each, no image twice unless its class is short, even rounds."""
    per_batch, each, number = min(shape[0], len(sizes)), shape[1], shape[2]
    labels = torch.cat([torch.full((size,), step * c) for c, size in enumerate(sizes)])
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed % 1000))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of short classes
        batches = ClassBatches(labels, per_batch, each, number, seed=seed)
        again = ClassBatches(labels, per_batch, each, number, seed=seed)
    assert len(batches) == number and torch.equal(batches.table, again.table)
    assert batches.short_classes == [step * c for c, size in enumerate(sizes) if size < each]
    for index in batches:
        classes = labels[index].view(per_batch, each)
        assert (classes == classes[:, :1]).all() and len(set(classes[:, 0].tolist())) == per_batch
        for c, rows in zip(classes[:, 0].tolist(), index.view(per_batch, each).tolist(), strict=True):
            assert len(set(rows)) == min(each, sizes[c // step])
    per_round = len(sizes) // per_batch
    for first in range(0, number, per_round):  # within a round no class comes twice
        walked = torch.cat(
            [labels[i].view(per_batch, each)[:, 0] for i in batches[first : first + per_round]]
        )
        assert len(walked) == len(set(walked.tolist()))


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(2, 5), min_size=4, max_size=9),
    half=st.integers(1, 2),
    seed=st.integers(0, 2**40),
)
def test_halves_of_any_classes_are_disjoint(sizes, half, seed):
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    for first, second in DisjointHalves(labels, half, 2, 6, seed=seed):
        assert len(first) == len(second) == 2 * half
        assert not set(labels[first].tolist()) & set(labels[second].tolist())
