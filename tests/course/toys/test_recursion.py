import numpy as np
import pytest
import torch

from dmlnb.course.toys import recursion_world


def test_the_world_is_linear_up_to_its_noise_and_turns():
    batches, true = recursion_world(200, drift=0.1, seed=1)
    assert len(batches) == 200 and true.shape == (200, 3, 2)
    for z, _ in batches:
        assert torch.allclose(z.sum(dim=1), torch.ones(4).double()) and (z >= 0).all()
    noise = torch.cat([y - z @ v for (z, y), v in zip(batches, true, strict=True)])
    assert noise.std().item() == pytest.approx(0.15, rel=0.1)
    turned = torch.tensor([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])
    assert torch.allclose(true[1], true[0] @ turned.T)
    assert torch.equal(recursion_world(5)[1][0], recursion_world(5)[1][4])


def test_a_longer_world_begins_as_a_shorter_one():
    short, long = recursion_world(3)[0], recursion_world(9)[0]
    assert all(torch.equal(a[1], b[1]) for a, b in zip(short, long, strict=False))


def test_a_world_without_batches_is_refused():
    with pytest.raises(ValueError, match="num_batches"):
        recursion_world(0)
