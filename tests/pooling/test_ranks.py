"""Two processes that train together: what is rewritten from data is the same on both."""

import subprocess
import sys
import textwrap

SCRIPT = """
    import sys, torch, torch.distributed as dist
    from dmlnb.distill import Codebook
    from dmlnb.pooling import GeneralizedSumPooling

    def same(tensor):  # on both ranks
        tables = [torch.empty_like(tensor) for _ in range(2)]
        dist.all_gather(tables, tensor.detach())
        return torch.equal(*tables)

    rank, file = int(sys.argv[1]), sys.argv[2]
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    torch.manual_seed(rank)
    assert not same(torch.randn(3)), "the ranks see other data"

    layer = GeneralizedSumPooling(8, 4, memory_size=16)
    sizes = (5, 5, 5, 5) if rank == 0 else (4, 3, 5, 6)  # of the batches: rank 1 alone would need another step
    for size in sizes:
        layer(torch.randn(size, 8, 3, 3))
        assert same(layer.memory) and same(layer.filled) and same(layer.ready)
    assert layer.ready and same(layer.prototypes)
    layer.init_prototypes(torch.randn(9, 8))
    assert same(layer.prototypes)

    assert same(Codebook.fit(torch.randn(50, 4), 5).centres)
    dist.destroy_process_group()
"""


def test_what_is_rewritten_from_data_is_the_same_on_all_ranks(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT)]
    files = [tmp_path / f"rank{rank}.txt" for rank in range(2)]
    runs = []
    for rank, file in enumerate(files):
        with file.open("w") as output:
            arguments = [*command, str(rank), str(tmp_path / "meeting")]
            runs.append(subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT))
    try:
        codes = [run.wait(timeout=120) for run in runs]
    finally:
        for run in runs:
            run.kill()
            run.wait()
    assert codes == [0, 0], "\n".join(file.read_text() for file in files)
