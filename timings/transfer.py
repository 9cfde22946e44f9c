"""What the losses of embedding transfer cost, as ratios to simple parts: n = 180 rows of 512 numbers, and other n.

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
    """RKD-A as it is written, and released: directions (n, n, d), then all products of two of them."""

    def angles(x: Tensor) -> Tensor:
        directions = normalize(x[None] - x[:, None], dim=2)
        return directions @ directions.mT

    with torch.no_grad():
        wanted = angles(source)
    return smooth_l1_loss(angles(target), wanted)


def released_distances(x: Tensor) -> Tensor:
    """As in the released code of [kim2021relaxed]: by one product, near pairs at a floor."""
    squared, each = x.square().sum(dim=1), range(len(x))
    distance = (squared[:, None] + squared - 2 * x @ x.T).clamp(min=1e-12).sqrt().clone()
    distance[each, each] = 0
    return distance


def released_relaxed(target: Tensor, source: Tensor) -> Tensor:
    """The relaxed contrastive loss, as released there."""
    with torch.no_grad():
        labels = torch.exp(-released_distances(normalize(source)).square())
    distance = released_distances(target)
    relative = distance / distance.mean(dim=1, keepdim=True)
    pull, push = relative.square() * labels, (1 - relative).relu().square() * (1 - labels)
    return (pull[relative > 0].sum() + push[relative > 0].sum()) / len(target)


def released_rkd_distances(target: Tensor, source: Tensor) -> Tensor:
    """RKD-D, as released there."""
    with torch.no_grad():
        wanted = released_distances(source)
        wanted = wanted / wanted[wanted > 0].mean()
    distance = released_distances(target)
    return smooth_l1_loss(distance / distance[distance > 0].mean(), wanted)


def released_pkt(target: Tensor, source: Tensor, eps: float = 1e-7) -> Tensor:
    """PKT, as released there."""
    units = (x / (x.square().sum(dim=1, keepdim=True).sqrt() + eps) for x in (source, target))
    p, q = (k / k.sum(dim=1, keepdim=True) for k in ((u @ u.T + 1) / 2 for u in units))
    return (p * ((p + eps) / (q + eps)).log()).mean()


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
    }
    released = {
        "relaxed contrastive": released_relaxed,
        "RKD-D": released_rkd_distances,
        "RKD-A": naive_angles,
        "PKT": released_pkt,
    }
    steps = {name: forward_backward(loss, target, source) for name, loss in losses.items()}
    steps["elementwise floor"] = forward_backward(elementwise, target, source)
    steps["two matrix products"] = lambda: (plain @ plain.T, table @ plain)
    old = {f"{name}, released": forward_backward(loss, target, source) for name, loss in released.items()}
    slow = {"RKD-A, released": old.pop("RKD-A, released")}
    cost = milliseconds(steps | old) | milliseconds(slow, rounds=3)
    print(f"n = 180, d = 512, {torch.get_num_threads()} threads; forward + backward, processor time\n")
    for name in steps:
        print(f"{name:<26}{cost[name]:8.2f} ms", end="")
        before = cost.get(f"{name}, released")
        print(f"   released {before:8.2f} ms   ratio {cost[name] / before:5.2f}" if before else "")
    floor = 2 * cost["two matrix products"] + cost["elementwise floor"]
    print()
    print(f"relaxed contrastive / (2 x two products + floor)  {cost['relaxed contrastive'] / floor:6.2f}")
    ratio = cost["relaxed multi-similarity"] / cost["relaxed contrastive"]
    print(f"relaxed multi-similarity / relaxed contrastive    {ratio:6.2f}\n")

    print("relaxed contrastive / released, by n")
    for n in (64, 180, 360, 720):
        target, source = torch.randn(n, 512, requires_grad=True), torch.randn(n, 512)
        pair = {"ours": RelaxedContrastiveLoss(), "released": released_relaxed}
        cost = milliseconds({name: forward_backward(loss, target, source) for name, loss in pair.items()})
        print(f"{n:6d}{cost['ours']:8.2f} ms{cost['released']:8.2f} ms{cost['ours'] / cost['released']:7.2f}")


if __name__ == "__main__":
    main()
