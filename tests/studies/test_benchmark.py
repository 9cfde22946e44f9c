"""Two steps of the benchmark on a handful of coloured squares, with a small network: by every method, in one and two
processes, gone on with, and against a gallery."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from dmlnb import data
from dmlnb.data import ImageFiles
from dmlnb.models import small_resnet
from studies import benchmark
from tests.processes import fork, together

SPECIES, EACH = 12, 4


@pytest.fixture(scope="session")
def birds(tmp_path_factory):
    """A folder as CUB-200-2011 has it."""
    root = tmp_path_factory.mktemp("cub")
    (root / "images").mkdir()
    images, labels = [], []
    for number in range(SPECIES * EACH):
        noise = np.random.default_rng(number).integers(0, 90, (20, 20, 3)) + 10 * (number // EACH)
        Image.fromarray(noise.astype(np.uint8)).save(root / "images" / f"{number}.png")
        images.append(f"{number + 1} {number}.png")
        labels.append(f"{number + 1} {number // EACH + 1}")
    (root / "images.txt").write_text("\n".join(images))
    (root / "image_class_labels.txt").write_text("\n".join(labels))
    return root


def small_backbone(name):
    return small_resnet(3, (4, 4, 6, 8))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(benchmark, "backbone_of", small_backbone)


def line(birds, out, *more):
    words = f"cub200 --root {birds} --out {out} --folds 2 --steps 2 --every 1 --size 16 --dim 6 --workers 0"
    return [*words.split(), "--classes", "3", "--each", "2", *more]


def run(rank, words):
    benchmark.backbone_of = small_backbone  # in a process of its own
    return benchmark.main(words)


def require_sound(result, folds=2):
    assert len(result["folds"]) == folds
    for row in (*result["folds"], result["mean of folds"], result["concatenated"]):
        assert all(math.isfinite(value) for value in row.values())
        assert 0 <= row["map_at_r"] <= row["recall_at_1"] <= 1 or row["map_at_r"] <= 1
    mean = sum(row["recall_at_1"] for row in result["folds"]) / folds
    assert result["mean of folds"]["recall_at_1"] == pytest.approx(mean)


@pytest.mark.parametrize("method, loss", [
    ("gap", "proxy_anchor"), ("gsp", "contrastive"), ("xml", "proxy_nca"), ("ccp", "multi_similarity"),
    ("ccp", "proxy_anchor"),
])  # fmt: skip
def test_two_steps_of_each_method(birds, tmp_path, capsys, method, loss):
    smoke = ["--smoke"] if method == "gsp" else []  # a memory of fewer images
    words = line(birds, tmp_path, "--method", method, "--loss", loss, *smoke)
    result = benchmark.main(words)
    require_sound(result)
    assert "mean of folds: MAP@R" in capsys.readouterr().out
    stored = json.loads((tmp_path / "result.json").read_text())
    assert stored == json.loads(json.dumps(result))
    assert stored["settings"]["method"] == method and stored["settings"]["processes"] == 1
    again = benchmark.main(words)  # loads the folds that are trained
    assert again["concatenated"] == result["concatenated"] and again["folds"] == result["folds"]


@fork
def test_two_processes(birds, tmp_path):
    words = line(birds, tmp_path / "out", "--method", "ccp", "--loss", "contrastive")
    ended = together(run, tmp_path, words)
    assert [end.code for end in ended] == [0, 0]
    for end in ended:
        require_sound(end.result)
        assert end.result["settings"]["processes"] == 2
    assert ended[0].result["concatenated"] == ended[1].result["concatenated"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "fold0.safetensors",
        "fold1.safetensors",
        "result.json",
    ]


def test_in_shop_is_searched_in_its_gallery(birds, tmp_path, monkeypatch):
    whole = data.cub200(birds)
    half = [*zip(whole.paths, whole.labels.tolist(), strict=True)]
    parts = {
        "train": half[: len(half) // 2],
        "query": half[len(half) // 2 :: 2],
        "gallery": half[len(half) // 2 + 1 :: 2],
    }
    monkeypatch.setattr(data, "in_shop", lambda root, split: ImageFiles(parts[split], split))
    result = benchmark.main(["in_shop", *line(birds, tmp_path)[1:]])
    require_sound(result)


def test_what_is_read(birds, monkeypatch):
    known, queries, gallery = benchmark.read("cub200", birds, per_class=3)
    assert (known.num_classes, queries.num_classes, gallery) == (6, 6, None)
    assert torch.equal(known.labels, torch.arange(6).repeat_interleave(3))
    assert [path.stem for path in known.paths[:4]] == ["0", "1", "2", "4"]
    seen = []
    for name in ("cars196", "online_products"):
        monkeypatch.setattr(data, name, lambda root, split: seen.append(split) or known)
        assert benchmark.read(name, birds) == (known, known, None)
    assert seen == ["train", "test"] * 2


def test_the_command(birds, monkeypatch):
    asked = benchmark.arguments(["cub200", "--root", "x", "--method", "ccp"])
    assert (asked.backbone, asked.folds, asked.dim, asked.steps) == ("torchvision:resnet50", 4, 128, 4000)
    assert asked.out.as_posix() == "build/benchmark/cub200_ccp_multi_similarity"
    smoke = benchmark.arguments(["cub200", "--root", "x", "--smoke", "--size", "64"])
    assert (smoke.backbone, smoke.size, smoke.per_class) == ("lite0", 64, 4)
    monkeypatch.undo()
    with pytest.raises(
        ValueError, match="backbone: expected lite0, torchvision:NAME or timm:NAME, got 'resnet50'"
    ):
        benchmark.backbone_of("resnet50")
