import json
import os
import shutil
import time
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from dmlnb.data import FeatureMaps, image_folder, map_file, mirrored, photo_transforms
from tests.data.small import Pictures, as_tensor, backbone, folder_of_pictures, wanted
from tests.processes import clean, fork


def test_another_backbone_or_data_is_refused_by_name(tmp_path):
    FeatureMaps.compute(backbone(), Pictures(), tmp_path / "m")
    other = Pictures()
    other.labels = other.labels.flip(0)
    moved = Pictures()
    moved.images[0] += 1
    renamed = backbone()
    renamed.name = "another"
    for net, data, views, what in (
        (backbone(1), Pictures(), (), "weights"),
        (renamed, Pictures(), (), "backbone: Sequential, now another"),
        (backbone().append(nn.ReLU()), Pictures(), (), "weights"),  # no weight, but other maps
        (backbone(), Pictures(12), (), "images: 14, now 12"),
        (backbone(), other, (), "files"),
        (backbone(), moved, (), "files"),
        (backbone(), Pictures(), (mirrored,), r"views: \[\], now \['mirrored'\]"),
    ):
        with pytest.raises(ValueError, match=f"maps of other {what}") as error:
            FeatureMaps.compute(net, data, tmp_path / "m", views=views)
        assert "\n" not in str(error.value)
    assert len(FeatureMaps.load(tmp_path / "m")) == 14  # nothing was lost


class Own(torch.utils.data.Dataset):
    """Nothing but items and labels."""

    def __init__(self, values):
        self.labels, self._values = torch.zeros(len(values), dtype=torch.int64), values

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self._values[index], 0


def test_other_images_of_a_data_set_of_your_own_are_refused(tmp_path):
    values = Pictures(100).images
    made = FeatureMaps.compute(nn.Identity(), Own(values), tmp_path / "m")
    assert torch.equal(FeatureMaps.compute(nn.Identity(), Own(values.clone()), tmp_path / "m")[:], made[:])
    with pytest.raises(ValueError, match="other files"):
        FeatureMaps.compute(nn.Identity(), Own(1 - values), tmp_path / "m")
    # as records were written before: of the labels alone
    record = made.record | {"files": made.record["files"].partition(" ")[0]}
    (tmp_path / "m" / "maps.json").write_text(json.dumps(record))
    assert len(FeatureMaps.compute(nn.Identity(), Own(values), tmp_path / "m")) == 100


def as_light_tensor(image):
    return 255 - as_tensor(image)


def test_maps_of_files_know_transform_and_files_but_not_the_place(tmp_path):
    root = folder_of_pictures(tmp_path / "a")
    images = image_folder(root, transform=as_tensor)
    made = FeatureMaps.compute(backbone(), images, tmp_path / "m", workers=1, batch_size=4)
    assert made.class_names == ["class0", "class1", "class2"] and torch.equal(made.labels, images.labels)
    grey = torch.stack([images[i][0] for i in range(10)]).float() / 255 - 0.5  # whole numbers: as `to_float`
    assert torch.allclose(made[:], wanted(backbone(), grey), atol=2e-3)
    root.rename(tmp_path / "b")
    FeatureMaps.compute(backbone(), image_folder(tmp_path / "b", transform=as_tensor), tmp_path / "m")
    with pytest.raises(ValueError, match="other transform"):
        FeatureMaps.compute(
            backbone(), image_folder(tmp_path / "b", transform=as_light_tensor), tmp_path / "m"
        )
    Image.new("L", (16, 16)).save(tmp_path / "b" / "class0" / "0.png")
    with pytest.raises(ValueError, match="other files"):
        FeatureMaps.compute(backbone(), image_folder(tmp_path / "b", transform=as_tensor), tmp_path / "m")


def as_shifted(image, by):
    return as_tensor(image).roll(by, -1)


def test_maps_know_functions_in_every_process_and_apart(tmp_path):
    """As transform, inside one, and as view; other code is another function, whatever its name."""
    root = folder_of_pictures(tmp_path / "a")
    compute = lambda tf, *views: FeatureMaps.compute(
        backbone(), image_folder(root, transform=tf), tmp_path / "m", views=views
    )
    for one, other, what in (
        ((lambda image: as_tensor(image)[:, :8],), (lambda image: as_tensor(image)[:, 8:],), "transform"),
        ((v2.Lambda(lambda x: as_tensor(x)),), (v2.Lambda(lambda x: 255 - as_tensor(x)),), "transform"),
        ((partial(as_shifted, by=1),), (partial(as_shifted, by=2),), "transform"),
        ((as_tensor, lambda x: x / 2), (as_tensor, lambda x: x / 3), "views"),
        ((as_tensor, partial(torch.mul, other=2)), (as_tensor, partial(torch.mul, other=3)), "views"),
    ):
        made = compute(*one)
        assert " at 0x" not in json.dumps(made.record)
        compute(*one)
        with pytest.raises(ValueError, match=f"other {what}: .*, now "):
            compute(*other)
        shutil.rmtree(tmp_path / "m")


def test_a_record_of_plain_names_is_still_that_of_the_same_maps(tmp_path):
    """As it was written before: the repr of the transform with its lines, views by their names."""
    images = image_folder(folder_of_pictures(tmp_path / "a"), transform=photo_transforms(8))
    net = nn.Conv2d(3, 2, 3)
    own = lambda x: x.flip(-2)
    made = FeatureMaps.compute(net, images, tmp_path / "m", views=(mirrored, own))
    record = made.record | {"transform": repr(photo_transforms(8)), "views": ["mirrored", "<lambda>"]}
    (tmp_path / "m" / "maps.json").write_text(json.dumps(record))
    again = FeatureMaps.compute(net, images, tmp_path / "m", views=(mirrored, own))
    assert "\n" in again.record["transform"] and torch.equal(again[:], made[:])
    with pytest.raises(ValueError, match=r"transform: …?.*Resize\(size=\[9\].*, now .*Resize\(size=\[10\]"):
        FeatureMaps.compute(
            net, images.with_transform(photo_transforms(9)), tmp_path / "m", views=(mirrored, own)
        )


def test_a_broken_image_is_named_and_nothing_is_lost(tmp_path):
    root = folder_of_pictures(tmp_path / "a")
    images = image_folder(root, transform=as_tensor)
    sound = images.paths[7].read_bytes()
    images.paths[7].write_bytes(b"\0" * len(sound))
    with pytest.raises(OSError, match=images.paths[7].name):
        FeatureMaps.compute(backbone(), images, tmp_path / "m", batch_size=3)
    with pytest.raises(ValueError, match="holds 6 of 10 maps; call FeatureMaps.compute again"):
        FeatureMaps.load(tmp_path / "m")
    before = (tmp_path / "m" / "maps.f16").read_bytes()
    images.paths[7].write_bytes(sound)
    FeatureMaps.compute(backbone(), images, tmp_path / "m", batch_size=3)
    assert (tmp_path / "m" / "maps.f16").read_bytes()[: len(before)] == before


@pytest.mark.parametrize("left_out", [False, True], ids=["mended", "left out"])
def test_after_a_broken_image_is_mended_or_left_out_it_goes_on(tmp_path, left_out):
    root = folder_of_pictures(tmp_path / "a")
    compute = lambda path, **options: FeatureMaps.compute(
        backbone(), image_folder(root, transform=as_tensor, **options), path, batch_size=3
    )
    files = image_folder(root).paths
    sound = files[7].read_bytes()
    files[7].write_bytes(b"cut short")
    for _ in range(2):
        with pytest.raises(OSError, match=rf"{files[7].name}: not readable.*images\.check\(\) names all"):
            compute(tmp_path / "m")
    before = (tmp_path / "m" / "maps.f16").read_bytes()
    assert len(before) == 6 * 640
    with (tmp_path / "m" / "maps.f16").open("ab") as torn:
        torn.write(b"torn")
    if not left_out:
        files[7].write_bytes(sound + b"longer")
    made = compute(tmp_path / "m", skip_broken=left_out)
    assert (tmp_path / "m" / "maps.f16").read_bytes()[: len(before)] == before
    whole = compute(tmp_path / "whole", skip_broken=left_out)
    assert len(made) == 10 - left_out and torch.equal(made[:], whole[:])
    assert torch.equal(made.labels, whole.labels) and made.record == whole.record
    files[8].write_bytes(files[8].read_bytes() + b"longer")  # of maps that are complete, all files count
    with pytest.raises(ValueError, match=rf"other files: .*{files[8].name} is the first; choose"):
        compute(tmp_path / "m", skip_broken=left_out)


def test_what_was_read_before_the_broken_image_must_be_the_same(tmp_path):
    root = folder_of_pictures(tmp_path / "a")
    compute = lambda: FeatureMaps.compute(
        backbone(), image_folder(root, transform=as_tensor, skip_broken=True), tmp_path / "m", batch_size=3
    )
    files = image_folder(root, transform=as_tensor)
    files.paths[7].write_bytes(b"cut short")
    with pytest.raises(OSError, match="not readable"):
        FeatureMaps.compute(backbone(), files, tmp_path / "m", batch_size=3)
    rows = (tmp_path / "m" / "maps.f16").read_bytes()
    Image.new("L", (16, 16)).save(files.paths[2])
    with pytest.raises(ValueError, match="other images: 10, now 9"):
        compute()
    files.paths[7].write_bytes(files.paths[6].read_bytes())
    with pytest.raises(ValueError, match=rf"other files: .*{files.paths[2].name} is the first"):
        compute()
    assert (tmp_path / "m" / "maps.f16").read_bytes() == rows


def test_what_is_left_when_all_others_are_left_out_is_complete(tmp_path):
    root = folder_of_pictures(tmp_path / "a")
    images = image_folder(root, transform=as_tensor)
    for file in images.paths[6:]:
        file.write_bytes(b"cut short")
    with pytest.raises(OSError, match="not readable"):
        FeatureMaps.compute(backbone(), images, tmp_path / "m", batch_size=3)
    with (tmp_path / "m" / "maps.f16").open("ab") as torn:
        torn.write(b"torn")
    some = image_folder(root, transform=as_tensor, skip_broken=True)
    assert len(FeatureMaps.compute(backbone(), some, tmp_path / "m", batch_size=3)) == 6


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    class Full(nn.Module):
        left = 2

        def forward(self, x):
            Full.left -= 1
            if Full.left < 0:  # the disk fills up while rows are written
                monkeypatch.setattr(
                    map_file, "append", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
                )
            return x

    with pytest.raises(OSError, match="No space left"):
        FeatureMaps.compute(Full(), Pictures(), tmp_path / "m", batch_size=4)
    monkeypatch.undo()
    Full.left = 99
    made = FeatureMaps.compute(Full(), Pictures(), tmp_path / "m", batch_size=4)
    assert Full.left == 97 and torch.allclose(made[:], Pictures().images, atol=2e-3)
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="the maps need"):
        FeatureMaps.compute(Full(), Pictures(), tmp_path / "n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_an_error_of_the_disk_names_the_file(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"cannot write the maps \(No space left.*/full"):
        map_file.append(tmp_path / "full", np.zeros((4, 3, 2, 2), dtype="<f2"), 0)


def slow_maps(path):
    net = backbone()
    net.register_forward_hook(lambda *_: time.sleep(0.02))
    FeatureMaps.compute(net, Pictures(200), path, batch_size=3)


@fork
def test_a_computation_that_was_killed_goes_on_to_the_same_numbers(tmp_path):
    whole = FeatureMaps.compute(backbone(), Pictures(200), tmp_path / "whole", batch_size=3)
    victim = clean.Process(target=slow_maps, args=(tmp_path / "m",))
    victim.start()
    file = tmp_path / "m" / "maps.f16"
    until = time.time() + 120
    while not (file.exists() and file.stat().st_size > 40 * 160) and time.time() < until:
        time.sleep(0.01)
    with pytest.raises(ValueError, match="another process"):
        FeatureMaps.compute(backbone(), Pictures(200), tmp_path / "m", batch_size=3)
    victim.kill()
    victim.join()
    done = file.stat().st_size
    assert 40 * 160 < done < 200 * 160
    with file.open("ab") as torn:
        torn.write(b"torn")  # what a kill in the middle of a write leaves
    made = FeatureMaps.compute(backbone(), Pictures(200), tmp_path / "m", batch_size=3)
    assert torch.equal(made[:], whole[:]) and sorted(os.listdir(tmp_path / "m")) == ["maps.f16", "maps.json"]


@fork
def test_an_error_that_is_kept_keeps_no_lock(tmp_path):
    """Its traceback holds the workers that were forked while the folder was locked, as in a notebook."""
    images = image_folder(folder_of_pictures(tmp_path / "a", 40), transform=as_tensor)
    images.paths[3].write_bytes(b"no picture")
    kept = []
    for _ in range(2):
        with pytest.raises(OSError, match=r"3\.png: not readable") as error:
            FeatureMaps.compute(backbone(), images, tmp_path / "m", batch_size=2, workers=1)
        kept.append(error)
    with map_file.one_at_a_time(tmp_path / "m"):
        for _ in range(2):  # who does not get the lock does not take it from its holder
            with pytest.raises(ValueError, match="another process"), map_file.one_at_a_time(tmp_path / "m"):
                pass


def test_what_has_no_maps_is_refused(tmp_path):
    data = Pictures()
    for net, images, message in (
        (nn.Flatten(), data, "backbone: expected maps"),
        (nn.Hardtanh(1e9, 2e9), data, "finite in float16"),
        (nn.Identity(), data.images, "with .labels"),
        (
            nn.Identity(),
            image_folder(folder_of_pictures(tmp_path / "a")),
            r"expected items \(image tensor, label\), item 0 is tuple \(Image, int\); give the Dataset a transform",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            FeatureMaps.compute(net, images, tmp_path / "m")
    with pytest.raises(ValueError, match="batch_size"):
        FeatureMaps.compute(nn.Identity(), data, tmp_path / "m", batch_size=0)
