import numpy as np
import pytest
import torch

from dmlnb.data import Collages, Glyphs


def small(**options):
    return Collages("validation", **({"number": 40, "per_class": 2} | options))


def test_shapes_types_and_items():
    data = small(size=48)
    assert len(data) == 40
    assert data.images.shape == (40, 1, 48, 96) and data.images.dtype == torch.uint8
    assert data.masks.shape == (40, 2, 48, 96) and data.masks.dtype == torch.bool
    assert data.labels.shape == (40, 2) and data.labels.dtype == torch.int64
    image, labels, masks = data[3]
    assert torch.equal(image, data.images[3]) and torch.equal(labels, data.labels[3])
    assert torch.equal(masks, data.masks[3])


def test_halves_are_glyphs_of_the_class_that_the_label_says():
    data, glyphs = small(), Glyphs("validation", per_class=2)
    images, masks = glyphs.images.view(-1, 2, 32, 32), glyphs.masks.view(-1, 2, 32, 32)
    for side, columns in enumerate((slice(0, 32), slice(32, 64))):
        for n in range(40):
            rivals = images[data.labels[n, side]]  # both images of that letter
            match = (rivals == data.images[n, 0, :, columns]).flatten(1).all(dim=1)
            assert match.any()
            assert torch.equal(
                masks[data.labels[n, side]][match.int().argmax()], data.masks[n, side, :, columns]
            )
    assert data.class_names == glyphs.class_names and data.num_classes == glyphs.num_classes


def test_each_mask_stays_in_its_half_and_is_not_empty():
    data = small()
    assert not data.masks[:, 0, :, 32:].any() and not data.masks[:, 1, :, :32].any()
    assert data.masks.flatten(2).any(dim=2).all()


def test_two_different_classes_and_all_classes_on_both_sides():
    data = small(number=2000)
    assert (data.labels[:, 0] != data.labels[:, 1]).all()
    for side in (0, 1):
        counts = torch.bincount(data.labels[:, side], minlength=data.num_classes)
        assert len(counts) == data.num_classes and counts.min() > 0
        assert counts.max() < 2.5 * counts.float().mean()


def test_fewer_collages_are_the_first_of_more_and_the_seed_counts():
    few, many = small(number=5), small(number=30)
    assert torch.equal(few.images, many.images[:5]) and torch.equal(few.labels, many.labels[:5])
    assert not torch.equal(few.labels, small(number=5, seed=1).labels)


def test_region_labels_and_masks():
    data = small()
    labels = data.region_labels(8, 16)
    assert labels.shape == (40, 8, 16)
    assert (labels[:, :, :8] == data.labels[:, 0, None, None]).all()
    assert (labels[:, :, 8:] == data.labels[:, 1, None, None]).all()
    ink = data.region_masks(8, 16)
    for n in range(5):
        for i in range(8):
            for j in range(16):
                cell = data.masks[n, :, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
                assert ink[n, i, j] == cell.any()
    assert torch.equal(data.region_masks(32, 64), data.masks.any(dim=1))


@pytest.mark.parametrize("height, width", [(8, 15), (0, 16), (8, 0)])
def test_maps_must_have_two_halves(height, width):
    with pytest.raises(ValueError, match="height, width"):
        small().region_labels(height, width)


@pytest.mark.parametrize("options, words", [
    ({"number": 0}, "number: expected at least 1"),
    ({"size": 31}, "size"),
    ({"per_class": 0}, "per_class"),
    ({"seed": -1}, "seed"),
])  # fmt: skip
def test_bad_arguments(options, words):
    with pytest.raises(ValueError, match=words):
        small(**options)


def test_bad_split():
    with pytest.raises(ValueError, match="split"):
        Collages("testing")


def test_numpy_numbers_are_taken_and_parts_of_numbers_are_not():
    plain, own = (Collages(number=kind(3), per_class=kind(2)) for kind in (int, np.int64))
    assert torch.equal(plain.images, own.images)
    with pytest.raises(ValueError, match="number: expected at least 1 collage, a whole number"):
        Collages(number=2.5)
    with pytest.raises(ValueError, match="per_class: expected a whole number"):
        Collages(per_class=2.5)
