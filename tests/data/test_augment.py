import pytest
import torch

from dmlnb.data import Glyphs, augment, to_float


def small(split="validation", **options):
    return Glyphs(split, **({"per_class": 3} | options))


def test_to_float_and_augment():
    data = small()
    images = to_float(data.images)
    assert images.min() >= -0.5 and images.max() <= 0.5 and to_float(images) is images
    torch.manual_seed(0)
    first = augment(images)
    torch.manual_seed(0)
    assert torch.equal(augment(images), first) and first.shape == images.shape
    assert not torch.equal(first, images)
    with pytest.raises(ValueError, match="images"):
        augment(data.images)


def test_augment_with_zero_strength_only_inverts_and_shifts_grey():
    images = torch.rand(16, 1, 8, 8)
    out = augment(images, angle=0.0, scale=0.0, shift=0.0, contrast=0.0)
    for before, after in zip(images, out, strict=True):
        spread = [(after - sign * before).flatten() for sign in (1, -1)]
        assert min((s.max() - s.min()).item() for s in spread) < 1e-5
