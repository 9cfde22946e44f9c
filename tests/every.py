"""Every public loss and pooling on one small input: the table that tests of all of them share."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from packaging.version import Version
from torch import Tensor, nn

from dmlnb import losses, pooling

N, D, C, M = 8, 6, 4, 5  # rows, coordinates, classes, prototypes
LABELS = torch.arange(N) % C
HALVES = (torch.tensor([0, 2, 4, 6]), torch.tensor([1, 3, 5, 7]))

# torch 2.6 exports half of the losses, 2.11 all of them; ONNX likewise.
exports_all = pytest.mark.skipif(
    Version(torch.__version__) < Version("2.11"), reason="needs torch 2.11 or newer"
)


class Entry(NamedTuple):
    name: str
    make: Callable[[], Callable[..., Tensor]]  # gives a function of the inputs
    inputs: tuple[tuple[int, ...], ...]  # shapes; the first one is what gradients are asked for
    refuses: str = ""  # part of the message, where graph tools are refused


def random_inputs(entry: Entry, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator) for shape in entry.inputs]
    if entry.name == "template_kl":
        drawn[1] = torch.softmax(drawn[1], dim=1)
    return [x.to(torch.bfloat16).to(torch.float16).to(dtype) for x in drawn]  # exact in every dtype


def settled(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """The module with the same random parameters each time, exact in every dtype."""

    def build() -> nn.Module:
        torch.manual_seed(0)
        module = make()
        for parameter in module.parameters():
            parameter.data = parameter.data.to(torch.bfloat16).float()
        return module

    return build


def labelled(loss: Callable) -> Callable[[], Callable]:
    return lambda: lambda x: loss(x, LABELS)


class Labelled(nn.Module):
    """A loss of embeddings and labels as a function of the embeddings, so that it stays a module."""

    def __init__(self, loss: nn.Module, *extra: object):
        super().__init__()
        self.loss, self.extra = loss, extra

    def forward(self, x: Tensor) -> Tensor:
        return self.loss(x, LABELS, *self.extra)


def taught(make: Callable[[], nn.Module], *extra: object) -> Callable[[], nn.Module]:
    return settled(lambda: Labelled(make(), *extra))


rows, pair = ((N, D),), ((N, D), (N, D + 1))
PAIR_LOSSES = [
    f"{name}_loss" for name in ("contrastive", "cosine_contrastive", "triplet", "multi_similarity", "supcon")
]
LOSSES = [
    *(Entry(name, labelled(getattr(losses, name)), rows) for name in PAIR_LOSSES),
    Entry("semi-hard triplets", labelled(lambda x, y: losses.triplet_loss(x, y, mined="semi-hard")), rows),
    Entry("ArcFaceLoss", taught(lambda: losses.ArcFaceLoss(C, D)), rows),
    Entry("ProxyAnchorLoss", taught(lambda: losses.ProxyAnchorLoss(C, D)), rows),
    Entry("ProxyNCALoss", taught(lambda: losses.ProxyNCALoss(C, D)), rows),
    Entry("SoftTripleLoss", taught(lambda: losses.SoftTripleLoss(C, D, 3)), rows),
    Entry("CrossBatchLoss with halves", taught(lambda: losses.CrossBatchLoss(C, D), HALVES), rows),
    Entry("CrossBatchLoss", taught(lambda: losses.CrossBatchLoss(C, D)), rows, "halves: expected a pair"),
    Entry(
        "ChanceConstrainedLoss",
        taught(lambda: losses.ChanceConstrainedLoss(losses.contrastive_loss, C, D, pair_weight=0.5)),
        rows,
    ),
    Entry("RelaxedContrastiveLoss", settled(losses.RelaxedContrastiveLoss), pair),
    Entry("RelaxedMultiSimilarityLoss", settled(losses.RelaxedMultiSimilarityLoss), pair),
    Entry("RelationalDistanceLoss", settled(losses.RelationalDistanceLoss), pair),
    Entry("RelationalAngleLoss", settled(losses.RelationalAngleLoss), pair),
    Entry("ProbabilisticTransferLoss", settled(losses.ProbabilisticTransferLoss), pair),
    Entry("DarkRankLoss", settled(losses.DarkRankLoss), pair),
    Entry("hinton_kd", lambda: losses.hinton_kd, ((N, C), (N, C))),
    Entry("template_kl", lambda: losses.template_kl, ((2, C, 3, 3), (2, C, 3, 3))),
    Entry("pair_terms", labelled(lambda x, y: losses.pair_terms(x, y, x + 1, y).mean()), rows),
    Entry("ridge_predictor", lambda: lambda z, y: losses.ridge_predictor(z, y, 0.5).square().sum(), pair),
]
maps = ((3, D, 4, 4),)
POOLINGS = [
    Entry("GlobalAveragePooling", settled(pooling.GlobalAveragePooling), maps),
    Entry("GlobalMaxPooling", settled(pooling.GlobalMaxPooling), maps),
    Entry("GeneralizedMeanPooling", settled(pooling.GeneralizedMeanPooling), maps),
    Entry("AttentionPooling", settled(lambda: pooling.AttentionPooling(D, M)), maps),
    Entry("HistogramPooling", settled(lambda: pooling.HistogramPooling(D, M)), maps),
    Entry("GeneralizedSumPooling", settled(lambda: pooling.GeneralizedSumPooling(D, M)), maps),
    Entry("GSP by power mean", settled(lambda: pooling.GeneralizedSumPooling(D, M, pooled="gem")), maps),
]
