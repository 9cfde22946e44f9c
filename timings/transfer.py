"""What the losses of embedding transfer cost, as ratios to simple parts: n = 180 rows of 512 numbers.

    OMP_NUM_THREADS=1 python -m timings.transfer

prints a table; nothing is written. Processor time, so that a busy machine disturbs little. See timings/README.md.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize, smooth_l1_loss

from dmlnb.losses import (
    DarkRankLoss,
    ProbabilisticTransferLoss,
    RelationalAngleLoss,
    RelationalDistanceLoss,
    RelaxedContrastiveLoss,
    RelaxedMultiSimilarityLoss,
)
from timings._clock import milliseconds


def forward_backward(
    loss: Callable[[Tensor, Tensor], Tensor], target: Tensor, source: Tensor
) -> Callable[[], None]:
    def step() -> None:
        target.grad = None
        loss(target, source).backward()

    return step


def naive_angles(target: Tensor, source: Tensor) -> Tensor:
    """RKD-A as it is written: directions (n, n, d), then all products of two of them."""

    def angles(x: Tensor) -> Tensor:
        directions = normalize(x[None] - x[:, None], dim=2)
        return directions @ directions.mT

    with torch.no_grad():
        wanted = angles(source)
    return smooth_l1_loss(angles(target), wanted)


def elementwise(target: Tensor, source: Tensor) -> Tensor:
    """What any loss of two (n, n) tables of distances does besides matrix products, on tables of that size."""
    n = len(target)
    squared, other = target[:, :n].square(), source[:, :n].square()
    labels = torch.exp(-other.sqrt().square())
    distance = squared.sqrt()
    relative = distance / distance.mean(dim=1, keepdim=True)
    return (labels * relative.square() + (1 - labels) * (1 - relative).clamp(min=0).square()).sum()


def main() -> None:
    torch.manual_seed(0)
    target, source = torch.randn(180, 512, requires_grad=True), torch.randn(180, 512)
    table, plain = torch.randn(180, 180), target.detach()
    losses = {
        "relaxed contrastive": RelaxedContrastiveLoss(),
        "relaxed multi-similarity": RelaxedMultiSimilarityLoss(),
        "RKD-D": RelationalDistanceLoss(),
        "RKD-A": RelationalAngleLoss(),
        "PKT": ProbabilisticTransferLoss(),
        "DarkRank": DarkRankLoss(),
        "elementwise floor": elementwise,
    }
    steps = {name: forward_backward(loss, target, source) for name, loss in losses.items()}
    steps["two matrix products"] = lambda: (plain @ plain.T, table @ plain)
    cost = milliseconds(steps)
    cost |= milliseconds({"RKD-A, naive": forward_backward(naive_angles, target, source)}, rounds=3)
    print(f"n = 180, d = 512, {torch.get_num_threads()} threads; forward + backward, processor time\n")
    for name, value in cost.items():
        print(f"{name:<26}{value:8.2f} ms")
    floor = 2 * cost["two matrix products"] + cost["elementwise floor"]
    print()
    print(f"relaxed contrastive / (2 x two products + floor)  {cost['relaxed contrastive'] / floor:6.2f}")
    print(f"naive RKD-A / RKD-A                               {cost['RKD-A, naive'] / cost['RKD-A']:6.1f}")
    ratio = cost["relaxed multi-similarity"] / cost["relaxed contrastive"]
    print(f"relaxed multi-similarity / relaxed contrastive    {ratio:6.2f}")


if __name__ == "__main__":
    main()
