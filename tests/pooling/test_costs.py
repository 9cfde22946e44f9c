import pytest
import torch

from dmlnb.geometry import clip_to_ball
from dmlnb.pooling import prototype_costs


def random_maps(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_costs_are_distances_of_clipped_vectors():
    features = 0.4 * random_maps(2, 5, 3, 4, dtype=torch.float64)  # some inside the ball, some outside
    prototypes = random_maps(6, 5, seed=1, dtype=torch.float64)
    cost = prototype_costs(features, prototypes)
    assert cost.shape == (2, 6, 12) and cost.min() >= 0 and cost.max() <= 2
    for b, i, j in [(0, 0, 0), (1, 5, 11), (0, 3, 7)]:
        token, centre = clip_to_ball(features[b, :, j // 4, j % 4]), clip_to_ball(prototypes[i])
        torch.testing.assert_close(cost[b, i, j], (token - centre).norm())


@pytest.mark.parametrize("gap", [0.0, 1e-6, 1e-3, 1e-2, 3e-2])
def test_costs_of_near_pairs_are_accurate_in_float32(gap):
    prototypes = torch.nn.functional.normalize(random_maps(4, 64), dim=1) * 0.9
    features = random_maps(1, 64, 2, 2, seed=1)
    features[0, :, 1, 1] = prototypes[2] + gap * torch.nn.functional.normalize(random_maps(64, seed=2), dim=0)
    exact = prototype_costs(features.double(), prototypes.double())
    torch.testing.assert_close(prototype_costs(features, prototypes).double(), exact, rtol=1e-4, atol=1e-5)


def test_gradients_of_the_costs_at_distance_0_are_0():
    prototypes = torch.full((2, 3), 0.5, requires_grad=True)
    features = torch.full((1, 3, 2, 2), 0.5, requires_grad=True)
    prototype_costs(features, prototypes).sum().backward()
    assert torch.equal(prototypes.grad, torch.zeros(2, 3)) and torch.equal(
        features.grad, torch.zeros(1, 3, 2, 2)
    )


def test_prototypes_of_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"prototypes: expected shape \(m, d\)"):
        prototype_costs(torch.zeros(1, 3, 2, 2), torch.zeros(3))
