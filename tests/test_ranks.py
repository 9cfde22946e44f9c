"""Two processes that train together: what is rewritten from data is the same on both (`from_rank_0`)."""

import os
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist

from dmlnb.distill import Codebook
from dmlnb.pooling import GeneralizedSumPooling


def same(tensor):
    """Whether both ranks hold these numbers."""
    tables = [torch.empty_like(tensor) for _ in range(2)]
    dist.all_gather(tables, tensor.detach())
    return torch.equal(*tables)


def one_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)  # a forked process must not wait for threads that are not there
    meeting = f"file://{folder}/meeting"
    dist.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
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
    dist.destroy_process_group()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_what_is_rewritten_from_data_is_the_same_on_all_ranks(tmp_path):
    torch.multiprocessing.start_processes(one_of_two, (str(tmp_path),), nprocs=2, start_method="fork")
