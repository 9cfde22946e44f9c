import pytest
import torch
from torch import nn

from dmlnb.course.recipes import glyph_transfer
from dmlnb.data import Glyphs
from dmlnb.losses import ProxyAnchorLoss, RelaxedContrastiveLoss
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GeneralizedMeanPooling

TINY = {"widths": (4, 8, 8, 8), "dim": 5, "progress": False, "device": "cpu"}


@pytest.fixture(scope="module")
def train_set():
    return Glyphs("train", per_class=2)


@pytest.fixture
def source():
    return EmbeddingNet(small_resnet(widths=(4, 8, 8, 8)), GeneralizedMeanPooling(), 7)


def test_a_target_learns_from_its_source_and_runs_are_repeatable(train_set, source):
    relaxed = RelaxedContrastiveLoss()
    seen = []

    def loss(reading, index):
        target, source = reading.embeddings, reading.source.embeddings
        seen.append((target.shape, source.shape, index))
        return relaxed(target, source)

    first, history = glyph_transfer(source, loss, steps=3, train_set=train_set, **TINY)
    again, _ = glyph_transfer(source, loss, steps=3, train_set=train_set, **TINY)
    assert len(history) == 3 and not first.training
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert seen[0][:2] == ((64, 5), (64, 7))
    assert train_set.labels[seen[0][2]].unique().numel() == 32  # two images of each class


def test_views_are_stacked_view_after_view(train_set):
    shapes = []

    def loss(reading, index):
        target, source = reading.embeddings, reading.source.embeddings
        shapes.append((len(target), len(source), len(index)))
        assert not torch.equal(source[:2], source[2:4])  # two different augmentations of the same images
        return target.square().mean()

    batches = [torch.tensor([0, 5])]
    glyph_transfer(nn.Flatten(), loss, views=2, batches=batches, train_set=train_set, **TINY)
    assert shapes == [(4, 4, 2)]


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"views": 0}])
def test_bad_input_is_named(wrong, source):
    with pytest.raises(ValueError, match="steps, views"):
        glyph_transfer(source, lambda reading, index: reading.embeddings.sum(), **wrong)


def test_a_target_may_start_from_the_weights_of_another_network(train_set, source):
    stand_still = {"learning_rate": 1e-30, "steps": 1}
    target, _ = glyph_transfer(
        source,
        lambda reading, index: reading.embeddings.square().mean(),
        start=source,
        train_set=train_set,
        **stand_still,
        **TINY,
    )
    pairs = zip(target.backbone.parameters(), source.backbone.parameters(), strict=True)
    assert all((a - b).abs().max() <= 1e-29 for a, b in pairs) and target.linear.weight.shape[0] == 5
    with pytest.raises(RuntimeError, match="size mismatch"):
        wider = EmbeddingNet(small_resnet(widths=(8, 8, 8, 8)), GeneralizedMeanPooling(), 7)
        glyph_transfer(
            source, lambda reading, index: reading.embeddings.sum(), start=wider, train_set=train_set, **TINY
        )


@pytest.mark.parametrize("rate", [1e-3, 1e-2])
def test_a_helper_learns_as_fast_as_the_target_and_proxies_faster(train_set, source, rate):
    helper, proxy = nn.Linear(5, 7, bias=False), ProxyAnchorLoss(train_set.num_classes, 5)
    before = helper.weight.detach().clone(), proxy.proxies.detach().clone()

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.proxy = proxy

        def forward(self, reading, index):
            hint = (helper(reading.embeddings) - reading.source.embeddings).square().mean()
            return hint + self.proxy(reading.embeddings, train_set.labels[index])

    glyph_transfer(
        source,
        Both(),
        helper=helper,
        steps=1,
        train_set=train_set,
        learning_rate=rate,
        weight_decay=0.0,
        **TINY,
    )
    step = lambda now, then: (now.detach() - then).abs().max().item()  # AdamW's first step is its rate
    assert step(helper.weight, before[0]) == pytest.approx(rate, rel=1e-2)
    assert step(proxy.proxies, before[1]) == pytest.approx(10 * rate, rel=1e-2)
