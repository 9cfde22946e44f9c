import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmlnb.pooling import gates
from dmlnb.pooling.gates import gates_of_mass


def bisection(scores, mass):
    """The gates of one image by bisection on tau, to the last digit of float64."""
    low, high = -1e4 - scores.max(), 1e4 - scores.min()
    for _ in range(200):
        tau = (low + high) / 2
        low, high = (tau, high) if torch.sigmoid(tau + scores).mean() < mass else (low, tau)
    return torch.sigmoid((low + high) / 2 + scores)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    n=st.integers(1, 60),
    mass=st.one_of(st.floats(1e-3, 0.999), st.sampled_from([0.25, 0.5, 0.75])),
    spread=st.sampled_from([0.01, 1.0, 30.0, 1000.0]),
    levels=st.sampled_from([1, 2, 1000]),
    seed=st.integers(0, 10**6),
)
def test_the_fixed_number_of_steps_of_a_traced_program_is_enough(n, mass, spread, levels, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = spread * torch.randint(0, levels, (3, n), generator=generator).double() / levels
    found, tau, steps = gates_of_mass(scores, mass)
    assert steps < gates.FIXED_STEPS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gates, "traced", lambda: True)
        fixed, tau_fixed, steps = gates_of_mass(scores, mass)
    assert steps == gates.FIXED_STEPS
    assert torch.allclose(fixed, found, atol=1e-12) and torch.allclose(
        fixed.mean(1), torch.tensor(mass).double()
    )
    for row, image in zip(fixed, scores, strict=True):
        assert torch.allclose(row, bisection(image, mass), atol=1e-9)


@pytest.mark.parametrize("mass", [1e-6, 0.02, 0.1, 0.3, 0.5, 0.9, 0.98, 1 - 1e-6, 1.0])
@pytest.mark.parametrize("spread", [0.0, 1.0, 5.0, 20.0, 1000.0])
def test_plain_newton_is_exact_or_says_that_it_is_not(mass, spread):
    generator = torch.Generator().manual_seed(0)
    scores = spread * torch.rand(64, 49, generator=generator, dtype=torch.float64) + 3
    mass = torch.tensor([[mass]], dtype=torch.float64)
    found = gates._solve_calm(scores, mass)
    calm = 0.02 < mass < 0.98 and spread <= 5
    if calm or found is not None:
        logits, tau, steps = found
        expected, expected_tau, _ = gates._solve(scores, mass)
        assert steps <= gates.CALM_STEPS
        assert torch.allclose(logits, expected, rtol=0, atol=1e-12)
        assert torch.allclose(tau, expected_tau, rtol=0, atol=1e-12)
    if spread == 1000 or not 0.001 < mass < 0.999:
        assert found is None


def test_plain_newton_needs_every_image_to_be_calm():
    scores = torch.randn(8, 20, dtype=torch.float64)
    mass = torch.tensor([[0.3]], dtype=torch.float64)
    assert gates._solve_calm(scores, mass) is not None
    scores[3] *= 1000
    assert gates._solve_calm(scores, mass) is None
    found, _, _ = gates_of_mass(scores, 0.3)
    assert torch.allclose(found[3], bisection(scores[3], 0.3), atol=1e-9)


def test_gates_by_hand():
    found, tau, _ = gates_of_mass(torch.zeros(2, 4), 0.25)  # equal scores: all gates are the mass
    assert torch.allclose(found, torch.full((2, 4), 0.25).double())
    assert torch.allclose(tau, torch.full((2,), -1.0986122886681098, dtype=torch.float64))  # log(1/3)


def test_a_mass_of_each_image_in_a_traced_program():
    scores, mass = torch.randn(3, 9, dtype=torch.float64), torch.tensor([0.2, 0.5, 1.0], dtype=torch.float64)
    gradient = torch.func.grad(lambda s, m: gates_of_mass(s, m)[0].square().sum(), argnums=(0, 1))(
        scores, mass
    )
    scores.requires_grad_(), mass.requires_grad_()
    gates_of_mass(scores, mass)[0].square().sum().backward()
    assert torch.allclose(gradient[0], scores.grad) and torch.allclose(gradient[1], mass.grad)
