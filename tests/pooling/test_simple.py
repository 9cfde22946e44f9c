import pytest
import torch

from dmlnb.pooling import (
    GeneralizedMeanPooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    generalized_mean_pool,
    global_average_pool,
    global_max_pool,
)

POOLINGS = [GlobalAveragePooling, GlobalMaxPooling, GeneralizedMeanPooling]


def test_against_loops():
    maps = torch.rand(2, 3, 4, 5, dtype=torch.float64) + 0.01
    gem = GeneralizedMeanPooling(2.5).double()
    for b in range(2):
        for c in range(3):
            values = [v.item() for v in maps[b, c].flatten()]
            assert GlobalAveragePooling()(maps)[b, c].item() == pytest.approx(sum(values) / 20)
            assert GlobalMaxPooling()(maps)[b, c].item() == max(values)
            expected = (sum(v**2.5 for v in values) / 20) ** (1 / 2.5)
            assert gem(maps)[b, c].item() == pytest.approx(expected, rel=1e-6)


def test_gem_lies_between_average_and_maximum_and_grows_with_the_power():
    maps = torch.rand(4, 6, 5, 5, dtype=torch.float64)
    values = [GeneralizedMeanPooling(p).double()(maps) for p in (1.0, 2.0, 8.0, 100.0)]
    assert torch.allclose(values[0], GlobalAveragePooling()(maps), atol=1e-6)
    assert all((a <= b + 1e-12).all() for a, b in zip(values, values[1:], strict=False))
    assert (values[-1] <= GlobalMaxPooling()(maps) + 1e-12).all()


@pytest.mark.parametrize("make", POOLINGS)
def test_gradients_and_order_of_regions(make):
    pooling = make().double()
    maps = (torch.rand(2, 3, 2, 2, dtype=torch.float64) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(pooling, (maps,))
    shuffled = maps.flatten(2)[:, :, torch.randperm(4)].view_as(maps)
    assert torch.allclose(pooling(maps), pooling(shuffled))


def test_the_power_has_the_right_gradient():
    pooling = GeneralizedMeanPooling(3.0).double()
    maps = torch.rand(2, 3, 4, 4, dtype=torch.float64) + 0.1
    (found,) = torch.autograd.grad(pooling(maps).sum(), pooling.power)
    with torch.no_grad():
        pooling.power += 1e-5
        above = pooling(maps).sum()
        pooling.power -= 2e-5
        slope = (above - pooling(maps).sum()) / 2e-5
    assert found.item() == pytest.approx(slope.item(), rel=1e-4)


@pytest.mark.parametrize("make", POOLINGS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("value", [0.0, 1e-3, 1e4])
def test_constant_maps_are_their_value(make, dtype, value):
    maps = torch.full((1, 2, 3, 3), value, dtype=dtype, requires_grad=True)
    pooled = make()(maps)
    assert pooled.dtype == dtype and torch.allclose(
        pooled.float(), maps[:, :, 0, 0].float(), rtol=1e-2, atol=1e-5
    )
    pooled.sum().backward()
    assert torch.isfinite(maps.grad).all()


@pytest.mark.parametrize("make", POOLINGS)
@pytest.mark.parametrize(
    "maps", [torch.zeros(2, 3, 4), torch.zeros(1, 2, 0, 3), torch.zeros(1, 2, 3, 3).long()]
)
def test_bad_maps_are_named(make, maps):
    with pytest.raises(ValueError, match="features"):
        make()(maps)


def test_gem_arguments():
    with pytest.raises(ValueError, match="power"):
        GeneralizedMeanPooling(0.0)
    assert not GeneralizedMeanPooling(learnable=False).power.requires_grad
    for bad in ({"power": -1.0}, {"power": float("nan")}, {"eps": 0.0}, {"eps": float("inf")}):
        with pytest.raises(ValueError, match="(power|eps): expected a number > 0"):
            generalized_mean_pool(torch.rand(1, 2, 3, 3), **bad)


def test_functions_are_what_the_modules_compute():
    maps = torch.rand(2, 3, 4, 5)
    assert torch.equal(global_average_pool(maps), GlobalAveragePooling()(maps))
    assert torch.equal(global_max_pool(maps), GlobalMaxPooling()(maps))
    assert torch.equal(generalized_mean_pool(maps, torch.tensor(3.0)), GeneralizedMeanPooling()(maps))
    assert torch.allclose(generalized_mean_pool(maps, 2.0), maps.square().mean(dim=(2, 3)).sqrt())


def test_a_large_power_neither_over_nor_underflows():
    maps = torch.tensor([1e-5, 2e4]).view(1, 2, 1, 1) * (torch.rand(1, 2, 4, 4) + 0.5)
    pooled = generalized_mean_pool(maps, 200.0)
    assert torch.allclose(pooled, maps.amax(dim=(2, 3)), rtol=0.02)


def shares_in_loops(maps, share):
    """The weight of a region: the mean over the channels of its share of the channel, one at a time."""
    weights = torch.zeros(len(maps), *maps.shape[2:])
    for image, channels in enumerate(maps):
        for channel in channels:
            weights[image] += share(channel) / len(channels)
    return weights


def test_weights_against_loops():
    maps = torch.rand(2, 3, 4, 5)
    first = lambda c: (torch.arange(20) == c.flatten().argmax()).view(4, 5).float()
    for pooling, share in (
        (GlobalAveragePooling(), lambda c: torch.full_like(c, 1 / 20)),
        (GlobalMaxPooling(), first),
        (GeneralizedMeanPooling(4.0), lambda c: c**4 / (c**4).sum()),
    ):
        pooled = pooling.pool(maps)
        assert torch.allclose(pooled.weights, shares_in_loops(maps, share), atol=1e-6)
        assert torch.equal(pooled.vector, pooling(maps)) and pooled.attributes is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_sum_to_one_at_the_extremes(dtype):
    for pooling in (GlobalAveragePooling(), GlobalMaxPooling(), GeneralizedMeanPooling(60.0)):
        for maps in (torch.zeros(2, 3, 5, 5), torch.full((2, 3, 5, 5), 6e4), -torch.rand(2, 3, 5, 5)):
            weights = pooling.pool(maps.to(dtype)).weights
            assert torch.allclose(weights.sum((1, 2)), torch.ones(2, dtype=weights.dtype), atol=1e-5)
