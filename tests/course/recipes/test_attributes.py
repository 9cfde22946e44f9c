import pytest
import torch

from dmlnb.course.recipes import glyph_baseline, glyph_with_attributes
from dmlnb.data import Glyphs
from dmlnb.losses import CrossBatchLoss
from dmlnb.pooling import GeneralizedSumPooling, GlobalAveragePooling, HistogramPooling


@pytest.fixture(scope="session")
def letters():
    return Glyphs("train", per_class=1)


def pair(letters, weight, steps=2):
    torch.manual_seed(5)
    head, loss = HistogramPooling(64, 8), CrossBatchLoss(253, 16)
    options = {"steps": steps, "seed": 3, "train_set": letters, "progress": False}
    return *glyph_with_attributes(head, loss, weight=weight, **options), loss


def test_weight_zero_is_the_baseline(letters):
    net, _, _ = pair(letters, 0.0)
    plain, _ = glyph_baseline(
        GlobalAveragePooling(), steps=2, seed=3, project="before", train_set=letters, progress=False
    )
    theirs = plain.state_dict()
    mine = {key: value for key, value in net.state_dict().items() if not key.startswith("pooling.")}
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in theirs)


def test_the_second_loss_reaches_the_network_and_its_own_codes(letters):
    net, history, loss = pair(letters, 0.5)
    codes = loss.class_codes.clone()
    other, _, unused = pair(letters, 0.0)
    assert len(history) == 2 and not net.training
    weights = lambda n: n.backbone[0].weight
    assert not torch.equal(weights(net), weights(other))
    assert not torch.equal(codes, unused.class_codes)


@pytest.mark.parametrize("pooling", [HistogramPooling, GeneralizedSumPooling])
def test_prototypes_and_codes_learn(letters, pooling):
    torch.manual_seed(5)
    head, loss = pooling(64, 7), CrossBatchLoss(253, 5)
    before = head.prototypes.detach().clone(), loss.class_codes.detach().clone()
    net, _ = glyph_with_attributes(head, loss, steps=2, train_set=letters, progress=False)
    assert net.pooling is head and not torch.equal(head.prototypes, before[0])
    assert not torch.equal(loss.class_codes, before[1])
    assert net(letters.images[:2].float()).shape == (2, 64)


def test_validation_joins_the_history(letters):
    _, history = glyph_with_attributes(
        HistogramPooling(64, 4), CrossBatchLoss(253, 8), steps=2, train_set=letters, progress=False,
        validate=lambda net: {"training": float(net.training)}, validate_every=1,
    )  # fmt: skip
    assert ["training" in entry for entry in history] == [True, True]


def test_bad_input_is_named(letters):
    with pytest.raises(ValueError, match="steps"):
        pair(letters, 0.1, steps=0)
    with pytest.raises(ValueError, match="weight"):
        pair(letters, 2.0)
    with pytest.raises(ValueError, match="reading: expected a Reading with attributes"):
        glyph_with_attributes(GlobalAveragePooling(), CrossBatchLoss(253, 8), steps=1, train_set=letters)
