"""Two processes that train together: what is rewritten from data is the same on both."""

import subprocess
import sys
import textwrap

SCRIPT = """
    import sys, torch, torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel
    from dmlnb.distill import Codebook, DecisionTemplates
    from dmlnb.pooling import GeneralizedSumPooling, HistogramPooling

    def same(tensor):  # on both ranks
        other = tensor.clone()
        dist.broadcast(other, src=0)
        return torch.equal(other, tensor)

    rank, file = int(sys.argv[1]), sys.argv[2]
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    torch.manual_seed(rank)
    assert same(torch.randn(3)) == (rank == 0), "the ranks see other data"

    layer = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 1), GeneralizedSumPooling(8, 4, memory_size=16))
    net = DistributedDataParallel(layer, find_unused_parameters=True)
    sizes = (5, 5, 5, 5) if rank == 0 else (4, 3, 5, 6)  # of the batches: rank 1 alone would need another step
    for size in sizes:
        net(torch.randn(size, 8, 3, 3)).square().sum().backward()
        assert same(layer[1].prototypes) and same(layer[1].memory) and same(layer[1].ready)
    assert layer[1].ready

    assert same(Codebook.fit(torch.randn(50, 4), 5).centres)
    fitted = DecisionTemplates.fit(torch.randn(50, 4), torch.arange(50) % 3, 2)
    assert all(same(value) for value in fitted.state_dict().values())

    class Attributes(torch.nn.Module):  # calls pool in its forward pass: no parameter is left out
        def __init__(self):
            super().__init__()
            self.pooling = HistogramPooling(8, 4)

        def forward(self, features):
            return self.pooling.pool(features).attributes

    histogram = DistributedDataParallel(Attributes())
    for _ in range(2):
        histogram(torch.randn(5, 8, 3, 3)).square().sum().backward()
    assert same(histogram.module.pooling.prototypes.grad)
    dist.destroy_process_group()
"""


def test_what_is_rewritten_from_data_is_the_same_on_all_ranks(tmp_path):
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SCRIPT), str(rank), str(tmp_path / "meeting")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [run.communicate(timeout=100)[0] for run in runs]
    finally:
        for run in runs:
            run.kill()
    assert [run.returncode for run in runs] == [0, 0], "\n".join(outputs)
