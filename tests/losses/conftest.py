import pytest
import torch

from tests.losses.small import C, D, K, N


@pytest.fixture
def case():
    g = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)
    labels = torch.randint(0, C - 1, (N,), generator=g)  # the last class is absent
    return draw(N, D), labels, draw(C, D), draw(C, K, D)
