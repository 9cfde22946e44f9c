"""Memory and time of chance-constrained losses at the size of In-Shop: 3,997 classes, pool 7, 128 coordinates.

    OMP_NUM_THREADS=2 python -m timings.chance

prints a table; nothing is written. See timings/README.md for how to read it.
"""

import resource
import sys
import time
from pathlib import Path

import torch

from dmlnb.losses import (
    AlternatingProjection,
    ChanceConstrainedLoss,
    contrastive_loss,
    cosine_contrastive_loss,
    multi_similarity_loss,
    proxy_anchor_loss,
    proxy_nca_loss,
    soft_triple_loss,
    triplet_loss,
)

CLASSES, POOL, DIM, PROXIES, BATCH, ALL = 3997, 7, 128, 7, 32, 25882
LOSSES = (
    contrastive_loss,
    cosine_contrastive_loss,
    triplet_loss,
    multi_similarity_loss,
    proxy_anchor_loss,
    proxy_nca_loss,
    soft_triple_loss,
)


def resident() -> float:
    """The largest memory this program has had so far, MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux: what `resource` gives there includes the process that started this one
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def main(quick: bool = False) -> None:
    torch.manual_seed(0)
    labels = torch.arange(ALL) % CLASSES
    net = torch.nn.Linear(DIM, DIM, bias=False)
    inputs = torch.randn(ALL, DIM)
    embed = torch.no_grad()(lambda index: net(inputs[index]))
    before = resident()
    print(f"{'':<26}{'MiB above the start':>20}{'ms':>9}   start {before:.0f} MiB")
    for base in LOSSES:
        loss = ChanceConstrainedLoss(base, CLASSES, DIM, proxies_per_class=PROXIES)
        ccp = AlternatingProjection(net, loss, embed, labels, pool=POOL)
        if base is LOSSES[0]:
            began = time.perf_counter()
            ccp.project()
            print(
                f"{'selection':<26}{resident() - before:>20.0f}{1000 * (time.perf_counter() - began):>9.0f}"
            )
        for _ in range(1 if quick else 3):
            began = time.perf_counter()
            ccp(net(inputs[:BATCH]), labels[:BATCH]).backward()
        milliseconds = 1000 * (time.perf_counter() - began)
        print(f"{base.__name__:<26}{resident() - before:>20.0f}{milliseconds:>9.0f}")
    print(f"highest {resident() - before:.0f} MiB above the start")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
