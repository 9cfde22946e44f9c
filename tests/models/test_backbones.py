import pytest
import torch

from dmlnb.models import small_resnet


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_small_resnet_has_the_documented_size_and_map():
    net = small_resnet()
    assert net(torch.zeros(2, 1, 32, 32)).shape == (2, 64, 8, 8)
    assert net(torch.zeros(1, 1, 64, 64)).shape == (1, 64, 16, 16)
    assert net.out_channels == 64
    assert 105_000 < parameters(net) < 115_000


def test_small_resnet_takes_colour_and_other_widths():
    net = small_resnet(3, (4, 8, 8, 12))
    assert net(torch.zeros(2, 3, 48, 48)).shape == (2, 12, 12, 12)


def test_residual_block_is_shortcut_plus_residual():
    block = small_resnet(1, (8, 8, 8, 8))[3].eval()  # equal widths, stride 1: identity shortcut
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(block(x), torch.relu(x + block.residual(x)))


@pytest.mark.parametrize("width", [1, 4, 6, 7, 8, 12])
def test_the_shortcut_is_a_strided_convolution_also_of_a_narrow_map_in_channels_last(width):
    """As `train` runs it. Without care a shortcut this narrow may corrupt the memory and end the interpreter."""
    torch.manual_seed(0)
    shortcut = small_resnet(1, (4, width, 8, 8))[4].shortcut.to(memory_format=torch.channels_last)
    for _ in range(20):
        x, g = torch.randn(16, width, 17, 16), torch.randn(16, 8, 9, 8)
        fast = x.to(memory_format=torch.channels_last).requires_grad_()
        plain = x.clone().requires_grad_()
        out = torch.nn.functional.conv2d(plain, shortcut.weight.contiguous(), stride=2)
        wanted = torch.autograd.grad(out, [plain, shortcut.weight], g)
        found = torch.autograd.grad(shortcut(fast), [fast, shortcut.weight], g)
        assert torch.allclose(shortcut(fast), out, atol=1e-5)
        for a, b in zip(found, wanted, strict=True):
            assert torch.allclose(a, b, atol=1e-3)


def test_widths_are_checked():
    with pytest.raises(ValueError, match="widths"):
        small_resnet(widths=(8, 8, 8))
