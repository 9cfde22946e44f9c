import pytest
import torch
from torch import nn

from dmlnb.data import to_float
from dmlnb.losses import contrastive_loss
from dmlnb.models import EmbeddingNet, KDLayer, embed, small_resnet
from dmlnb.pooling import GeneralizedSumPooling, GlobalAveragePooling


@pytest.fixture
def net():
    return EmbeddingNet(small_resnet(1, (4, 4, 8, 8)), GlobalAveragePooling(), dim=6)


@pytest.fixture
def images():
    return torch.randint(0, 256, (10, 1, 16, 16), dtype=torch.uint8)


class Maps:
    reads_batches = True

    def __init__(self, maps):
        self.maps = maps
        self.shape = maps.shape

    def __len__(self):
        return len(self.maps)

    def __getitem__(self, index):
        return self.maps[index].float()


def test_tensor_dataset_and_maps_give_the_same(net, images):
    net.eval()
    with torch.no_grad():
        expected = torch.cat(
            [net(to_float(images[:4])), net(to_float(images[4:8])), net(to_float(images[8:]))]
        )
    floats = to_float(images)
    for given in (images, images.numpy(), [(image, 7) for image in images], [*floats], Maps(floats)):
        for workers in (0, 2) if isinstance(given, list) else (0,):
            assert torch.equal(embed(net, given, batch_size=4, workers=workers), expected)


def test_some_rows_in_the_order_asked(net, images):
    rows = torch.tensor([7, 2, 2, 9], dtype=torch.uint8)
    for given in (images, [(image, 7) for image in to_float(images)]):
        assert torch.allclose(embed(net, given, rows=rows), embed(net, images)[rows.long()], atol=1e-6)
    for wrong in (
        torch.tensor([10]),
        torch.tensor([-1]),
        torch.tensor([]),
        torch.ones(3),
        torch.tensor([[1]]),
        "x",
    ):
        with pytest.raises(ValueError, match="rows: expected"):
            embed(net, images, rows=wrong)


def test_the_result_is_an_ordinary_tensor(net, images):
    found = embed(net, images)
    assert not found.is_inference() and not found.requires_grad and found.device.type == "cpu"
    probe = nn.Linear(6, 3)
    probe(found).sum().backward()
    assert probe.weight.grad.isfinite().all()
    found /= found.norm(dim=1, keepdim=True)
    found.requires_grad_()
    contrastive_loss(found, torch.arange(10) // 2).backward()
    assert found.grad.isfinite().all()


@pytest.mark.parametrize("head", [
    GeneralizedSumPooling(8, num_prototypes=4), KDLayer(8, 5), nn.Conv2d(8, 2, 1),
], ids=lambda head: type(head).__name__)  # fmt: skip
def test_heads_learn_on_cached_maps(net, images, head):
    maps = embed(net.features, images)  # (10, 8, H, W)
    found = head(maps)
    (found[0] if isinstance(found, tuple) else found).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())
    assert any(p.grad is not None and p.grad.any() for p in head.parameters())


@pytest.mark.parametrize(
    "dtype, close", [(torch.float64, 1e-5), (torch.bfloat16, 0.05), (torch.float16, 0.01)]
)
def test_the_networks_dtype_decides(net, images, dtype, close):
    expected = embed(net, images)
    for given in (images, to_float(images), to_float(images).double(), to_float(images).half()):
        found = embed(net.to(dtype), given)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=close, atol=close)


def test_each_module_keeps_its_mode(net, images):
    net.train()
    net.backbone.eval()
    modes = [m.training for m in net.modules()]
    embed(net, images)
    assert [m.training for m in net.modules()] == modes
    with pytest.raises(RuntimeError):
        embed(net, torch.zeros(3, 2, 16, 16))  # two channels
    assert [m.training for m in net.modules()] == modes


@pytest.mark.parametrize("arguments, message", [
    ({"images": torch.zeros(0, 1, 4, 4)}, "images: expected at least one"),
    ({"images": 3}, "images: expected a tensor, feature maps or a Dataset"),
    ({"batch_size": 0}, "batch_size: expected a whole number >= 1"),
    ({"net": lambda x: x}, "net: expected a module or a method of one"),
])  # fmt: skip
def test_bad_input_is_named(net, images, arguments, message):
    with pytest.raises(ValueError, match=message):
        embed(**{"net": net, "images": images} | arguments)
