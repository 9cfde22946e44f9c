"""Training from what is no tensor in memory: Datasets of files, feature maps."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from dmlnb.data import ClassBatches, to_float
from dmlnb.losses import ProxyAnchorLoss
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import train

STEPS = 6
LABELS = torch.arange(4).repeat_interleave(6)
IMAGES = torch.randint(0, 256, (24, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


class Files(torch.utils.data.Dataset):
    """As image files behave: opened one by one, with a random transform."""

    def __init__(self, noise=0.1):
        self.noise = noise

    def __len__(self):
        return len(IMAGES)

    def __getitem__(self, index):
        drawn = torch.rand(()).item() + np.random.rand() + random.random()  # noqa: NPY002 - as transforms draw
        return to_float(IMAGES[index]) + self.noise * drawn, int(LABELS[index])


class Maps:
    reads_batches = True
    labels = LABELS

    def __init__(self, maps=IMAGES):
        self.maps = maps.half()
        self.shape = self.maps.shape

    def __len__(self):
        return len(self.maps)

    def __getitem__(self, index):
        return self.maps[index].float()


def run(images, labels=None, **options):
    torch.manual_seed(0)
    net = EmbeddingNet(small_resnet(1, (4, 4, 8, 8)), GlobalAveragePooling(), dim=6)
    loss = ProxyAnchorLoss(4, 6)
    batches = ClassBatches(LABELS, 3, 2, STEPS, seed=3)
    history = train(net, loss, images, labels, batches, progress=False, device="cpu", **options)
    return [*net.state_dict().values(), loss.proxies.detach()], [h["loss"] for h in history]


def same(a, b):
    return a[1] == b[1] and all(torch.equal(x, y) for x, y in zip(a[0], b[0], strict=True))


def test_files_without_a_random_transform_are_the_tensor():
    expected = run(IMAGES, LABELS, augment=None)
    assert same(run(Files(noise=0.0)), expected)
    assert same(run(Files(noise=0.0), LABELS), expected)
    assert same(run([(image, label) for image, label in zip(IMAGES, LABELS, strict=True)]), expected)


def test_any_number_of_workers_and_any_resume_give_the_same_weights(tmp_path):
    expected = run(Files(), seed=2)
    assert not same(expected, run(Files(), seed=3))
    for workers in (1, 2):
        assert same(run(Files(), seed=2, workers=workers), expected)
    path = tmp_path / "a.safetensors"
    run(Files(), seed=2, workers=2, checkpoint=path, stop_at=2)
    run(Files(), seed=2, workers=0, checkpoint=path, stop_at=4)
    assert same(run(Files(), seed=2, workers=1, checkpoint=path), expected)


def test_a_whole_batch_transform_on_request():
    turned = lambda images: images + 0.1 * torch.rand(len(images), 1, 1, 1)
    assert same(run(Files(0.0), augment=turned, workers=1), run(IMAGES, LABELS, augment=turned))


def test_feature_maps_bring_their_labels_and_are_not_augmented(tmp_path):
    expected = run(IMAGES.half(), LABELS, augment=None)
    assert same(run(Maps()), expected)
    run(Maps(), checkpoint=tmp_path / "a.safetensors", stop_at=2)
    assert same(run(Maps(), checkpoint=tmp_path / "a.safetensors"), expected)
    with pytest.raises(ValueError, match="images' values: .* there, .* here"):
        run(Maps(IMAGES.flip(0)), checkpoint=tmp_path / "a.safetensors")


def test_another_transform_is_another_run(tmp_path):
    images, path = Files(), tmp_path / "a.safetensors"
    images.transform = nn.Dropout(0.1)
    run(images, checkpoint=path, stop_at=2)
    images.transform = nn.Dropout(0.5)
    with pytest.raises(ValueError, match=r"transform: Dropout\(p=0.1, inplace=False\) there, Dropout\(p=0.5"):
        run(images, checkpoint=path)


class Broken(Files):
    def __getitem__(self, index):
        if index == 5:
            raise OSError("bird5.jpg: not readable as an image")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_file_is_named(workers):
    with pytest.raises(OSError, match=r"bird5\.jpg: not readable"):
        run(Broken(), workers=workers)


def test_items_without_labels_are_named():
    with pytest.raises(
        ValueError, match=r"labels: expected them, or a Dataset whose items are \(image, label\)"
    ):
        run([*to_float(IMAGES)])
    with pytest.raises(ValueError, match=r"images, labels: expected .* got 24 items, \(3,\)"):
        run(Files(), torch.zeros(3, dtype=torch.int64))


def test_other_files_are_another_run_but_a_moved_folder_is_not(tmp_path):
    images, path = Files(), tmp_path / "a.safetensors"
    images.paths = [f"/old/{i}.jpg" for i in range(24)]
    run(images, checkpoint=path, stop_at=2)
    images.paths = [f"/new/{i}.jpg" for i in range(24)]
    run(images, checkpoint=path, stop_at=3)
    images.paths[3] = "/new/x.jpg"
    with pytest.raises(ValueError, match="files: .* there, .* here"):
        run(images, checkpoint=path)
