"""What the losses cost beside those of pytorch-metric-learning, at settings that give the same values.

    OMP_NUM_THREADS=1 python -m timings.losses

prints two tables; nothing is written. Processor time, so that a busy machine disturbs little. See timings/README.md.
"""

import math
import sys
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from dmlnb import losses
from timings._clock import milliseconds
from timings.transfer import forward_backward

DIMS, SIZES = (512, 64), (128, 512)
CLASSES, CENTERS, REMEMBERED = 128, 10, 1024
Loss = Callable[[Tensor, Tensor], Tensor]


def batch(size: int, dim: int, each: int = 4, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    """Embeddings `(size, dim)` of classes: a centre of each, and noise round it; and their labels."""
    labels = torch.arange(size) // each
    return torch.randn(CLASSES, dim)[labels] + noise * torch.randn(size, dim), labels


def without_parameters(size: int, dim: int) -> dict[str, tuple[Loss, Loss, tuple[Tensor, Tensor]]]:
    """Of each loss ours, theirs, and a batch."""
    from pytorch_metric_learning import losses as pml
    from pytorch_metric_learning.miners import TripletMarginMiner

    plain = batch(size, dim)
    contrastive, hinge = partial(losses.contrastive_loss, negative_margin=1.0), pml.ContrastiveLoss(0, 1)
    triplet, triplet_hinge = partial(losses.triplet_loss, margin=0.2), pml.TripletMarginLoss(margin=0.2)
    mine = TripletMarginMiner(margin=0.2, type_of_triplets="semihard")
    memory = losses.CrossBatchMemory(contrastive, dim, REMEMBERED).eval()  # eval: every step sees the same
    memory.remember(*batch(REMEMBERED, dim, each=REMEMBERED // CLASSES))
    earlier = memory.memory, memory.memory_labels
    return {
        "contrastive": (contrastive, hinge, plain),
        "  of collapsed classes": (contrastive, hinge, batch(size, dim, each=32, noise=0.1)),
        "  with memory": (memory, lambda x, y: hinge(x, y) + hinge(x, y, None, *earlier), plain),
        "triplet": (triplet, triplet_hinge, plain),
        "  semi-hard": (
            partial(triplet, mined="semi-hard"),
            lambda x, y: triplet_hinge(x, y, mine(x, y)),
            plain,
        ),
        "multi-similarity": (losses.multi_similarity_loss, pml.MultiSimilarityLoss(2, 50, 0.5), plain),
        "SupCon": (losses.supcon_loss, pml.SupConLoss(0.1), plain),
    }


def with_proxies(size: int, dim: int) -> dict[str, tuple[Loss, Loss, tuple[Tensor, Tensor]]]:
    """Of each loss ours, theirs with the same proxies, and a batch."""
    from pytorch_metric_learning import losses as pml
    from pytorch_metric_learning.regularizers import SparseCentersRegularizer

    soft = {"gamma": 0.1, "margin": 0.01}
    merge = {"weight_regularizer": SparseCentersRegularizer(CLASSES, CENTERS), "weight_reg_weight": 0.2}
    pairs = {
        "Proxy-Anchor": (losses.ProxyAnchorLoss(CLASSES, dim), pml.ProxyAnchorLoss(CLASSES, dim)),
        "Proxy-NCA": (  # theirs is of squared distances: twice the temperature
            losses.ProxyNCALoss(CLASSES, dim),
            pml.ProxyNCALoss(CLASSES, dim, softmax_scale=1 / 0.22),
        ),
        "ArcFace": (losses.ArcFaceLoss(CLASSES, dim), pml.ArcFaceLoss(CLASSES, dim, math.degrees(0.5))),
        "SoftTriple": (
            losses.SoftTripleLoss(CLASSES, dim, CENTERS, 20, tau=0.0, **soft),
            pml.SoftTripleLoss(CLASSES, dim, CENTERS, la=20, **soft),
        ),
        "  with merging term": (
            losses.SoftTripleLoss(CLASSES, dim, CENTERS, 20, tau=0.2, **soft),
            pml.SoftTripleLoss(CLASSES, dim, CENTERS, la=20, **soft, **merge),
        ),
    }
    for ours, theirs in pairs.values():
        (parameter,) = theirs.parameters()
        proxies = ours.proxies.data.flatten(0, -2)
        parameter.data.copy_(proxies if parameter.shape == proxies.shape else proxies.T)
    return {name: (*pair, batch(size, dim)) for name, pair in pairs.items()}


def main(quick: bool = False) -> None:
    try:
        import pytorch_metric_learning
    except ImportError:
        print("pytorch-metric-learning is missing: nothing to compare with")
        return
    print(
        f"ms, forward + backward, {torch.get_num_threads()} threads, processor time; "
        f"pytorch-metric-learning {pytorch_metric_learning.__version__}"
    )
    sizes = SIZES[:1] if quick else SIZES
    for dim in DIMS:
        print(
            f"\n{f'{dim} coordinates':<24}" + len(sizes) * f"{'batch':>9}{'ours':>8}{'theirs':>8}{'ratio':>7}"
        )
        rows: dict[str, str] = {}
        for size in sizes:
            torch.manual_seed(0)
            for name, (ours, theirs, (x, y)) in (
                without_parameters(size, dim) | with_proxies(size, dim)
            ).items():
                x.requires_grad_()
                values = ours(x, y).item(), theirs(x, y).item()
                steps = {"ours": forward_backward(ours, x, y), "theirs": forward_backward(theirs, x, y)}
                ms = milliseconds(steps, rounds=1 if quick else 4000 // size)
                differ = "" if math.isclose(*values, rel_tol=1e-4) else f"  differ: {values}"
                rows[name] = rows.get(name, "") + (
                    f"{size:9d}{ms['ours']:8.2f}{ms['theirs']:8.2f}{ms['ours'] / ms['theirs']:7.2f}{differ}"
                )
        print("\n".join(f"{name:<24}{row}" for name, row in rows.items()))


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
