import hashlib
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR100

from dmlnb.data import to_float
from dmlnb.data.torchvision_sets import cifar100, omniglot


def test_omniglot_is_divided_by_alphabet(tmp_path):
    for part, alphabets in (("images_background", 30), ("images_evaluation", 20)):
        for alphabet in range(alphabets):
            for character in (1, 2):
                folder = (
                    tmp_path / "omniglot-py" / part / f"{part[7]}{alphabet:02}" / f"character{character:02}"
                )
                folder.mkdir(parents=True)
                Image.new("1", (5, 5)).save(folder / "0001_01.png")
    sets = {split: omniglot(tmp_path, split) for split in ("train", "validation", "test")}
    assert [len(s) for s in sets.values()] == [48, 12, 40] and sets["train"].split == "train"
    names = [set(s.class_names) for s in sets.values()]
    assert not (names[0] & names[1] or names[0] & names[2] or names[1] & names[2])
    assert {n[:3] for n in names[1]} == {f"b{i}" for i in range(24, 30)} and "e00/character01" in names[2]
    with pytest.raises(ValueError, match="split"):
        omniglot(tmp_path, "all")
    with pytest.raises(FileNotFoundError, match="download=True"):
        omniglot(tmp_path / "nowhere", "train")


def test_cifar_100_is_divided_by_class(tmp_path, monkeypatch):
    folder = tmp_path / CIFAR100.base_folder
    folder.mkdir()
    names = [f"class{(7 * i) % 100:02}" for i in range(100)]  # not in the order of their names

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    number = {"train": 200, "test": 100}
    lists = {
        part: [write(part, {
            "data": np.repeat(np.arange(n, dtype=np.uint8)[:, None] % 100, 3072, axis=1),
            "fine_labels": [i % 100 for i in range(n)],
        })] for part, n in number.items()
    }  # fmt: skip
    meta = write("meta", {"fine_label_names": names})
    monkeypatch.setattr(CIFAR100, "train_list", lists["train"])
    monkeypatch.setattr(CIFAR100, "test_list", lists["test"])
    monkeypatch.setattr(CIFAR100, "meta", {"filename": "meta", "key": "fine_label_names", "md5": meta[1]})
    sets = [cifar100(tmp_path, split, transform=to_float) for split in ("train", "validation", "test")]
    assert [s.num_classes for s in sets] == [60, 20, 20] and [len(s) for s in sets] == [180, 60, 60]
    assert [name for s in sets for name in s.class_names] == sorted(names)
    for data in sets:
        for i in (0, 17, 59):
            image, label = data[i]
            assert image.shape == (3, 32, 32) and image.dtype == torch.float32
            assert names[int(data.images[i, 0, 0, 0])] == data.class_names[label]  # the pixel tells the class
    with pytest.raises(FileNotFoundError, match="download=True"):
        cifar100(tmp_path / "nowhere", "train")
