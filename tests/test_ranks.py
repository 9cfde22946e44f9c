"""Two processes that train together: what one tells all, and what is rewritten from data, is the same on both."""

import pytest
import torch
import torch.distributed as dist

from dmlnb import _ranks
from dmlnb.distill import Codebook
from dmlnb.pooling import GeneralizedSumPooling
from tests.processes import fork, together


def same(tensor):
    """Whether both ranks hold these numbers."""
    tables = [torch.empty_like(tensor) for _ in range(2)]
    dist.all_gather(tables, tensor.detach())
    return torch.equal(*tables)


def rewritten(rank: int) -> None:
    torch.manual_seed(rank)
    assert not same(torch.randn(3)), "the ranks see other data"

    layer = GeneralizedSumPooling(8, 4, memory_size=16)
    sizes = (
        (5, 5, 5, 5) if rank == 0 else (4, 3, 5, 6)
    )  # of the batches: rank 1 alone would need another step
    for size in sizes:
        layer(torch.randn(size, 8, 3, 3))
        assert same(layer.memory) and same(layer.filled) and same(layer.ready)
    assert layer.ready and same(layer.prototypes)
    layer.init_prototypes(torch.randn(9, 8))
    assert same(layer.prototypes)

    assert same(Codebook.fit(torch.randn(50, 4), 5).centres)


@fork
def test_what_is_rewritten_from_data_is_the_same_on_all_ranks(tmp_path):
    assert [(end.said, end.code) for end in together(rewritten, tmp_path)] == [("", 0)] * 2


def told(rank: int) -> dict:
    """What each of the functions gives on this rank."""
    tensors = [torch.full((2, 3), float(rank)), torch.arange(2) + rank, torch.tensor(rank > 0)]
    tensors += [torch.full((1, 4, 2, 2), float(rank)).contiguous(memory_format=torch.channels_last)]
    before = [tensor.stride() for tensor in tensors]
    _ranks.from_rank_0(*tensors)
    assert [tensor.stride() for tensor in tensors] == before
    found = {
        "tensors": tensors,
        "all": _ranks.of_all_ranks(f"rank {rank}"),
        "one": _ranks.on_rank_0(lambda: rank),
    }
    found["rows"] = _ranks.from_all_ranks(torch.arange(3 * rank)[:, None] + 10)  # rank 0 has none
    try:
        _ranks.on_rank_0(lambda: [][rank])
    except (IndexError, SystemExit) as error:
        found["error"] = type(error).__name__
    return found


@fork
def test_what_one_rank_tells_all(tmp_path):
    zero, one = (end.result for end in together(told, tmp_path))
    for found in (zero, one):
        assert [tensor.sum().item() for tensor in found["tensors"]] == [0, 1, 0, 0]
        assert found["all"] == ["rank 0", "rank 1"] and found["one"] == 0
        assert found["rows"].tolist() == [[10], [11], [12]]
    assert (zero["error"], one["error"]) == ("IndexError", "SystemExit")


def test_alone_nothing_is_told():
    assert _ranks.ranks() == (0, 1)
    rows = torch.randn(3, 2)
    _ranks.from_rank_0(rows)
    assert _ranks.from_all_ranks(rows) is rows
    assert _ranks.of_all_ranks(5) == [5] and _ranks.on_rank_0(lambda: 6) == 6
    with pytest.raises(KeyError), _ranks.one_message():
        raise KeyError


def test_a_process_that_does_not_answer_is_one_line():
    with pytest.raises(
        ConnectionError, match=r"rank 0: another process has ended.*\(Connection closed by peer\)$"
    ):
        with _ranks.answered():
            raise RuntimeError("Connection closed by peer\nframe #0: ...")
    with pytest.raises(ValueError, match="mine"), _ranks.answered():
        raise ValueError("mine")
