import io

import pytest
import torch
from torch import nn

from dmlnb.models import (
    Beside,
    EmbeddingNet,
    KDLayer,
    StagedClassifier,
    Stages,
    TemplateBlock,
    read_all,
    small_resnet,
)
from dmlnb.pooling import HistogramPooling


def student(stages=None, layers=(4, 5)):
    made = {4: KDLayer(6, 9), 5: KDLayer(8, 11)}
    return StagedClassifier(stages or small_resnet(1, (4, 4, 6, 8)), 7, {s: made[int(s)] for s in layers})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("training", [True, False])
def test_a_student_in_half_precision_runs(dtype, training):
    logits = student().to(dtype).train(training)(torch.randn(2, 1, 16, 16).to(dtype))
    assert logits.dtype == dtype and torch.isfinite(logits).all()


@pytest.mark.parametrize("layers", [(4, 5), ("4", "5")])  # stages by number or by name
def test_reading_shows_the_maps_before_the_layers(layers):
    net, images = student(layers=layers).eval(), torch.randn(2, 1, 16, 16)
    seen = net.read(images)
    assert list(seen.maps) == ["0", "1", "2", "3", "4", "5"]
    assert {s: tuple(m.shape) for s, m in seen.scores.items()} == {"4": (2, 9, 4, 4), "5": (2, 11, 4, 4)}
    assert torch.equal(seen.logits, net(images))
    x = images
    for stage, module in net.stages.named_children():
        x = module(x)
        if int(stage) >= 3:  # before that, an activation changes the map in place
            assert torch.equal(seen.maps[stage], x)
        x = net.kd_layers[stage](x)[0] if int(stage) >= 4 else x
    assert torch.equal(seen.vector, x.mean(dim=(2, 3))) and torch.equal(seen.embeddings, seen.vector)
    assert torch.equal(net.linear(seen.vector), seen.logits)


def test_without_layers_it_is_a_plain_classifier():
    net, images = StagedClassifier(small_resnet(1, (4, 4, 6, 8)), 7).eval(), torch.randn(2, 1, 16, 16)
    assert torch.equal(net(images), net.linear(net.stages(images).mean(dim=(2, 3))))
    assert net.read(images).scores == {}


def test_template_layers_inside_a_stage_are_read_too():
    stages = Stages(Stages(nn.Conv2d(1, 6, 3), TemplateBlock(6, 5)), nn.ReLU())
    net = StagedClassifier(stages, 7, {0: KDLayer(6, 9)}).eval()
    seen = net.read(torch.randn(2, 1, 6, 6))
    assert list(seen.maps) == ["0.0", "0.1", "0", "1"]
    assert {name: s.shape[1] for name, s in seen.scores.items()} == {"0.1": 5, "0": 9}
    assert torch.equal(net.kd_layers["0"].scores(seen.maps["0"]), seen.scores["0"])


def test_reading_a_whole_set_is_independent_of_the_batch_size_and_restores_the_mode():
    net, images = student().train(), torch.randint(0, 256, (5, 1, 16, 16), dtype=torch.uint8)
    whole, parts = (read_all(net, images, maps=(3, "4"), batch_size=size) for size in (256, 2))
    assert net.training and not whole.logits.requires_grad
    seen = net.eval().read(images.float() / 255 - 0.5)
    for one in (whole, parts):
        assert list(one.maps) == ["3", "4"] and list(one.scores) == ["4"]
        for name in ("logits", "vector", "embeddings"):
            assert torch.allclose(getattr(one, name), getattr(seen, name), atol=1e-5)
        assert all(torch.allclose(one.maps[s], seen.maps[s], atol=1e-5) for s in one.maps)
        assert torch.allclose(one.scores["4"], seen.scores["4"], atol=1e-5)
        assert one.weights is None and one.source is None
    assert read_all(net, images).maps == {} == read_all(net, images).scores


def test_reading_a_whole_set_of_other_networks():
    images = torch.randint(0, 256, (5, 1, 16, 16), dtype=torch.uint8)
    net = EmbeddingNet(small_resnet(1, (4, 4, 6, 8)), HistogramPooling(8, 3), 4).eval()
    seen, wanted = read_all(net, images, batch_size=2), net.read(images.float() / 255 - 0.5)
    for name in ("embeddings", "vector", "weights", "attributes"):
        assert torch.allclose(getattr(seen, name), getattr(wanted, name), atol=1e-5)
    both = read_all(Beside(net, student()), images, maps=[5], batch_size=2)
    assert both.source.logits.shape == (5, 7) and both.source.maps["5"].shape == (5, 8, 4, 4)
    assert torch.equal(both.embeddings, seen.embeddings) and list(both.source.scores) == ["5"]


def test_what_cannot_be_read_is_named():
    net, images = student(), torch.randint(0, 256, (5, 1, 16, 16), dtype=torch.uint8)
    with pytest.raises(ValueError, match="images: expected at least one"):
        read_all(net, images[:0])
    with pytest.raises(ValueError, match="maps: expected stages among .*, got 9"):
        read_all(net, images, maps=(4, 9))
    with pytest.raises(ValueError, match="images: expected a tensor, got list"):
        read_all(net, [(image, 0) for image in images])
    assert net.training


def test_a_student_is_exported_and_runs_alone():
    net, images = student().eval(), torch.randn(3, 1, 16, 16)
    dynamic = {"images": {0: torch.export.Dim("batch", min=2, max=64)}}
    program = torch.export.export(net, (images,), dynamic_shapes=dynamic)
    stream = io.BytesIO()
    torch.export.save(program, stream)
    stream.seek(0)
    again = torch.export.load(stream).module()
    for batch in (images, torch.randn(5, 1, 16, 16)):
        assert torch.allclose(again(batch), net(batch), atol=1e-5)
    names = {name.split(".")[0] for name in net.state_dict()}
    assert names == {"stages", "kd_layers", "linear"}  # no teacher, no codebook


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"num_classes": 0}, "num_classes: expected a whole number >= 1, got 0"),
        ({"kd_layers": {9: nn.Identity()}}, "kd_layers: expected stages 0 .. 5, got 9"),
    ],
)
def test_bad_stages(how, words):
    with pytest.raises(ValueError, match=words):
        StagedClassifier(small_resnet(), **({"num_classes": 3} | how))
