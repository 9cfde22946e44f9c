import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmlnb.geometry import distances, inner_products, pairwise_distances


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


def differences(a, b):
    """The slow twin, in float64: every difference, one pair at a time in memory."""
    return (a.double()[..., :, None, :] - b.double()[..., None, :, :]).norm(dim=-1)


def two_sets(kind, dim):
    """Two sets (60, d) and (50, d), large enough that the product is used, with near pairs among far ones."""
    a, b = torch.randn(60, dim), torch.randn(50, dim)
    b[:9] = a[:9] * (1 + 1e-6) + 1e-6 * torch.randn(9, dim)  # apart by a millionth of the norm
    b[9] = a[9]
    if kind == "cone":
        axis = torch.randn(1, dim)
        return axis + 3e-4 * a, axis + 3e-4 * b
    if kind == "many":  # so many near pairs that all are computed from differences
        return a[:1] + 1e-5 * a, a[:1] + 1e-5 * b + torch.arange(50)[:, None] % 2
    if kind == "mixed":
        return torch.cat([a, 1e-10 * a]), torch.cat([b, 1e-10 * b])
    size = {"huge": 1e18, "tiny": 1e-20, "far": 1.0}[kind]
    return size * a + 1000.0 * (kind == "far"), size * b + 1000.0 * (kind == "far")


@pytest.mark.parametrize("dim", [2, 24, 512])
@pytest.mark.parametrize("kind", ["cone", "many", "mixed", "huge", "tiny", "far"])
@pytest.mark.parametrize("large", [1 << 26, 0])
def test_every_distance_is_right_to_1e_5_of_itself(monkeypatch, large, kind, dim):
    monkeypatch.setattr("dmlnb.geometry.distances.LARGE", large)
    a, b = two_sets(kind, dim)
    for x, y in ((a, b), (a, a), (b, a), (a.expand(2, -1, -1), b)):
        found, right = pairwise_distances(x, y).double(), differences(x, y)
        assert ((found - right).abs() <= 1e-5 * right).all()  # where the rows coincide: exactly 0


def test_the_plain_formula_would_fail_that_test():
    a, b = two_sets("far", 512)
    squared = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
    right = differences(a, b)
    assert ((squared.clamp(min=0).sqrt() - right).abs() > 0.1 * right).any()


@pytest.mark.parametrize("kind", ["cone", "many", "huge", "tiny", "far"])
@pytest.mark.parametrize("same", [False, True])
def test_the_gradient_is_that_of_the_differences_near_and_far(kind, same):
    a, b = (x.requires_grad_() for x in two_sets(kind, 64))
    b = a if same else b
    weights = torch.rand(len(a), len(b))
    found = torch.autograd.grad((weights * pairwise_distances(a, b)).sum(), {a, b})
    apart = a.detach().double()[:, None] - b.detach().double()[None]  # (N, M, d)
    pull = weights.double()[:, :, None] * torch.nan_to_num(apart / apart.norm(dim=2, keepdim=True))
    right = {a: pull.sum(1) - pull.sum(0)} if same else {a: pull.sum(1), b: -pull.sum(0)}
    for gradient, x in zip(found, {a, b}, strict=True):
        assert (gradient - right[x]).abs().max() <= 1e-5 * weights.sum(0).max()


def test_one_near_pair_pulls_along_its_own_difference():
    a, b = two_sets("far", 64)
    a.requires_grad_()
    pairwise_distances(a, b)[3, 3].backward()
    step = (a[3].detach() - b[3]).double()
    assert torch.allclose(a.grad[3].double(), step / step.norm(), atol=1e-6)
    assert (a.grad[:3] == 0).all() and (a.grad[4:] == 0).all()


def test_coinciding_rows_are_at_zero_without_gradient():
    a, b = two_sets("far", 128)
    for x in (a, a.double()):
        x = x.clone().requires_grad_()
        distance = pairwise_distances(x, b.to(x))
        assert distance[9, 9] == 0
        distance[9, 9].backward()
        assert (x.grad == 0).all()
    same = torch.full((70, 128), 1e30, requires_grad=True)
    distance = pairwise_distances(same, same)
    distance.sum().backward()
    assert (distance == 0).all() and (same.grad == 0).all()


@pytest.mark.parametrize("by_product", [True, False])
def test_first_and_second_derivatives(monkeypatch, by_product):
    if by_product:
        monkeypatch.setattr("dmlnb.geometry.distances.SMALL", 0)
        monkeypatch.setattr("dmlnb.geometry.distances.FEW", 0)
    n, m = 4, 3
    a, b = torch.randn(2, n, 3, dtype=torch.float64), torch.randn(m, 3, dtype=torch.float64)
    b[0] = a[0, 0] + 0.01 * torch.randn(3)
    a.requires_grad_(), b.requires_grad_()
    off = ~torch.eye(n, dtype=torch.bool)
    for function, inputs in (
        (pairwise_distances, (a, b)),
        (lambda x: pairwise_distances(x, x)[:, off], (a,)),
    ):
        assert torch.autograd.gradcheck(function, inputs)
        try:
            assert torch.autograd.gradgradcheck(function, inputs)
        except NotImplementedError as error:
            assert not by_product  # that one has steps of our own
            pytest.skip(f"torch {torch.__version__}: {error}")


@pytest.mark.parametrize("noise", [1e-1, 1e-3, 1e-6])
@pytest.mark.parametrize("same", [False, True])
def test_collapsed_classes_are_told_apart_in_float64(monkeypatch, noise, same):
    """Near pairs in every row, but not so near that float64 could not tell: no difference of all pairs is taken."""

    def differences_of_all(a, b):
        raise AssertionError("differences of all pairs")

    labels = torch.arange(96) // 32
    a, b = (torch.randn(3, 512)[labels] + noise * torch.randn(96, 512) for _ in range(2))
    b = a if same else a + noise * torch.randn(96, 512)
    if noise > 1e-4:
        monkeypatch.setattr("dmlnb.geometry.distances._from_differences", differences_of_all)
    a.requires_grad_()
    weights = torch.rand(96, 96)
    b = a if same else b
    found, right = pairwise_distances(a, b), differences(a, b)
    assert found.dtype == torch.float32 and ((found - right).abs() <= 1e-5 * right).all()
    (gradient,) = torch.autograd.grad((weights * found).sum(), a)
    apart = a.detach().double()[:, None] - b.detach().double()[None]  # (N, M, d)
    pull = weights[:, :, None] * torch.nan_to_num(apart / apart.norm(dim=2, keepdim=True))
    right = pull.sum(1) - pull.sum(0) if same else pull.sum(1)
    assert (gradient - right).abs().max() <= 1e-5 * weights.sum(0).max()


@pytest.mark.parametrize("each, same", [(1, False), (1, True), (4, True), (32, False), (32, True)])
def test_a_few_rows_tell_whether_the_product_is_for_use(monkeypatch, each, same):
    """They are right in plain cases; where they are not, it costs time and no digits."""
    monkeypatch.setattr("dmlnb.geometry.distances.LARGE", 0)
    answers, ask = [], distances._sample_is_near
    spy = lambda *args: answers.append(ask(*args)) or answers[-1]
    monkeypatch.setattr("dmlnb.geometry.distances._sample_is_near", spy)
    labels = torch.arange(192) // each
    centres = torch.randn(192, 512)
    a, other = (centres[labels] + 0.1 * torch.randn(192, 512) for _ in range(2))
    b = a if same else other
    found, right = pairwise_distances(a, b), differences(a, b)
    assert ((found - right).abs() <= 1e-5 * right).all()
    expected = [True, False] if each == 32 else [False]  # not the product of float32, but that of float64
    assert answers == expected


def test_squares_that_overflow_are_those_of_float64():
    a = 1e30 * torch.randn(60, 512)
    found, right = pairwise_distances(a, a), differences(a, a)
    assert ((found - right).abs() <= 1e-5 * right).all()


@pytest.mark.parametrize("compare", [pairwise_distances, inner_products])
@pytest.mark.parametrize("n", [1, 70])
def test_a_gradient_that_comes_transposed_is_read_and_left_as_it_is(compare, n):
    a = torch.randn(n, 200, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(n, n, dtype=torch.float64)
    upstream = weights.T  # transposed in memory
    found = compare(a, a)
    (gradient,) = torch.autograd.grad(found, a, upstream)
    assert torch.equal(upstream, weights.T.clone())
    (right,) = torch.autograd.grad(compare(a, a.detach()), a, upstream.contiguous())
    (other,) = torch.autograd.grad(
        compare(a.detach(), b := a.detach().clone().requires_grad_()), b, upstream.contiguous()
    )
    assert torch.allclose(gradient, right + other, rtol=1e-9, atol=1e-12)


def test_inner_products_of_one_set_have_the_gradient_of_two():
    a = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: inner_products(x, x), (a,))
    assert torch.autograd.gradgradcheck(lambda x: inner_products(x, x), (a,))
    weights = torch.randn(2, 5, 5, dtype=torch.float64)
    found, right = (torch.autograd.grad((weights * inner_products(a, b)).sum(), a) for b in (a, a.view_as(a)))
    assert torch.allclose(found[0], right[0])


def test_distances_under_torch_func_and_export():
    a, b = torch.randn(3, 60, 200), torch.randn(3, 50, 200)
    right = pairwise_distances(a, b)
    assert torch.allclose(torch.func.vmap(pairwise_distances)(a, b), right, rtol=1e-5)
    x = a[0].clone().requires_grad_()
    (slow,) = torch.autograd.grad(pairwise_distances(x, b[0]).sum(), x)
    gradient = torch.func.grad(lambda x, y: pairwise_distances(x, y).sum())
    assert torch.allclose(gradient(a[0], b[0]), slow, atol=1e-4)
    assert torch.allclose(torch.func.vmap(gradient)(a, b)[0], slow, atol=1e-4)

    class Distances(torch.nn.Module):
        def forward(self, a, b):
            return pairwise_distances(a, b)

    program = torch.export.export(Distances(), (a, b))
    assert torch.allclose(program.module()(a, b), right, rtol=1e-5)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 300)),
    spread=st.floats(-7, 0),
    power=st.integers(-18, 17),
)
def test_distances_of_any_two_sets_are_those_of_float64(seed, shape, spread, power):
    generator = torch.Generator().manual_seed(seed)
    n, m, d = shape
    centre = torch.randn(1, d, generator=generator)
    a, b = ((centre + 10**spread * torch.randn(k, d, generator=generator)) * 10.0**power for k in (n, m))
    found, right = pairwise_distances(a, b), differences(a, b)
    assert ((found - right).abs() <= 1e-5 * right).all()
    assert torch.allclose(pairwise_distances(b, a), found.mT, rtol=1e-5)


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
