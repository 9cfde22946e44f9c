import numpy as np
import pytest
import torch
from PIL import Image

from dmlnb.data import open_image
from dmlnb.explore import as_bytes
from dmlnb.explore.pictures import as_tensor, shrink, thumbnails

GREY = torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2)
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def test_batches_become_bytes():
    assert np.array_equal(as_bytes(GREY), GREY[:, 0].numpy())
    assert as_bytes(torch.rand(2, 3, 4, 5)).shape == (2, 4, 5, 3)
    assert as_bytes(torch.tensor([[[0.0, 1.0]]])).tolist() == [[[0, 255]]]
    assert as_bytes(torch.tensor([[[True, False]]])).tolist() == [[[255, 0]]]
    assert as_bytes(torch.tensor([[[0, 255]]])).tolist() == [[[0, 255]]]  # int64
    assert as_bytes(torch.full((1, 1, 1), 0.5, dtype=torch.bfloat16)).tolist() == [[[128]]]
    for bad in (torch.rand(2, 2), torch.rand(2, 2, 3, 3), torch.rand(0, 3, 3)):
        with pytest.raises(ValueError, match="images: expected"):
            as_bytes(bad)


def test_one_overshoot_brightens_nothing():
    images = torch.full((4, 1, 8, 8), 0.5)
    images[0, 0, 0, 0], images[1, 0, 0, 0] = -0.001, 1.02  # as a bicubic resize leaves them
    found = as_bytes(images)
    assert found[0, 0, 0] == 0 and found[1, 0, 0] == 255
    assert set(np.unique(found)) == {0, 128, 255}


@pytest.mark.parametrize(
    "images",
    [
        torch.rand(2, 3, 8, 8) * 255,
        torch.rand(2, 1, 8, 8).round() - 0.5,
        (torch.eye(8).expand(2, 3, 8, 8) - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1),
        torch.arange(65536).view(1, 256, 256).to(torch.int32),
    ],
    ids=["0..255 floats", "centred", "normalised", "16 bits"],
)
def test_another_range_is_asked_for(images):
    with pytest.raises(ValueError, match=r"images: expected .* got .* say range=\(low, high\)"):
        as_bytes(images)


def test_a_range_that_is_said_gives_the_bytes_back():
    true = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8)
    wanted = true.permute(0, 2, 3, 1).numpy()
    shares = true.double() / 255
    normalised = (shares - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
    assert np.array_equal(as_bytes(normalised, range="imagenet"), wanted)
    assert np.array_equal(as_bytes(normalised, range=(MEAN.tolist(), STD)), wanted)
    assert np.array_equal(as_bytes(shares - 0.5, range=(-0.5, 0.5)), wanted)
    assert np.array_equal(as_bytes(true.float(), range=(0, 255)), wanted)
    assert np.array_equal(as_bytes(true.int() * 257, range=(0, 65535)), wanted)
    assert np.array_equal(as_bytes(true, range="imagenet"), wanted)  # uint8 has one range only
    grey = as_bytes((shares[:, :1] - 0.2) / 0.3, range=((0.2,), (0.3,)))
    assert np.array_equal(grey, true[:, 0])
    assert as_bytes(torch.tensor([[[-9.0, 9.0]]]), range=(0, 1)).tolist() == [[[0, 255]]]  # said, so clipped


@pytest.mark.parametrize(
    "wrong", ["imagnet", (1, 0), (0, 0), (0,), 3, ((0.1,) * 3, (0.0,) * 3), (0, float("nan"))]
)
def test_a_wrong_range_is_named(wrong):
    with pytest.raises(ValueError, match="range: expected"):
        as_bytes(torch.rand(1, 3, 4, 4), range=wrong)


def test_a_mean_for_other_channels_is_named():
    with pytest.raises(ValueError, match="a mean and a std for 1 channels, got 3"):
        as_bytes(torch.rand(1, 1, 4, 3), range="imagenet")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(value):
    with pytest.raises(ValueError, match="images: expected finite"):
        as_bytes(torch.tensor([[[0.5, value]]]))


class Files:
    """As `ImageFiles`: paths that are opened only when they are asked for."""

    def __init__(self, paths, transform=None):
        self.paths, self.labels, self.class_names = paths, torch.arange(len(paths)), [p.stem for p in paths]
        self.transform = transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        image = Image.open(self.paths[index])
        return (image if self.transform is None else self.transform(image)), int(self.labels[index])


@pytest.fixture
def files(tmp_path):
    for number, (size, mode) in enumerate([((300, 100), "RGB"), ((50, 80), "L"), ((16, 16), "P")]):
        Image.new(mode, size, 60 * number + 60 if mode != "RGB" else (250, 0, 0)).save(
            tmp_path / f"{number}.png"
        )
    return Files(sorted(tmp_path.iterdir()))


def test_photographs_of_several_sizes_keep_their_shape_and_colour(files):
    found = as_bytes(files)
    assert [p.shape for p in found] == [(100, 300, 3), (80, 50, 3), (16, 16, 3)]
    assert (found[0] == (250, 0, 0)).all() and (found[1] == 120).all()
    assert [p.shape for p in thumbnails(files, 64)] == [(21, 64, 3), (64, 40, 3), (16, 16, 3)]
    assert [p.shape for p in as_bytes([str(path) for path in files.paths])] == [p.shape for p in found]


def test_items_of_a_data_set_may_be_pillow_images_arrays_or_tensors(files):
    items = [
        files[0][0],
        np.zeros((9, 8, 3)),
        torch.ones(3, 9, 8),
        (torch.ones(1, 9, 8), 5),
        np.ones((9, 8), bool),
    ]
    found = as_bytes(items)
    assert [p.shape for p in found] == [(100, 300, 3), (9, 8, 3), (9, 8, 3), (9, 8), (9, 8)]
    assert [p.max() for p in found] == [250, 0, 255, 255, 255]
    with pytest.raises(ValueError, match="photos: expected floating point in 0 .. 1"):
        as_bytes([torch.full((3, 4, 4), -2.0)], name="photos")


def test_files_are_opened_one_after_the_other_and_let_go(files, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "dmlnb.explore.pictures.open_image", lambda path, side: opened.append(path) or files[0][0]
    )
    assert len(thumbnails(files, 8)) == 3 and opened == files.paths


def test_what_is_no_collection_of_images_is_named():
    for bad in ("birds", 3, iter([])):
        with pytest.raises(ValueError, match="images: expected a batch, a list or a data set"):
            as_bytes(bad)
    with pytest.raises(ValueError, match="images: expected at least one"):
        as_bytes([])


def test_a_broken_file_is_named(files):
    files.paths[1].write_text("no picture")
    with pytest.raises(OSError, match=r"1\.png: not readable"):
        as_bytes(files)


def test_sixteen_bits_are_scaled_and_not_clipped():
    ramp = Image.fromarray(np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16))
    assert as_bytes([ramp])[0].mean() == pytest.approx(127.5, abs=1)


def test_a_large_photograph_is_read_at_a_fraction_of_its_size(tmp_path):
    image = Image.radial_gradient("L").resize((1600, 1200)).convert("RGB")
    image.save(tmp_path / "large.jpg", quality=95)
    assert open_image(tmp_path / "large.jpg", side=64).size == (200, 150)
    whole = shrink(np.asarray(image), 64).astype(int)
    assert np.abs(thumbnails([tmp_path / "large.jpg"], 64)[0].astype(int) - whole).mean() < 2


def test_a_picture_shrinks_in_its_proportions():
    small = np.zeros((4, 5), dtype=np.uint8)
    assert shrink(small, 8) is small
    assert shrink(np.zeros((40, 10, 3), dtype=np.uint8), 8).shape == (8, 2, 3)


def test_one_image_as_a_network_takes_it(files):
    assert as_tensor(files, 0).shape == (1, 3, 100, 300) and as_tensor(files, 1).dtype == torch.uint8
    assert as_tensor(files.paths, 1).shape == (1, 3, 80, 50)
    assert torch.equal(as_tensor(GREY, 1), GREY[1:2]) and torch.equal(as_tensor(GREY[:, 0], 1), GREY[1:2])
    assert as_tensor([np.zeros((9, 8, 3))], 0).shape == (1, 3, 9, 8)
