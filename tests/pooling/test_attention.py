import pytest
import torch

from dmlnb.pooling import AttentionPooling, GeneralizedSumPooling


def random_maps(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("sharpness", [0.5, 5.0, 50.0])
def test_attention_is_the_limit_of_mass_to_0(sharpness):
    attention, gsp = AttentionPooling(8, 5, sharpness), GeneralizedSumPooling(8, 5, 1e-9, sharpness)
    with torch.no_grad():
        attention.prototypes.copy_(gsp.prototypes)
    features = random_maps(3, 8, 4, 5)
    for ours, theirs in zip(attention.pool(features), gsp.pool(features), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert torch.equal(attention(features), attention.pool(features).vector)


def test_attention_of_sharpness_0_is_average_pooling():
    features = random_maps(3, 8, 4, 5)
    torch.testing.assert_close(AttentionPooling(8, 5, 0.0)(features), features.mean((2, 3)))


def test_attention_gradcheck_and_errors():
    layer = AttentionPooling(3, 4).double()
    features = random_maps(2, 3, 2, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: tuple(layer.pool(f)), (features,))
    with pytest.raises(ValueError, match="dim: expected a whole number"):
        AttentionPooling(0)
    with pytest.raises(ValueError, match="sharpness"):
        AttentionPooling(3, 4, -1.0)
