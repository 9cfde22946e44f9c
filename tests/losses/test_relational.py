import pytest
import torch

from dmlnb.losses import (
    RelationalAngleLoss,
    RelationalDistanceLoss,
)
from dmlnb.losses import relational as module

N, DT, DS = 9, 4, 6


@pytest.fixture
def pair():
    g = torch.Generator().manual_seed(0)
    return tuple(torch.randn(N, d, generator=g, dtype=torch.float64) for d in (DT, DS))


def huber(x):
    return x * x / 2 if abs(x) <= 1 else abs(x) - 0.5


def test_distances_against_a_loop(pair):
    def table(x):
        d = [[(a - b).norm().item() for b in x] for a in x]
        mean = sum(map(sum, d)) / (N * (N - 1))
        return [[v / mean for v in row] for row in d]

    t, s = map(table, pair)
    expected = sum(huber(t[i][j] - s[i][j]) for i in range(N) for j in range(N)) / N**2
    assert RelationalDistanceLoss()(*pair).item() == pytest.approx(expected, rel=1e-12)


def angle(x, i, j, k):
    a, b = x[j] - x[i], x[k] - x[i]
    return 0.0 if i in (j, k) else (a @ b / (a.norm() * b.norm())).item()


def loop_angles(t, s):
    n = len(t)
    triples = [(i, j, k) for i in range(n) for j in range(n) for k in range(n)]
    return sum(huber(angle(t, *ijk) - angle(s, *ijk)) for ijk in triples) / n**3


@pytest.mark.parametrize("block", [1, 200, 1 << 18])
def test_angles_against_a_loop_in_blocks_of_any_size(pair, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    target, source = pair
    assert RelationalAngleLoss()(target, source).item() == pytest.approx(
        loop_angles(target, source), rel=1e-10
    )
    assert torch.autograd.gradcheck(
        lambda t: RelationalAngleLoss()(t, source), target.clone().requires_grad_()
    )


def test_angles_beyond_hubers_threshold():
    target = torch.tensor([[0.0, 0], [1, 0], [-1, 0.1]], dtype=torch.float64)
    source = torch.tensor([[0.0, 0], [1, 0], [1, 0.1]], dtype=torch.float64)  # at row 0 the angle turns round
    assert abs(angle(target, 0, 1, 2) - angle(source, 0, 1, 2)) > 1
    assert RelationalAngleLoss()(target, source).item() == pytest.approx(
        loop_angles(target, source), rel=1e-10
    )
    assert torch.autograd.gradcheck(lambda t: RelationalAngleLoss()(t, source), target.requires_grad_())


def test_the_fast_angles_are_those_of_the_formula(pair):
    distances = [torch.cdist(x, x) for x in pair]
    distances[0][2, 5] = distances[0][5, 2] = 0  # rows that coincide
    fast, slow = (x.clone().requires_grad_() for x in (distances[0], distances[0]))
    found = module._AngleDifference.apply(fast, distances[1])
    expected = module.angle_difference(slow, distances[1])
    assert torch.allclose(found, expected, rtol=1e-10)
    found.backward(), expected.backward()
    apart = distances[0] > 0  # the distances themselves have no gradient at 0
    assert torch.allclose((fast.grad + fast.grad.T)[apart], (slow.grad + slow.grad.T)[apart], atol=1e-12)


@pytest.mark.parametrize("loss", [RelationalDistanceLoss(), RelationalAngleLoss()], ids=["RKD-D", "RKD-A"])
def test_relations_do_not_see_scale_or_shift(loss, pair):
    target, source = pair
    value = loss(target, source).item()
    assert loss(1e5 * target + 3, 1e-5 * source - 1).item() == pytest.approx(value, rel=1e-6)
