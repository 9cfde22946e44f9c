import itertools

import pytest
import torch

from dmlnb.geometry import (
    clip_to_ball,
    cover_radius,
    greedy_k_center,
    inner_products,
    normalize,
    pairwise_distances,
)


@pytest.fixture(autouse=True)
def same_numbers_every_time():
    torch.manual_seed(0)


def test_clip_to_ball_against_a_loop():
    v = torch.randn(50, 4, dtype=torch.float64) * 2
    expected = torch.stack([row / max(1.0, row.norm().item()) for row in v])
    assert torch.allclose(clip_to_ball(v), expected, atol=1e-15)
    assert torch.equal(clip_to_ball(torch.zeros(2, 3)), torch.zeros(2, 3))


def test_clip_to_ball_gradient_inside_on_and_outside_the_surface():
    for v, outside in (([0.3, 0.4], False), ([0.6, 0.8], False), ([3.0, 4.0], True), ([0.0, 0.0], False)):
        v = torch.tensor(v, dtype=torch.float64, requires_grad=True)
        g = torch.tensor([1.0, -2.0], dtype=torch.float64)
        (found,) = torch.autograd.grad(clip_to_ball(v), v, g)
        unit = v.detach() / v.detach().norm().clamp(min=1)
        expected = (g - (g @ unit) * unit) / v.detach().norm() if outside else g
        assert torch.allclose(found, expected)


def test_clip_to_ball_is_a_contraction():
    a, b = torch.randn(2, 20000, 3, dtype=torch.float64) * 3
    assert ((clip_to_ball(a) - clip_to_ball(b)).norm(dim=1) <= (a - b).norm(dim=1) + 1e-12).all()


def test_normalize_modes():
    v = torch.tensor([[0.3, 0.4], [3.0, 4.0]])
    assert torch.allclose(normalize(v).norm(dim=1), torch.ones(2))
    assert torch.allclose(normalize(v, "ball").norm(dim=1), torch.tensor([0.5, 1.0]))
    assert normalize(v, None) is v
    with pytest.raises(ValueError, match="how"):
        normalize(v, "cube")


@pytest.mark.parametrize("shape", [(), (3,)])
def test_pairwise_distances_against_a_loop(shape):
    a, b = torch.randn(*shape, 5, 3, dtype=torch.float64), torch.randn(*shape, 4, 3, dtype=torch.float64)
    found = pairwise_distances(a, b)
    for i, j in itertools.product(range(5), range(4)):
        assert torch.allclose(found[..., i, j], (a[..., i, :] - b[..., j, :]).norm(dim=-1), atol=1e-14)


def test_pairwise_distances_see_near_points_far_from_the_origin():
    a = torch.tensor([[1000.0, 0.0]])
    b = torch.tensor([[1000.0, 1e-3]])
    assert pairwise_distances(a, b).item() == pytest.approx(1e-3, rel=1e-4)


def test_pairwise_distances_gradient():
    a, b = (torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (4, 3))
    assert torch.autograd.gradcheck(pairwise_distances, (a, b))
    c = torch.ones(2, 3, requires_grad=True)
    pairwise_distances(c, c).sum().backward()
    assert torch.equal(c.grad, torch.zeros(2, 3))


def test_pairwise_distances_of_half_precision_and_bad_shapes():
    assert pairwise_distances(torch.ones(2, 3).half(), torch.zeros(1, 3).half()).dtype == torch.float32
    with pytest.raises(ValueError, match="a, b"):
        pairwise_distances(torch.ones(2, 3), torch.ones(2, 4))


def k_center_loop(pool, current, k):
    picks = []
    for c in range(len(pool)):
        centres, own = list(current[c]), []
        for _ in range(k):
            distance = [
                -1.0
                if j in own
                else min([((p - q) ** 2).sum().item() for q in centres], default=float("inf"))
                for j, p in enumerate(pool[c])
            ]
            best = distance.index(max(distance))
            own.append(best)
            centres.append(pool[c][best])
        picks.append(own)
    return torch.tensor(picks)


@pytest.mark.parametrize("current", [0, 1, 3])
def test_greedy_k_center_against_a_loop(current):
    pool = torch.randint(0, 4, (5, 9, 2)).double()  # many ties and duplicates
    centres = torch.randint(0, 4, (5, current, 2)).double()
    for k in (1, 4, 9):
        assert torch.equal(greedy_k_center(pool, centres, k), k_center_loop(pool, centres, k))


def test_greedy_k_center_is_within_twice_the_optimum():
    for seed in range(20):
        points = torch.randn(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        greedy = cover_radius(points, points[greedy_k_center(points[None], points[None, :0], 3)[0]])
        best = min(cover_radius(points, points[list(s)]) for s in itertools.combinations(range(9), 3))
        assert best <= greedy <= 2 * best + 1e-12


def test_greedy_k_center_errors():
    with pytest.raises(ValueError, match="k: expected 1 .. 4"):
        greedy_k_center(torch.zeros(2, 4, 3), torch.zeros(2, 0, 3), 5)
    with pytest.raises(ValueError, match="pool, current"):
        greedy_k_center(torch.zeros(2, 4, 3), torch.zeros(2, 1, 2), 1)


def test_cover_radius_against_a_loop_and_on_one_point():
    points, centres = torch.randn(30, 3), torch.randn(4, 3)
    expected = max(min((p - c).norm().item() for c in centres) for p in points)
    assert cover_radius(points, centres).item() == pytest.approx(expected, rel=1e-6)
    assert cover_radius(points, points).item() == 0
    with pytest.raises(ValueError, match="points, centres"):
        cover_radius(points, centres[:0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_norms_of_half_precision_do_not_overflow(dtype):
    v = torch.full((2, 512), 3000.0, dtype=dtype)  # norm 67882, above the largest float16
    for found in (clip_to_ball(v), normalize(v)):
        assert found.dtype == dtype and torch.allclose(found.float().norm(dim=1), torch.ones(2), atol=1e-2)


@pytest.mark.parametrize("scale", [1e-30, 1e-16, 1.0, 1e16, 1e25])
def test_normalize_whatever_the_size(scale):
    v = torch.randn(6, 4)
    scaled = (scale * v).requires_grad_()
    assert torch.allclose(normalize(scaled), normalize(v))
    normalize(scaled)[:, 0].sum().backward()
    expected = torch.autograd.functional.jacobian(lambda u: normalize(u)[:, 0].sum(), v)
    assert torch.allclose(scaled.grad * scale, expected, rtol=1e-4, atol=1e-6)


def test_normalize_leaves_zero_with_a_finite_gradient():
    v = torch.zeros(2, 3, requires_grad=True)
    normalize(v).sum().backward()
    assert torch.isfinite(v.grad).all() and torch.equal(normalize(v), torch.zeros(2, 3))


@pytest.mark.parametrize("how", ["sphere", "ball"])
def test_normalize_gradcheck(how):
    v = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda u: normalize(u, how), (v,))


@pytest.mark.parametrize("shape", [(), (3,)])
def test_inner_products_against_a_loop(shape):
    a, b = torch.randn(*shape, 5, 3, dtype=torch.float64), torch.randn(*shape, 4, 3, dtype=torch.float64)
    found = inner_products(a, b)
    for i, j in itertools.product(range(5), range(4)):
        assert torch.allclose(found[..., i, j], (a[..., i, :] * b[..., j, :]).sum(dim=-1))


@pytest.mark.parametrize("compare", [pairwise_distances, inner_products])
def test_comparisons_are_float32_under_autocast_and_mix_dtypes(compare):
    a, b = torch.randn(5, 3), torch.randn(4, 3)
    expected = compare(a, b)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(compare(a, b), expected)
    assert compare(a.half(), b).dtype == torch.float32
    assert compare(a.double(), b).dtype == torch.float64
    with pytest.raises(ValueError, match="a, b"):
        compare(a, b[:, :2])


def test_pairwise_distances_have_the_gradient_of_the_formula():
    a, b = (torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (6, 5))
    weights = torch.randn(6, 5, dtype=torch.float64)
    slow = (a[:, None] - b[None]).square().sum(dim=2).sqrt()
    expected = torch.autograd.grad((weights * slow).sum(), (a, b))
    found = torch.autograd.grad((weights * pairwise_distances(a, b)).sum(), (a, b))
    assert all(torch.allclose(f, e) for f, e in zip(found, expected, strict=True))


def test_greedy_k_center_starts_with_candidate_0_and_never_repeats():
    assert greedy_k_center(torch.randn(3, 7, 2), torch.zeros(3, 0, 2), 1).tolist() == [[0], [0], [0]]
    same = torch.ones(2, 5, 3)
    assert greedy_k_center(same, same[:, :1], 5).tolist() == [[0, 1, 2, 3, 4]] * 2


def test_greedy_k_center_of_half_precision_does_not_overflow():
    pool = torch.tensor([[[0.0], [300.0], [400.0]]]).half()  # 300 squared is above the largest float16
    assert greedy_k_center(pool, torch.zeros(1, 1, 1).half(), 1).tolist() == [[2]]


@pytest.mark.parametrize(
    "pool, k, message",
    [
        (torch.zeros(1, 3, 2), 0, "k: expected"),
        (torch.zeros(1, 3, 2, dtype=torch.int64), 1, "pool"),
        (torch.full((1, 3, 2), torch.nan), 1, "pool"),
        (torch.zeros(3, 2), 1, "pool, current"),
    ],
)
def test_greedy_k_center_names_bad_input(pool, k, message):
    with pytest.raises(ValueError, match=message):
        greedy_k_center(pool, torch.zeros(1, 1, 2), k)
    with pytest.raises(ValueError, match="current"):
        greedy_k_center(torch.zeros(1, 3, 2), torch.full((1, 1, 2), torch.inf), 1)


def test_cover_radius_of_many_points_is_that_of_all_parts():
    points, centres = torch.randn(4000, 1), torch.randn(3000, 1)  # three parts
    points[-1] = 50.0
    assert cover_radius(points, centres).item() == (50.0 - centres.max()).item()
