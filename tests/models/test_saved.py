import json

import pytest
import torch
from torch import nn

from dmlnb.models import (
    EmbeddingNet,
    load_embedder,
    save_embedder,
    torchvision_backbone,
)
from dmlnb.pooling import (
    AttentionPooling,
    GeneralizedMeanPooling,
    GeneralizedSumPooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    HistogramPooling,
)
from tests.models.small import RESNET, network


@pytest.mark.parametrize(
    "kind, arguments",
    [
        (GlobalAveragePooling, {}),
        (GlobalMaxPooling, {}),
        (GeneralizedMeanPooling, {"power": 4.0, "learnable": False}),
        (AttentionPooling, {"dim": 8, "num_prototypes": 5}),
        (HistogramPooling, {"dim": 8, "num_prototypes": 5, "cost": "euclidean"}),
        (GeneralizedSumPooling, {"dim": 8, "num_prototypes": 5, "mass": 0.2, "memory_size": 12}),
    ],
)
def test_what_is_loaded_embeds_as_what_was_saved(tmp_path, kind, arguments):
    net, images = network(kind(**arguments)), torch.randn(3, 3, 16, 16)
    save_embedder(
        tmp_path / "net", net, RESNET, (kind.__name__, arguments), notes={"size": 16, "mean": [0.5, 0.4]}
    )
    before = torch.random.get_rng_state()
    loaded, notes = load_embedder(tmp_path / "net")
    assert torch.equal(loaded(images), net(images)) and notes == {"size": 16, "mean": [0.5, 0.4]}
    assert not loaded.training and torch.equal(before, torch.random.get_rng_state())
    (tmp_path / "net").write_bytes(b"")
    loaded(images)  # its tensors do not live in the file


def test_the_order_of_pooling_and_map_and_the_dtype_are_kept(tmp_path):
    net = network(GlobalMaxPooling(), project="before").double()
    save_embedder(tmp_path / "net", net, RESNET, ("GlobalMaxPooling", {}))
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    assert torch.equal(load_embedder(tmp_path / "net")[0](images), net(images))


def test_a_torchvision_network_is_loaded_without_asking_for_weights(tmp_path, monkeypatch):
    net = EmbeddingNet(torchvision_backbone("resnet18"), GlobalAveragePooling(), 4).eval()
    monkeypatch.setattr(
        "torch.hub.load_state_dict_from_url", lambda *_, **__: pytest.fail("asked for a download")
    )
    part = ("torchvision_backbone", {"name": "resnet18", "weights": "IMAGENET1K_V1"})
    save_embedder(tmp_path / "net", net, part, ("GlobalAveragePooling", {}))
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(load_embedder(tmp_path / "net")[0](images), net(images))


def test_any_network_can_be_saved_with_a_function_that_makes_it(tmp_path):
    make = lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    net, images = make(), torch.randn(2, 3, 2, 2)
    with pytest.raises(
        ValueError, match="expected an EmbeddingNet and its two parts, got Sequential; .*build="
    ):
        save_embedder(tmp_path / "net", net)
    save_embedder(tmp_path / "net", net, build=make)
    assert torch.equal(load_embedder(tmp_path / "net", build=make)[0](images), net(images))
    with pytest.raises(ValueError, match="build: expected the function"):
        load_embedder(tmp_path / "net")
    with pytest.raises(ValueError, match="build: expected tensors that fit"):
        load_embedder(tmp_path / "net", build=lambda: nn.Linear(2, 2))


@pytest.mark.parametrize(
    "backbone, pooling, message",
    [
        (RESNET, ("GeneralizedSumPooling", {"dim": 8, "num_prototypes": 5, "mass": 0.5}), "mass is 0.2, not 0.5"),
        (RESNET, ("GeneralizedSumPooling", {"dim": 8, "mass": 0.2}), "prototypes is .5, 8., not .64, 8."),
        (RESNET, ("GlobalMaxPooling", {}), "net: expected the network that is described"),
        (("small_resnet", {}), ("GlobalMaxPooling", {}), "backbone"),
        (("eval", {}), ("GlobalMaxPooling", {}), "backbone: expected one of small_resnet, .*; got 'eval'; .*build="),
        (RESNET, ("__import__", {"name": "os"}), "pooling: expected one of GlobalAveragePooling"),
        (("small_resnet", {"depth": 3}), ("GlobalMaxPooling", {}), "backbone: expected arguments of small_resnet"),
        (("torchvision_backbone", {"name": "hf-hub:a/b"}), ("GlobalMaxPooling", {}), "no other file"),
        (("torchvision_backbone", {"pretrained": True}), ("GlobalMaxPooling", {}), "no other file"),
        (("small_resnet", {"widths": torch.ones(4)}), ("GlobalMaxPooling", {}), "plain values"),
    ],
)  # fmt: skip
def test_another_network_than_described_is_refused_before_anything_is_written(
    tmp_path, backbone, pooling, message
):
    net = network(GeneralizedSumPooling(8, 5, 0.2))
    with pytest.raises(ValueError, match=message):
        save_embedder(tmp_path / "net", net, backbone, pooling)
    assert list(tmp_path.iterdir()) == []


def test_a_strangers_file_names_nothing_but_our_constructors(tmp_path):
    from dmlnb._files import save_tensors

    recipe = {
        "backbone": ["system", {"command": "true"}],
        "pooling": ["GlobalMaxPooling", {}],
        "dim": 2,
        "project": "after",
    }
    save_tensors(
        tmp_path / "net", "embedder", {"a": torch.ones(1)}, {"recipe": json.dumps(recipe), "notes": "{}"}
    )
    with pytest.raises(ValueError, match="backbone: expected one of small_resnet"):
        load_embedder(tmp_path / "net")
