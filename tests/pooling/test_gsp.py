import copy
import io
import math

import pytest
import torch

from dmlnb.geometry import clip_to_ball
from dmlnb.pooling import PooledFeatures, prototype_costs
from dmlnb.pooling.attention import AttentionPooling
from dmlnb.pooling.gsp import GeneralizedSumPooling
from dmlnb.pooling.transport import partial_transport
from tests.every import exports_all


def random_maps(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gsp_by_loops(features, prototypes, mass, sharpness):
    """The layer for one image of n tokens, in loops, the root by bisection: (vector, weights, attributes)."""

    def clip(v):
        return [x / max(1.0, math.hypot(*v)) for x in v]

    tokens, centres = [clip(f) for f in features], [clip(p) for p in prototypes]
    n = len(tokens)
    kernel = [[math.exp(-sharpness * math.dist(centre, token)) for token in tokens] for centre in centres]
    scores = [math.log(sum(row[j] for row in kernel)) for j in range(n)]
    low, high = -200.0, 200.0
    for _ in range(200):
        tau = (low + high) / 2
        mean = sum(1 / (1 + math.exp(-tau - s)) for s in scores) / n
        low, high = (tau, high) if mean < mass else (low, tau)
    weights = [1 / (1 + math.exp(-tau - s)) / (n * mass) for s in scores]
    vector = [sum(weights[j] * features[j][k] for j in range(n)) for k in range(len(features[0]))]
    attributes = [sum(weights[j] * row[j] / math.exp(scores[j]) for j in range(n)) for row in kernel]
    return vector, weights, attributes


# ---------------------------------------------------------------- the layer


@pytest.mark.parametrize("mass, sharpness", [(0.1, 5.0), (0.3, 0.5), (0.3, 20.0), (0.9, 5.0)])
def test_equals_the_loops(mass, sharpness):
    layer = GeneralizedSumPooling(4, 3, mass, sharpness).double()
    features = random_maps(2, 4, 2, 3, dtype=torch.float64)
    pooled = layer.pool(features)
    assert isinstance(pooled, PooledFeatures)
    assert torch.equal(layer(features), pooled.vector)
    for b in range(2):
        tokens = features[b].flatten(1).T.tolist()
        vector, weights, attributes = gsp_by_loops(tokens, layer.prototypes.tolist(), mass, sharpness)
        torch.testing.assert_close(pooled.vector[b].tolist(), vector)
        torch.testing.assert_close(pooled.weights[b].flatten().tolist(), weights)
        torch.testing.assert_close(pooled.attributes[b].tolist(), attributes)


def test_agrees_with_partial_transport():
    layer = GeneralizedSumPooling(8, 5)
    features = random_maps(3, 8, 4, 5)
    pooled = layer.pool(features)
    plan = partial_transport(prototype_costs(features, layer.prototypes), 0.3, 5.0)
    torch.testing.assert_close(pooled.weights.flatten(1), plan.weights)
    torch.testing.assert_close(pooled.attributes, plan.plan.sum(2) / 0.3)


def test_shapes_and_sums():
    layer = GeneralizedSumPooling(8, 5)
    vector, weights, attributes = layer.pool(random_maps(3, 8, 4, 5))
    assert vector.shape == (3, 8) and weights.shape == (3, 4, 5) and attributes.shape == (3, 5)
    torch.testing.assert_close(weights.sum((1, 2)), torch.ones(3))
    torch.testing.assert_close(attributes.sum(1), torch.ones(3))
    assert layer.prototypes.shape == (5, 8)
    torch.testing.assert_close(layer.prototypes.norm(dim=1), torch.ones(5))


@pytest.mark.parametrize("mass, sharpness", [(1.0, 5.0), (1.0, 100.0), (0.3, 0.0)])
def test_mass_1_or_sharpness_0_is_average_pooling(mass, sharpness):
    features = random_maps(3, 8, 4, 5)
    layer = GeneralizedSumPooling(8, 5, mass, sharpness)
    torch.testing.assert_close(layer(features), features.mean((2, 3)))


@pytest.mark.parametrize("power", [3.0, 1.0, 60.0])
def test_the_power_mean_at_mass_1_is_gem(power):
    features = random_maps(3, 8, 4, 5).abs() + 0.1
    expected = features.double().pow(power).mean((2, 3)).pow(1 / power).float()
    layer = GeneralizedSumPooling(8, 5, 1.0, pooled="gem", power=power)
    torch.testing.assert_close(layer(features), expected)


def test_the_power_mean_weighs_before_it_pools():
    features = random_maps(2, 4, 2, 3).abs()
    layer = GeneralizedSumPooling(4, 3, 0.3, 20.0, pooled="gem")
    weights = layer.pool(features).weights[:, None]
    expected = (weights * features.pow(3)).sum((2, 3)).pow(1 / 3)
    torch.testing.assert_close(layer(features), expected)


def test_selects_tokens_near_prototypes():
    layer = GeneralizedSumPooling(2, 1, 0.25, 50.0)
    with torch.no_grad():
        layer.prototypes.copy_(torch.tensor([[1.0, 0.0]]))
    features = torch.zeros(1, 2, 2, 4)
    features[0, 1] = -5.0  # nuisance, far away and large
    features[0, :, 0, 1] = torch.tensor([2.0, 0.1])
    features[0, :, 1, 3] = torch.tensor([2.0, -0.1])
    torch.testing.assert_close(layer(features), torch.tensor([[2.0, 0.0]]))


def test_permuting_regions_and_prototypes_changes_nothing():
    layer = GeneralizedSumPooling(8, 5, 0.3, 20.0)
    features = random_maps(3, 8, 4, 5)
    vector = layer(features)
    shuffled = features.flatten(2)[:, :, torch.randperm(20)].unflatten(2, (4, 5))
    torch.testing.assert_close(layer(shuffled), vector)
    torch.testing.assert_close(layer(features[1:2]), vector[1:2])
    with torch.no_grad():
        layer.prototypes.copy_(layer.prototypes[[4, 2, 0, 1, 3]])
    torch.testing.assert_close(layer(features), vector)


@pytest.mark.parametrize("pooled", ["mean", "gem"])
def test_gradcheck(pooled):
    layer = GeneralizedSumPooling(3, 4, 0.3, 5.0, pooled=pooled).double()
    features = (0.3 + 0.7 * random_maps(2, 3, 2, 2, dtype=torch.float64).abs()).requires_grad_()
    scale = torch.tensor([[0.7], [0.9], [1.2], [1.5]])  # none on the sphere, where the clipping has a kink
    prototypes = (scale * layer.prototypes.detach()).requires_grad_()

    def outputs(features, prototypes):
        pooled = torch.func.functional_call(Pool(layer), {"layer.prototypes": prototypes}, (features,))
        return tuple(pooled)

    assert torch.autograd.gradcheck(outputs, (features, prototypes))


class Pool(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, features):
        return self.layer.pool(features)


# ---------------------------------------------------------------- prototypes and warm-up


def test_init_prototypes_is_farthest_first_in_place():
    layer = GeneralizedSumPooling(2, 2)
    parameter = layer.prototypes
    rows = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.5, 0.0], [-0.9, 0.0], [0.0, 30.0], [0.3, 0.1]])
    layer.init_prototypes(
        rows
    )  # from the seeds (0, 0) and (.1, 0) the farthest is (0, 1), clipped; then (-.9, 0)
    assert layer.prototypes is parameter
    torch.testing.assert_close(layer.prototypes.detach(), torch.tensor([[0.0, 1.0], [-0.9, 0.0]]))


def test_warm_up_pools_by_average_until_the_memory_is_full():
    layer = GeneralizedSumPooling(4, 3, sharpness=20.0, memory_size=10)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    before = layer.prototypes.detach().clone()
    maps = [random_maps(4, 4, 2, 2, seed=seed) for seed in range(4)]
    for step, features in enumerate(maps[:3]):  # 4 + 4 + 2 rows fill the memory
        assert not layer.ready
        pooled = layer.pool(features) if step % 2 else PooledFeatures(layer(features), None, None)
        torch.testing.assert_close(pooled.vector, features.mean((2, 3)))
        if step % 2:
            assert torch.equal(pooled.attributes, torch.zeros(4, 3))
            assert torch.equal(pooled.weights, torch.full((4, 2, 2), 0.25))
    assert layer.ready and not torch.equal(layer.prototypes, before)
    pooled_rows = clip_to_ball(torch.cat([features.mean((2, 3)) for features in maps[:3]]))[:10]
    torch.testing.assert_close(layer.memory, pooled_rows)
    for prototype in layer.prototypes.detach():
        assert (pooled_rows[3:] - prototype).norm(dim=1).min() == 0
    chosen = layer.prototypes.detach().clone()
    pooled = layer.pool(maps[3])
    torch.testing.assert_close(pooled.attributes.sum(1), torch.ones(4))
    assert not torch.allclose(pooled.vector, maps[3].mean((2, 3)))
    pooled.vector.square().sum().backward()
    optimizer.step()  # made before the prototypes were set, and still trains them
    assert not torch.equal(layer.prototypes, chosen)
    assert torch.equal(layer.memory, pooled_rows)


def test_evaluation_does_not_fill_the_memory():
    layer = GeneralizedSumPooling(4, 3, memory_size=8).eval()
    features = random_maps(8, 4, 2, 2)
    torch.testing.assert_close(layer(features), features.mean((2, 3)))
    assert layer.filled == 0 and not layer.ready


def test_the_warm_up_survives_a_checkpoint():
    first = GeneralizedSumPooling(4, 3, memory_size=8)
    first(random_maps(5, 4, 2, 2))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = GeneralizedSumPooling(4, 3, memory_size=8)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert second.filled == 5
    for layer in (first, second):
        layer(random_maps(5, 4, 2, 2, seed=1))
        assert layer.ready
    assert torch.equal(first.prototypes, second.prototypes)
    third = GeneralizedSumPooling(4, 3, memory_size=8)
    third.load_state_dict(second.state_dict())
    assert third.ready


def test_init_prototypes_ends_the_warm_up():
    layer = GeneralizedSumPooling(4, 3, memory_size=8)
    layer.init_prototypes(random_maps(6, 4))
    chosen = layer.prototypes.detach().clone()
    for seed in range(3):
        layer(random_maps(8, 4, 2, 2, seed=seed))
    assert torch.equal(layer.prototypes, chosen) and layer.filled == 0


# ---------------------------------------------------------------- in a network, extremes, errors


def test_takes_the_place_of_average_pooling_in_a_torchvision_resnet():
    from torchvision.models import resnet18

    torch.manual_seed(0)
    network = resnet18(num_classes=7).eval()
    images = random_maps(2, 3, 64, 64)
    expected = network(images)
    network.avgpool = GeneralizedSumPooling(512, mass=1.0)
    torch.testing.assert_close(network(images), expected)
    network.avgpool.mass = 0.3
    network.train()(images).sum().backward()
    grad = network.avgpool.prototypes.grad
    assert network.conv1.weight.grad.isfinite().all() and grad.isfinite().all() and grad.abs().max() > 0


@pytest.mark.parametrize("pooled", ["mean", "gem"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("sharpness", [0.0, 5.0, 1000.0])
@pytest.mark.parametrize(
    "features",
    [
        torch.zeros(2, 8, 3, 3),
        torch.ones(2, 8, 3, 3),
        torch.randn(1, 8, 1, 1),
        3e3 * torch.randn(2, 8, 3, 3),  # times 1 / mass it still fits float16
        1e-6 * torch.randn(2, 8, 3, 3),
    ],
    ids=["zeros", "equal", "one-token", "huge", "tiny"],
)
def test_extremes_stay_finite(features, sharpness, dtype, pooled):
    layer = GeneralizedSumPooling(8, 4, sharpness=sharpness, pooled=pooled)
    if dtype == torch.float64:
        layer = layer.double()
    features = features.to(dtype, copy=True).requires_grad_()
    result = layer.pool(features)
    assert result.vector.dtype == dtype and result.vector.isfinite().all()
    torch.testing.assert_close(result.weights.sum((1, 2)), torch.ones_like(result.weights[:, 0, 0]))
    torch.testing.assert_close(result.attributes.sum(1), torch.ones_like(result.attributes[:, 0]))
    (result.vector.float().mean() + result.attributes.square().sum()).backward()
    assert features.grad.isfinite().all() and layer.prototypes.grad.isfinite().all()


def test_under_autocast_the_weights_are_those_of_float32():
    layer = GeneralizedSumPooling(8, 4)
    features = random_maps(2, 8, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = layer.pool(features)
    torch.testing.assert_close(pooled.weights, layer.pool(features).weights)
    assert pooled.weights.dtype == torch.float32


@pytest.mark.parametrize(
    "layer", [GeneralizedSumPooling(4, 3), AttentionPooling(4, 3)], ids=["gsp", "attention"]
)
@pytest.mark.parametrize(
    "features",
    [torch.zeros(2, 4, 3), torch.zeros(2, 5, 3, 3), torch.zeros(0, 4, 3, 3), torch.zeros(2, 4, 3, 3).int()],
)
def test_wrong_features_are_refused(layer, features):
    for call in (layer, layer.pool):
        with pytest.raises(ValueError, match=r"features: expected floating point of shape \(B, 4, H, W\)"):
            call(features)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize(
    "layer", [GeneralizedSumPooling(4, 3), AttentionPooling(4, 3)], ids=["gsp", "attention"]
)
def test_nan_in_the_features_is_refused(layer, bad):
    features = torch.zeros(2, 4, 3, 3)
    features[1, 2, 0, 0] = bad
    with pytest.raises(ValueError, match="features, prototypes: expected finite numbers"):
        layer(features)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"dim": 0}, "dim: expected a whole number >= 1"),
        ({"dim": 4, "num_prototypes": 0}, "num_prototypes: expected a whole number >= 1"),
        ({"dim": 4, "mass": 0.0}, "mass: expected a share"),
        ({"dim": 4, "mass": 1.5}, "mass: expected a share"),
        ({"dim": 4, "sharpness": -1.0}, "sharpness: expected a finite number >= 0"),
        ({"dim": 4, "pooled": "sum"}, "pooled: expected 'mean' or 'gem'"),
        ({"dim": 4, "pooled": "gem", "power": 0.0}, "power: expected a number > 0"),
        ({"dim": 4, "power": math.nan}, "power: expected a number > 0"),
        ({"dim": 4, "mass": math.nan}, "mass: expected a share"),
        ({"dim": 4, "memory_size": -1}, "memory_size: expected a whole number >= 0"),
        ({"dim": 4, "num_prototypes": 8, "memory_size": 15}, "memory_size: expected 0 or at least 16"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GeneralizedSumPooling(**arguments)


@pytest.mark.parametrize(
    "rows", [torch.zeros(5, 4), torch.zeros(6, 3), torch.zeros(6), torch.full((6, 4), math.nan)]
)
def test_wrong_rows_for_prototypes_are_refused(rows):
    with pytest.raises(ValueError, match=r"rows: expected finite (\(N, 4\) with N >= 6|numbers)"):
        GeneralizedSumPooling(4, 3).init_prototypes(rows)


@pytest.mark.parametrize(
    "sharpness", [14, 24, 29, 31, 45, 61, 200]
)  # on both sides of where the shift changes
@pytest.mark.parametrize("make", [GeneralizedSumPooling, AttentionPooling])
def test_an_image_far_from_all_prototypes_has_a_right_gradient(make, sharpness):
    pool = make(64, 4, sharpness=sharpness)
    with torch.no_grad():
        pool.prototypes.abs_().mul_(0.99)  # inside the ball
        maps = torch.zeros(3, 64, 2, 2)  # one image near the prototypes, one blank, one opposite
        maps[0] = pool.prototypes.T.view(64, 2, 2) + random_maps(64, 2, 2) / 100
        maps[2] = -maps[0]
    exact = copy.deepcopy(pool).double()
    for layer, given in ((pool, maps), (exact, maps.double())):
        (65536 * layer.pool(given).attributes.square().sum()).backward()  # as with a scaler of gradients
    expected = exact.prototypes.grad
    assert (pool.prototypes.grad - expected).abs().max() < 0.01 * expected.abs().max()


@exports_all
@pytest.mark.parametrize("make", [GeneralizedSumPooling, AttentionPooling])
def test_it_exports_for_any_number_of_images(make):
    pool = make(8, 4, memory_size=8) if make is GeneralizedSumPooling else make(8, 4)
    if make is GeneralizedSumPooling:
        pool.init_prototypes(torch.randn(8, 8))  # the warm-up is over
    batch = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(pool.eval(), (torch.rand(3, 8, 5, 5),), dynamic_shapes=batch, strict=False)
    images = torch.rand(5, 8, 5, 5)
    assert torch.allclose(program.module()(images), pool(images), atol=1e-5)
