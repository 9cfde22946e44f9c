import json
import os
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.datasets import ImageFolder

from dmlnb.data import FeatureMaps, image_folder, image_table, mirrored, photo_transforms
from dmlnb.data.loading import load_batches
from dmlnb.training.stamps import describe_run
from tests.data.small import Pictures, backbone, wanted
from tests.processes import clean, fork


def test_maps_are_those_of_the_backbone_in_evaluation_mode(tmp_path):
    net, data = backbone(), Pictures()
    net[1].eval()
    modes = [m.training for m in net.modules()]
    made = FeatureMaps.compute(net, data, tmp_path / "m", batch_size=4)
    assert [m.training for m in net.modules()] == modes
    assert made.shape == (14, 5, 4, 4) and len(made) == 14 and made.reads_batches
    loaded = FeatureMaps.load(tmp_path / "m")
    for index in (
        torch.tensor([5, 3, 3]),
        torch.tensor(2),
        slice(3, 9),
        -1,
        torch.arange(14) % 2 == 0,
        [1, 2],
    ):
        found = loaded[index]
        assert found.dtype == torch.float32 and not found.requires_grad
        assert torch.allclose(found, wanted(net, data.images)[index], atol=2e-3)
        assert torch.equal(found, made[index])
    assert torch.equal(loaded.labels, data.labels) and loaded.class_names == ["0", "1", "2", "3", "4"]
    with pytest.raises(IndexError):
        loaded[torch.tensor([14])]
    assert (tmp_path / "m" / "maps.f16").stat().st_size == 14 * 5 * 4 * 4 * 2


def test_a_second_call_only_opens_the_file(tmp_path):
    class Counting(nn.Module):
        calls = 0

        def forward(self, x):
            Counting.calls += 1
            return x[..., ::2, ::2]

    for _ in range(2):
        FeatureMaps.compute(Counting(), Pictures(), tmp_path, batch_size=7)
    assert Counting.calls == 2


def test_views_are_rows_of_their_own(tmp_path):
    net, data = backbone(), Pictures(6)
    made = FeatureMaps.compute(net, data, tmp_path, views=(mirrored,), batch_size=4)
    assert made.shape == (12, 5, 4, 4) and made.labels.tolist() == [0] * 6 + [1] * 6
    assert torch.allclose(made.view(0)[:], wanted(net, data.images), atol=2e-3)
    assert torch.allclose(made.view(1)[:], wanted(net, data.images.flip(3)), atol=2e-3)
    assert torch.equal(made.view(1).labels, data.labels) and torch.equal(
        made.of_classes([1]).view(1)[0], made[7]
    )
    with pytest.raises(ValueError, match="view 0 .. 1"):
        made.view(2)


def test_classes_and_units(tmp_path):
    made = FeatureMaps.compute(backbone(), Pictures(), tmp_path)
    some = made.of_classes(torch.tensor([3, 1]))
    assert some.labels.tolist() == [1, 1, 1, 0, 0, 0] and some.class_names == ["3", "1"]
    assert (made.num_classes, some.num_classes) == (5, 2)
    assert torch.equal(some[:], made[torch.tensor([3, 4, 5, 9, 10, 11])]) and some.shape[0] == 6
    assert some.std(chunk=4) == pytest.approx(some[:].double().std(correction=0).item(), rel=1e-9)
    unit = some.divided_by(some.std())
    assert unit.std() == pytest.approx(1, rel=1e-5) and torch.allclose(unit[2] * some.std(), some[2])
    assert unit.divided_by(2.0).of_classes([0]).std() == pytest.approx(
        unit.of_classes([0]).std() / 2, rel=1e-5
    )
    for scale in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="scale"):
            made.divided_by(scale)


def test_a_worker_process_opens_the_file_itself(tmp_path):
    made = FeatureMaps.compute(backbone(), Pictures(), tmp_path)
    loader = torch.utils.data.DataLoader(
        made, None, sampler=[torch.tensor([1, 2]), torch.tensor([0])], num_workers=1
    )
    assert [torch.equal(a, made[i]) for a, i in zip(loader, ([1, 2], [0]), strict=True)] == [True, True]


def growth_while_reading(path, found):
    """Put into `found` by how many MB the largest memory of this process grows."""
    import resource

    maps = FeatureMaps.load(path)
    maps[0]
    now = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    before = now()
    for rows in torch.randperm(4000).split(10):
        maps[rows]
    found.put(now() - before)


@fork
def test_reading_leaves_the_file_outside_memory(tmp_path):
    """120 MB of maps read by index while the process grows by far less."""
    record = {"backbone": "b", "weights": "w", "transform": "t", "views": [], "images": 4000, "files": "f"}
    record |= {"shape": [300, 7, 7], "labels": [0] * 4000, "class_names": ["a"]}
    (tmp_path / "maps.json").write_text(json.dumps(record))
    with (tmp_path / "maps.f16").open("wb") as file:
        for _ in range(40):
            file.write(np.ones((100, 300, 7, 7), dtype="<f2").tobytes())
    found = clean.SimpleQueue()
    reader = clean.Process(target=growth_while_reading, args=(tmp_path, found))
    reader.start()
    reader.join()
    assert reader.exitcode == 0 and found.get() < 60  # MB


def test_a_data_set_of_torchvision_is_told_what_to_do(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), "red").save(tmp_path / "photos" / name / "1.png")
    images = ImageFolder(tmp_path / "photos", transform=photo_transforms(8))
    with pytest.raises(
        ValueError, match="got ImageFolder; .*set images.labels = images.targets, or .*image_folder"
    ):
        FeatureMaps.compute(nn.Conv2d(3, 2, 3), images, tmp_path / "maps")
    images.labels = images.targets
    assert FeatureMaps.compute(nn.Conv2d(3, 2, 3), images, tmp_path / "maps").labels.tolist() == [0, 1]


def test_maps_that_are_not_there_or_damaged(tmp_path):
    with pytest.raises(FileNotFoundError, match="no maps at"):
        FeatureMaps.load(tmp_path)
    (tmp_path / "maps.json").write_text("{}")
    with pytest.raises(ValueError, match="no record of maps.*entries are missing"):
        FeatureMaps.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="expected a folder"):
        FeatureMaps.compute(backbone(), Pictures(), tmp_path / "file")
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "maps.f16").write_bytes(b"")
    with pytest.raises(ValueError, match=r"maps\.f16 without maps\.json"):
        FeatureMaps.compute(backbone(), Pictures(), tmp_path / "rows")


def test_global_random_numbers_stay_where_they_are(tmp_path):
    """What is drawn next does not depend on whether the maps were there already."""
    for _ in ("computed", "only opened"):
        net, data = backbone(), Pictures()
        torch.manual_seed(7)
        FeatureMaps.compute(net, data, tmp_path / "maps")
        drawn = torch.rand(1)
        torch.manual_seed(7)
        assert drawn == torch.rand(1)


def test_a_table_may_name_files_absolutely_and_relatively(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8), "red").save(name)
    (tmp_path / "table.csv").write_text(f"path,label\n{tmp_path / 'a.png'},x\nb.png,y\n")
    files = image_table("table.csv", root=".", transform=lambda image: torch.zeros(1, 8, 8))
    assert len(FeatureMaps.compute(backbone(), files, tmp_path / "maps")) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes are Linux's")
def test_names_that_are_no_utf8_are_names(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xe9tang")
    folder.mkdir()
    Image.new("RGB", (8, 8), "red").save(folder / os.fsdecode(b"\xe9.png"))
    files = image_folder(tmp_path, transform=lambda image: torch.zeros(1, 8, 8))
    assert len(FeatureMaps.compute(backbone(), files, tmp_path / "maps")) == 1
    assert describe_run(backbone(), torch.sum, files, files.labels, [torch.tensor([0])], {})["files"]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_one_line_however_many_workers(tmp_path, workers):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"no picture")
    files = image_folder(tmp_path / "photos", transform=lambda image: torch.zeros(1, 8, 8))
    for read in (
        lambda: FeatureMaps.compute(backbone(), files, tmp_path / "maps", workers=workers),
        lambda: list(load_batches(files, None, [torch.tensor([0])], [0], workers=workers)),
    ):
        with pytest.raises(OSError, match="a.png: not readable") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_another_transform_is_refused_in_one_line(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "photos" / "a.png")
    net = nn.Conv2d(3, 2, 3)
    FeatureMaps.compute(
        net, image_folder(tmp_path / "photos", transform=photo_transforms(8)), tmp_path / "maps"
    )
    other = image_folder(tmp_path / "photos", transform=photo_transforms(9))
    with pytest.raises(ValueError, match="other transform") as caught:
        FeatureMaps.compute(net, other, tmp_path / "maps")
    assert "\n" not in str(caught.value)


def test_a_table_in_another_encoding_and_a_folder_that_is_not_there_are_named(tmp_path):
    table = tmp_path / "table.csv"
    table.write_bytes("path,label\na.png,\u00e9t\u00e9\n".encode("latin-1"))
    with pytest.raises(ValueError, match="table.csv: expected UTF-8"):
        image_table(table)
    with pytest.raises(FileNotFoundError, match="expected pictures in a folder"):
        image_folder(table)
