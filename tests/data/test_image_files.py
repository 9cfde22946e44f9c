import os

import numpy as np
import pytest
import torch

from dmlnb.data import ImageFiles, image_folder
from tests.data.small import draw


def test_broken_images_are_named_and_left_out_on_request(folder):
    whole = (folder / "cat" / "2.png").read_bytes()
    for i in range(40):
        (folder / "cat" / f"ok{i:02}.png").write_bytes(whole)
    (folder / "cat" / "cut.png").write_bytes(whole[:45])
    (folder / "cat" / "text.jpg").write_text("<html>not found</html>")
    (folder / "cat" / "lost.png").symlink_to(folder / "gone.png")
    with pytest.raises(FileNotFoundError, match=r"lost\.png.*1 of 46 are missing"):
        image_folder(folder)
    images = image_folder(folder, skip_broken=True)
    assert len(images) == 43 and {p.name for p, _ in images.broken} == {"cut.png", "text.jpg", "lost.png"}
    assert all(str(path) in reason for path, reason in images.broken) and not images.check()
    (folder / "cat" / "lost.png").unlink()
    images = image_folder(folder)
    assert [p.name for p, _ in images.check()] == ["cut.png", "text.jpg"]
    with pytest.raises(OSError, match=r"cut\.png: not readable"):
        images[[p.name for p in images.paths].index("cut.png")]


def test_an_index_is_a_whole_number(folder):
    images = image_folder(folder)
    for index in (1, np.int64(1), torch.tensor(1), -2):
        assert images[index][1] == 1
    for index in (slice(3), [0, 1], torch.tensor([0, 1]), 1.0, "1"):
        with pytest.raises(TypeError, match="index: expected a whole number, got"):
            images[index]
    with pytest.raises(IndexError):
        images[3]


def test_a_class_whose_images_are_all_broken_is_gone(folder):
    (folder / "ant" / "x.PNG").write_bytes(b"")
    images = image_folder(folder, skip_broken=True)
    assert images.class_names == ["cat"] and images.labels.tolist() == [0, 0]
    for file in (folder / "cat").iterdir():
        file.write_bytes(b"")
    with pytest.raises(ValueError, match="3 could not be read"):
        image_folder(folder, skip_broken=True)


def test_some_classes_are_taken_and_numbered_anew(folder):
    draw(folder / "bee" / "1.png")
    images = image_folder(folder, transform=np.asarray)
    some = images.of_classes(torch.tensor([2, 0]))
    assert some.class_names == ["cat", "ant"] and some.labels.tolist() == [1, 0, 0]
    assert some[0][0].shape == (4, 6, 3) and some.num_classes == 2
    assert (
        images.with_transform(None)[0][0].mode == "RGB"
        and images.with_transform(None).class_names[1] == "bee"
    )
    for bad in ([], [0, 0], [3], [-1]):
        with pytest.raises(ValueError, match="classes: expected"):
            images.of_classes(bad)


def test_reading_goes_on_in_worker_processes(folder):
    images = image_folder(folder, transform=lambda image: torch.from_numpy(np.array(image)))
    loader = torch.utils.data.DataLoader(images, 3, num_workers=1)
    batch, labels = next(iter(loader))
    assert batch.shape == (3, 4, 6, 3) and labels.tolist() == images.labels.tolist()
    assert os.path.isabs(images.paths[0])


def test_a_split_without_images_is_refused():
    with pytest.raises(ValueError, match="no image of 'test'"):
        ImageFiles([], "test")
