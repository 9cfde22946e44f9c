import numpy as np
import pytest
import torch

from dmlnb.course import toys
from dmlnb.data import image_folder


def test_a_folder_of_pictures_of_many_sizes(tmp_path):
    folder = toys.letter_photographs(tmp_path / "letters", classes=3, per_class=4)
    images = image_folder(folder)
    assert len(images) == 12 and images.num_classes == 3 and images.labels.bincount().tolist() == [4, 4, 4]
    assert all(name.startswith("U+") for name in images.class_names)
    sizes = {images[i][0].size for i in range(12)}
    assert len(sizes) > 6 and all(144 <= side <= 216 for size in sizes for side in size)


def test_the_same_seed_draws_the_same_pictures(tmp_path):
    first, again, other = (
        image_folder(toys.letter_photographs(tmp_path / name, classes=1, per_class=2, seed=seed))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert np.array_equal(np.asarray(first[1][0]), np.asarray(again[1][0]))
    assert first[1][0].size != other[1][0].size


def test_files_that_are_there_are_kept(tmp_path):
    (file,) = toys.letter_photographs(tmp_path, classes=1, per_class=1).rglob("*.jpg")
    file.write_bytes(b"mine")
    toys.letter_photographs(tmp_path, classes=1, per_class=1)
    assert file.read_bytes() == b"mine"


def test_the_global_generator_is_left_alone(tmp_path):
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    toys.letter_photographs(tmp_path, classes=1, per_class=1)
    assert torch.equal(torch.rand(2), wanted)


@pytest.mark.parametrize("classes", [0, 1000])
def test_more_letters_than_there_are_are_refused(tmp_path, classes):
    with pytest.raises(ValueError, match="classes: expected 1"):
        toys.letter_photographs(tmp_path, classes=classes)
