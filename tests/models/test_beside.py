import pytest
import torch

from dmlnb.models import EmbeddingNet, SideBySide, small_resnet, trace
from dmlnb.pooling import GeneralizedMeanPooling


def net(dim=8, widths=(4, 4, 6, 8), project="after"):
    return EmbeddingNet(small_resnet(widths=widths), GeneralizedMeanPooling(), dim, project=project)


IMAGES = torch.randn(3, 1, 32, 32)


def test_both_see_the_same_images_and_only_the_target_learns():
    target, source = net(), net(5)
    before = {name: value.clone() for name, value in source.state_dict().items()}
    both = SideBySide(target, source).train()
    t, s = both(IMAGES)
    assert t.shape == (3, 8) and t.requires_grad and not s.requires_grad
    assert torch.equal(s, source.eval()(IMAGES))
    t.square().sum().backward()
    assert all(p.grad is None for p in source.parameters())
    assert all(
        torch.equal(before[name], value) for name, value in source.state_dict().items()
    )  # running means too


def test_the_source_stays_in_evaluation_mode():
    both = SideBySide(net(), net()).eval().train()
    assert both.training and both.target.training and not both.source.training
    assert not any(m.training for m in both.source.modules())


def test_trace_agrees_with_the_network():
    model = net().eval()
    seen = trace(model, IMAGES)
    assert torch.equal(seen.embedding, model(IMAGES))
    assert torch.equal(seen.pooled, model.pooling(model.features(IMAGES)))
    assert [tuple(m.shape[1:]) for m in seen.maps] == [(4, 16, 16), (6, 8, 8), (8, 8, 8)]
    assert torch.equal(seen.maps[-1], model.features(IMAGES))


def test_read_decides_what_is_taken():
    t, s = SideBySide(net(), net(), trace)(IMAGES)
    assert t.maps[0].requires_grad and not s.maps[0].requires_grad
    assert t.pooled.shape == (3, 8)


def test_another_kind_of_network_is_named():
    with pytest.raises(ValueError, match="net: expected"):
        trace(net(project="before", widths=(4, 4, 6, 8)), IMAGES)
