"""Two processes against one: the same weights after five steps of SGD, whatever the loss reads; and bad input."""

import os
import signal
import time
from functools import cache, partial

import pytest
import torch
from torch import nn

from dmlnb import losses
from dmlnb._ranks import ranks
from dmlnb.data import ClassBatches
from dmlnb.distill import Codebook, DecisionTemplates, LetKDLoss
from dmlnb.models import (
    Beside,
    EmbeddingNet,
    KDLayer,
    StagedClassifier,
    Stages,
    TemplateBlock,
    embed,
    small_resnet,
)
from dmlnb.pooling import (
    GeneralizedMeanPooling,
    GeneralizedSumPooling,
    GlobalAveragePooling,
    HistogramPooling,
)
from dmlnb.training import distributed, load_checkpoint, train
from dmlnb.training.loop import make_optimizer
from tests.processes import fork, once, together

STEPS, C, D, WIDTHS = 5, 6, 5, (4, 4, 6, 8)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LABELS = torch.arange(C).repeat_interleave(6)
IMAGES = draw(len(LABELS), 1, 16, 16) + draw(C, 1, 16, 16, seed=1)[LABELS]


# --- every family of losses, as (what is called, loss, options of train) --------------------------------------------


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


def trained(family, images=IMAGES, labels=LABELS, **options):
    """Parameters and buffers of network and loss after five steps of training, and the losses."""
    torch.manual_seed(100)
    called, loss, own = FAMILIES[family]()
    net = getattr(called, "__self__", called).double()
    if isinstance(loss, nn.Module):
        loss.double()
    if ranks()[0]:  # the ranks begin differently: all take what rank 0 has
        for parameter in net.parameters():
            parameter.data += 1
    options = {"augment": None, "batches": ClassBatches(LABELS, 4, 3, STEPS, seed=2)} | own | options
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dmlnb.training.loop.make_optimizer", sgd)
        history = train(called, loss, images, labels, progress=False, device="cpu", **options)
    state = {f"network.{key}": value.double() for key, value in net.state_dict().items()}
    if isinstance(loss, nn.Module):
        state |= {f"loss.{key}": value.double() for key, value in loss.state_dict().items()}
    return state, [entry["loss"] for entry in history]


# --- what else two processes are asked ------------------------------------------------------------------------------


class Noisy(torch.utils.data.Dataset):
    """Images whose transform draws from the global generator."""

    def __len__(self):
        return len(LABELS)

    def __getitem__(self, index):
        return IMAGES[index] + 0.1 * torch.randn(1, 16, 16), int(LABELS[index])


def normalized():
    """Output, gradients and running statistics of a BatchNorm that has a part of the batch on each rank."""
    layer, x = nn.BatchNorm2d(3).double(), draw(8, 3, 4, 4).exp()
    layer.weight.data += torch.arange(3)
    x = x[distributed.part_of(8)].requires_grad_()
    with distributed.synced_batchnorm():
        y = distributed.gather(layer(x))
    y.pow(3).sum().backward()
    distributed.average_gradients(layer.parameters())
    slope = distributed.gather(x.grad) / ranks()[1]
    return [y, slope, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var]


def proxy_gradients(wrapped: bool):
    """Value and gradients of Proxy-Anchor: by pytorch-metric-learning's wrapper in DDP, as it advises, and by ours."""
    from pytorch_metric_learning.losses import ProxyAnchorLoss
    from pytorch_metric_learning.utils.distributed import DistributedLossWrapper

    torch.manual_seed(3)
    linear, loss = nn.Linear(D, D).double(), ProxyAnchorLoss(C, D).double()
    rows = distributed.part_of(12)
    x, y = draw(12, D)[rows], LABELS[::3][rows]
    if wrapped:
        net, criterion = map(nn.parallel.DistributedDataParallel, (linear, DistributedLossWrapper(loss)))
        value = criterion(net(x), y)
        value.backward()
    else:
        value = loss(*distributed.gather((linear(x), y)))
        value.backward()
        distributed.average_gradients([*linear.parameters(), *loss.parameters()])
    return value.detach(), linear.weight.grad, loss.proxies.grad


def own_random():
    """What dropout would keep on this rank, and numbers drawn behind it."""
    torch.manual_seed(0)
    with distributed.own_draws():
        kept = torch.rand(20)
    return kept, torch.rand(3)


def raised(call):
    try:
        call()
    except (Exception, SystemExit) as error:
        return type(error).__name__, str(error)


ALIKE = {  # what is the same in one process and in two
    "letters' variations": lambda: trained("contrastive", augment="letters"),
    "a Dataset that draws": lambda: trained("contrastive", Noisy(), None),
    "clipped": lambda: trained("Proxy-Anchor", clip=0.1),
    "frozen BatchNorm": lambda: trained("contrastive", freeze_batchnorm=True),
}


def asked(rank, folder):
    """All that two processes are asked, in one go."""
    found = {family: trained(family) for family in FAMILIES}
    found |= {name: job() for name, job in ALIKE.items()}
    path = folder / "run.safetensors"
    trained("Proxy-Anchor", checkpoint=path, checkpoint_every=1, stop_at=2)
    found["resumed"] = trained("Proxy-Anchor", checkpoint=path)
    found["normalized"] = normalized()
    found["wrapped"], found["ours"] = proxy_gradients(True), proxy_gradients(False)
    found["random"] = own_random()
    torch.manual_seed(1)
    found["embedded"] = distributed.embed_together(embedding(), IMAGES.float(), torch.arange(3, 16, 2))
    logged = []
    trained("contrastive", log=lambda step, entry: logged.append(step))
    found["logged"] = logged
    for name, batch in {"unequal": torch.arange(7), "no data": torch.arange(1)}.items():
        found[name] = raised(lambda batch=batch: trained("contrastive", batches=[batch]))
    found["called differently"] = raised(lambda: trained("contrastive", learning_rate=1e-3 * (rank + 1)))
    found["other size"] = raised(lambda: trained("contrastive", checkpoint=folder / "alone.safetensors"))
    found["too few"] = raised(lambda: distributed.embed_together(embedding(), IMAGES.float()[:1]))
    return found


@pytest.fixture(scope="session")
def one():
    """`one(name)`: the same in one process."""
    jobs = {family: partial(trained, family) for family in FAMILIES} | ALIKE
    jobs |= {"normalized": normalized, "ours": partial(proxy_gradients, False), "random": own_random}
    return cache(lambda name: jobs[name]())


@pytest.fixture(scope="session")
def two(tmp_path_factory):
    """What each of two processes answers."""

    def ask(folder):
        trained("contrastive", checkpoint=folder / "alone.safetensors")
        ended = together(asked, folder, folder, seconds=600)
        assert [(end.said, end.code) for end in ended] == [("", 0)] * 2
        return [end.result for end in ended]

    return once(tmp_path_factory, "two", ask)


def difference(one, two, part=""):
    """The largest difference of two states."""
    assert one.keys() == two.keys()
    gaps = [(one[k] - two[k]).abs().max().item() for k in one if k.startswith(part) and one[k].numel()]
    return max(gaps, default=0.0)


@fork
@pytest.mark.parametrize("name", [*FAMILIES, *ALIKE])
def test_two_processes_end_in_the_weights_of_one(name, one, two):
    state, values = one(name)
    for other, seen in (result[name] for result in two):
        assert difference(state, other) < 1e-10
        assert seen == pytest.approx(values, abs=1e-10)
    assert difference(*(result[name][0] for result in two)) == 0
    if name.startswith("CCP"):
        assert state["loss.selections"] == 3  # after steps 2 and 4 and at the end
    if name.startswith("GSP"):
        assert state["network.pooling.ready"] and state["network.pooling.filled"] == 16


@fork
def test_batchnorm_sees_the_batches_of_all_ranks_as_one(one, two):
    layer, x = nn.BatchNorm2d(3).double(), draw(8, 3, 4, 4).exp()
    layer.weight.data += torch.arange(3)
    x.requires_grad_()
    y = layer(x)  # torch's own
    y.pow(3).sum().backward()
    expected = [y, x.grad, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var]
    for found in (one("normalized"), *(result["normalized"] for result in two)):
        for a, b in zip(expected, found, strict=True):
            assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)


@fork
def test_the_wrapper_of_others_doubles_the_gradient_of_proxies_and_ours_does_not(one, two):
    value, network, proxies = one("ours")
    for result in two:
        for scale, found in ((2, result["wrapped"]), (1, result["ours"])):
            assert torch.allclose(found[0], scale * value, rtol=1e-12)
            assert torch.allclose(found[1], network, atol=1e-12)
            assert torch.allclose(found[2], scale * proxies, atol=1e-12)
    assert proxies.abs().max() > 0.1


@fork
def test_ranks_draw_differently_in_the_network_and_alike_behind_it(one, two):
    (kept, _), (kept_0, after_0), (kept_1, after_1) = one("random"), *(r["random"] for r in two)
    assert torch.equal(kept, kept_0) and not torch.equal(kept_0, kept_1)
    assert torch.equal(after_0, after_1)


@fork
def test_an_interrupted_run_goes_on_and_only_rank_0_logs(two):
    for result in two:
        assert difference(result["Proxy-Anchor"][0], result["resumed"][0]) == 0
    assert [result["logged"] for result in two] == [[*range(STEPS)], []]


@fork
def test_all_ranks_have_all_embeddings(two):
    torch.manual_seed(1)
    expected = embed(embedding(), IMAGES.float())[3:16:2]
    assert all(torch.allclose(result["embedded"], expected, atol=1e-6) for result in two)
    few = ("ValueError", "images: expected at least 2, one for each rank, got 1")
    assert [result["too few"] for result in two] == [few] * 2


@fork
@pytest.mark.parametrize("name, message", [
    ("unequal", "batches: expected as many images for each of the 2 ranks, step 0 has 7"),
    ("no data", "batches: expected as many images for each of the 2 ranks, step 0 has 1"),
    ("called differently", "got another on rank 1 than on 0 (learning_rate: 0.001 there, 0.002 here)"),
    ("other size", "belongs to another run (torchrun: None there, 2 processes here); give another path"),
])  # fmt: skip
def test_bad_input_is_one_error_on_one_rank(two, name, message):
    ((kind, text),) = [result[name] for result in two if result[name][0] != "SystemExit"]
    assert kind == "ValueError" and message in text and "\n" not in text
    assert ("SystemExit", "1") in [result[name] for result in two]


# --- a process that fails, is killed, or hangs: all end, with one message -------------------------------------------


def fails(rank):
    trained("contrastive", IMAGES if rank == 0 else IMAGES[:0])


class Deadly(Noisy):
    """Images whose reader is killed in step 3."""

    def __init__(self):
        self.left = 3 * 6 + 2

    def __getitem__(self, index):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def killed(rank, path):
    images = Deadly() if rank == 1 else Noisy()
    trained("Proxy-Anchor", images, None, checkpoint=path, checkpoint_every=2)


def resumed(rank, path):
    return trained("Proxy-Anchor", Noisy(), None, checkpoint=path)


def hangs(rank, folder):
    while rank == 1 and not (folder / "0.txt").read_text():
        time.sleep(0.1)
    trained("contrastive")


@fork
def test_a_rank_without_data_says_so_and_the_other_ends_without_a_word(tmp_path):
    waiting, failed = together(fails, tmp_path)
    assert (failed.code, failed.said) == (1, "ValueError: images: expected at least one, got none")
    assert (waiting.code, waiting.said) == (1, "")


@fork
def test_a_killed_rank_ends_all_with_one_message_and_the_run_goes_on(tmp_path):
    path = tmp_path / "run.safetensors"
    left, dead = together(killed, tmp_path, path)
    assert dead.code == -signal.SIGKILL and dead.said == ""
    assert left.code == 1 and left.said.startswith("ConnectionError: rank 0: another process has ended")
    assert "\n" not in left.said
    metadata = load_checkpoint(path, embedding().double())
    assert [entry["step"] for entry in metadata] == [0, 1]
    state, values = trained("Proxy-Anchor", Noisy(), None)
    for end in together(resumed, tmp_path, path):
        assert end.code == 0 and difference(state, end.result[0]) < 1e-10
        assert end.result[1] == pytest.approx(values, abs=1e-10)


@fork
def test_a_rank_that_hangs_ends_all_after_the_time_out(tmp_path):
    waiting, _ = together(hangs, tmp_path, tmp_path, minutes=0.1)
    assert waiting.code == 1
    assert waiting.said.startswith(
        "ConnectionError: rank 0: another process has ended, or has not answered in time"
    )


# --- the environment ------------------------------------------------------------------------------------------------


def test_alone_nothing_happens(monkeypatch):
    for name in distributed.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert distributed.start() == (0, 1)
    monkeypatch.setenv("MASTER_PORT", "29500")  # which clusters set for all
    assert distributed.start() == (0, 1)
    for name, value in zip(distributed.VARIABLES, ("0", "1", "0", "localhost", "1"), strict=True):
        monkeypatch.setenv(name, value)
    assert distributed.start() == (0, 1)  # torchrun with one process
    seen = (torch.ones(2), {"a": [torch.zeros(1), None]})
    assert distributed.gather(seen) is seen
    assert distributed.part_of(5).tolist() == [*range(5)]


@pytest.mark.parametrize("missing", ["RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_missing_environment_variables_are_named(monkeypatch, missing):
    for name in distributed.VARIABLES:
        monkeypatch.setenv(name, "2")
    monkeypatch.setenv(missing, " ")
    with pytest.raises(
        ValueError, match=f"environment: expected .* got none for {missing}; start the program with"
    ):
        trained("contrastive")


def test_more_processes_than_gpus_are_named(monkeypatch):
    for name, value in zip(distributed.VARIABLES, ("2", "3", "2", "localhost", "29500"), strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(
        ValueError, match="LOCAL_RANK: expected at most 2 processes, one per GPU, got number 2"
    ):
        distributed.start()


def test_numbers_that_are_none_are_named(monkeypatch):
    for name, value in zip(distributed.VARIABLES, ("0", "two", "0", "localhost", "29500"), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="WORLD_SIZE: expected a whole number, got 'two'"):
        distributed.start()
    with pytest.raises(ValueError, match="minutes: expected a number > 0"):
        distributed.start(minutes=0)
