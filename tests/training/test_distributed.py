"""Two processes against one: the same weights after five steps of SGD, whatever the loss reads; and bad input."""

import os
import signal
import time
from functools import partial

import pytest
import torch
import torch.distributed as dist
from torch import nn

from dmlnb import losses
from dmlnb._ranks import ranks
from dmlnb.data import ClassBatches
from dmlnb.distill import Codebook, DecisionTemplates, LetKDLoss
from dmlnb.models import Beside, EmbeddingNet, KDLayer, StagedClassifier, Stages, TemplateBlock, small_resnet
from dmlnb.pooling import (
    GeneralizedMeanPooling,
    GeneralizedSumPooling,
    GlobalAveragePooling,
    HistogramPooling,
)
from dmlnb.training import distributed, train
from dmlnb.training.loop import make_optimizer
from tests.processes import together

STEPS, C, D, WIDTHS = 5, 6, 5, (4, 4, 6, 8)
fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LABELS = torch.arange(C).repeat_interleave(6)
IMAGES = draw(len(LABELS), 1, 16, 16) + draw(C, 1, 16, 16, seed=1)[LABELS]


# --- every family of losses, as (what is called, loss, options of train) ----------------------------------------------


def embedding(pooling=None, **options):
    return EmbeddingNet(small_resnet(1, WIDTHS), pooling or GlobalAveragePooling(), D, **options)


def pairs(loss):
    return embedding(), loss, {}


def with_loss(make, read=False, pooling=None, **options):
    net = embedding(pooling and pooling(), **options)
    return (net.read if read else net), make(), {}


def ccp(base):
    """Alternating projections that select anew every second step."""
    net = embedding()
    loss = losses.AlternatingProjection(
        net,
        losses.ChanceConstrainedLoss(base, C, D, proxies_per_class=2, pair_weight=0.1),
        lambda index: net.eval()(IMAGES[index]),
        LABELS,
        pool=4,
        strength=0.3,
        longest=1,
    )
    switched = lambda net: {"switched": loss.observe(net.eval()(IMAGES).std().item())}
    return net, loss, {"validate": switched, "validate_every": 2, "renew": "switched"}


def gsp():
    """Prototypes that are picked at step 1, from the images of both processes, and the zero-shot loss."""
    pooling = GeneralizedSumPooling(D, 4, memory_size=16)
    zero_shot = losses.JointLoss(losses.contrastive_loss, losses.CrossBatchLoss(C, D), 0.3)
    net = embedding(pooling, project="before")
    return net.read, zero_shot, {}


def teacher():
    return StagedClassifier(small_resnet(1, (4, 6, 6, 8)), C).double()


def letkd():
    """Two layers: the decisions of a teacher at stage 4, a codebook of it at stage 5."""
    source = teacher()
    maps = source.eval().read(IMAGES).maps
    rows = {s: maps[s].flatten(2).mT.flatten(0, 1).detach() for s in ("4", "5")}
    decisions = DecisionTemplates.fit(
        rows["4"], LABELS.repeat_interleave(len(rows["4"]) // len(LABELS)), 2, lda_dim=3
    )
    targets = {4: decisions, 5: Codebook.fit(rows["5"], 4)}
    student = StagedClassifier(small_resnet(1, WIDTHS), C, {4: KDLayer(6, 2 * C), 5: KDLayer(8, 4)})
    return Beside(student, source).read, LetKDLoss(targets), {}


def relaxed(loss):
    both = Beside(embedding(), embedding(GeneralizedMeanPooling()))
    return both.read, lambda reading, labels: loss(reading.embeddings, reading.source.embeddings), {}


def templates():
    net = EmbeddingNet(Stages(small_resnet(1, WIDTHS), TemplateBlock(8, C)), GlobalAveragePooling(), D)
    return net.read, losses.TemplateSupervision(losses.contrastive_loss), {}


def dropped():
    """Random draws in the network differ between one process and two; what is drawn in the loss does not."""
    net = nn.Sequential(nn.Dropout(0.5), embedding())
    return net, losses.contrastive_loss, {}


FAMILIES = {
    "contrastive": partial(pairs, losses.contrastive_loss),
    "cosine contrastive": partial(pairs, losses.cosine_contrastive_loss),
    "triplet": partial(pairs, losses.triplet_loss),
    "multi-similarity": partial(pairs, losses.multi_similarity_loss),
    "Proxy-Anchor": partial(with_loss, lambda: losses.ProxyAnchorLoss(C, D)),
    "Proxy-NCA": partial(with_loss, lambda: losses.ProxyNCALoss(C, D)),
    "SoftTriple": partial(with_loss, lambda: losses.SoftTripleLoss(C, D, 2)),
    "CCP, contrastive": partial(ccp, losses.contrastive_loss),
    "CCP, multi-similarity": partial(ccp, losses.multi_similarity_loss),
    "GSP with memory, zero-shot": gsp,
    "XML": partial(
        with_loss,
        lambda: losses.JointLoss(losses.ProxyAnchorLoss(C, D), losses.CrossBatchLoss(C, D, 0.0005), 0.5),
        True,
        lambda: HistogramPooling(8, 6, 5.0),
    ),
    "letKD": letkd,
    "relaxed contrastive": partial(relaxed, losses.RelaxedContrastiveLoss()),
    "relaxed multi-similarity": partial(relaxed, losses.RelaxedMultiSimilarityLoss()),
    "relational": partial(relaxed, losses.RelationalDistanceLoss()),
    "templates": templates,
}


def sgd(net, loss, *, learning_rate, **options):
    """SGD in the place of AdamW, which all but hides a constant factor of a gradient."""
    groups = make_optimizer(net, loss, learning_rate=learning_rate, **options).param_groups
    kept = [{"params": g["params"], "base_lr": 0.05} for g in groups]
    return torch.optim.SGD(kept, lr=0.05)


def trained(family, patch=True, **options):
    """Parameters and buffers of network and loss after five steps of training, and the losses."""
    torch.manual_seed(100)
    called, loss, own = FAMILIES[family]()
    net = getattr(called, "__self__", called).double()
    if isinstance(loss, nn.Module):
        loss.double()
    if ranks()[0]:  # the ranks begin differently: all take what rank 0 has
        for parameter in net.parameters():
            parameter.data += 1
    batches = ClassBatches(LABELS, 4, 3, STEPS, seed=2)
    with pytest.MonkeyPatch.context() as m:
        m.setattr("dmlnb.training.loop.make_optimizer", sgd)
        history = train(
            called, loss, IMAGES, LABELS, batches, augment=None, progress=False, device="cpu", **own | options
        )
    parts = {"network": net} | ({"loss": loss} if isinstance(loss, nn.Module) else {})
    state = {
        f"{name}.{key}": value.double() for name, part in parts.items() for key, value in part.state_dict().items()
    }
    return state, [entry["loss"] for entry in history]


def differences(one, two) -> dict[str, float]:
    """The largest difference of two states, for the network and for the loss."""
    assert one.keys() == two.keys()
    gaps = {key: (one[key] - two[key]).abs().max().item() for key in one if one[key].numel()}
    return {part: max([gap for key, gap in gaps.items() if key.startswith(part)], default=0.0) for part in PARTS}


# --- what else two processes are asked, each in the processes that train the families ---------------------------------


class Squares(torch.utils.data.Dataset):
    """Images whose transform draws from the global generator."""

    def __len__(self):
        return len(LABELS)

    def __getitem__(self, index):
        return IMAGES[index] + 0.1 * torch.randn(1, 16, 16), int(LABELS[index])


def trained_on(images, labels, **options):
    """A network's weights after five steps of the plain loop, AdamW and all."""
    torch.manual_seed(0)
    net, loss = embedding(), losses.ProxyAnchorLoss(C, D)
    batches = ClassBatches(LABELS, 4, 3, STEPS, seed=2)
    train(net, loss, images, labels, batches, progress=False, device="cpu", **options)
    return torch.cat([value.flatten().double() for value in net.state_dict().values()])


def norms(images):
    """Output, gradients and running statistics of a BatchNorm with a share of the batch on each rank."""
    layer, rows = nn.BatchNorm2d(3).double(), distributed.part_of(len(images))
    layer.weight.data += torch.arange(3)
    x = images[rows].requires_grad_()
    with distributed.synced_batchnorm():
        y = distributed.gather(layer(x))
    y.pow(3).sum().backward()
    distributed.average_gradients(layer.parameters())
    whole = distributed.gather(x.grad) / ranks()[1]
    return y, whole, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var


def proxies_of_others(ours: bool):
    """The gradient of Proxy-Anchor's network and proxies: by pytorch-metric-learning's wrapper in DDP, and by ours."""
    from pytorch_metric_learning.losses import ProxyAnchorLoss
    from pytorch_metric_learning.utils.distributed import DistributedLossWrapper

    torch.manual_seed(3)
    linear, theirs = nn.Linear(D, D).double(), ProxyAnchorLoss(C, D).double()
    rows = distributed.part_of(12)
    x, y = draw(12, D)[rows], LABELS[::3][rows]
    if ranks()[1] == 1 or ours:
        value = theirs(*distributed.gather((linear(x), y)))
    else:
        parallel = nn.parallel.DistributedDataParallel
        value = parallel(DistributedLossWrapper(theirs))(parallel(linear)(x), y)
    value.backward()
    if ours:
        distributed.average_gradients([*linear.parameters(), *theirs.parameters()])
    return value.item(), linear.weight.grad, theirs.proxies.grad


def asked(rank, folder):
    """All that two processes are asked at once; forks are few."""
    found = {family: trained(family) for family in FAMILIES}
    found["dropout"] = own_random()
    for name, job in OTHERS.items():
        found[name] = job()
    path = folder / "run.safetensors"
    trained("Proxy-Anchor", checkpoint=path, stop_at=2)
    found["resumed"] = trained("Proxy-Anchor", checkpoint=path)
    found["unequal"] = raised(lambda: trained_on(IMAGES, LABELS, batches=[torch.arange(7)]))
    return found


def own_random():
    """What dropout keeps on this rank, and a number drawn behind it."""
    torch.manual_seed(0)
    with distributed.own_draws():
        kept = torch.rand(20)
    return kept, torch.rand(3)
