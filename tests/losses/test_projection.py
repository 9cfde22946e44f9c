import contextlib
import copy
import functools
import math

import pytest
import torch

from dmlnb import geometry
from dmlnb.data import ClassBatches
from dmlnb.losses import AlternatingProjection, ChanceConstrainedLoss, contrastive_loss
from dmlnb.models import EmbeddingNet, embed, small_resnet
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import train
from tests.processes import clean, fork
from timings import chance

C, D, K, STEPS = 4, 6, 2, 12


class Points(torch.nn.Module):
    """A network whose embeddings are known: sample i is the point (i, label), moved by `shift`."""

    def __init__(self, labels):
        super().__init__()
        self.shift = torch.nn.Parameter(torch.zeros(2))
        self.register_buffer("average", torch.zeros(2))
        self.register_buffer("counter", torch.zeros((), dtype=torch.int64))
        self.points = torch.stack([torch.arange(len(labels)).float(), labels.float()], dim=1)

    def forward(self, index):
        return self.points[index] + self.shift


def controller(labels=None, k=K, **options):
    labels = torch.arange(C).repeat_interleave(6) if labels is None else labels
    net = Points(labels)
    loss = ChanceConstrainedLoss(
        contrastive_loss, int(labels.max()) + 1, 2, proxies_per_class=k, normalize=None
    )
    with torch.no_grad():
        options = {"pool": 4, "patience": 2} | options
        return net, AlternatingProjection(net, loss, lambda index: net(index).detach(), labels, **options)


def next_pool(ccp):
    return ccp.pools.draw(int(ccp.selections))


def test_patience_and_gains_decide_when_to_project():
    _, ccp = controller()
    seen = [ccp.observe(v) for v in (0.1, 0.2, 0.2 + 5e-6, 0.3, 0.3, 0.2, 0.1, 0.05, 0.04)]
    #       a gain, a gain, too small a gain, a gain, none, none -> project; again a first gain, none, none
    assert seen == [False, False, False, False, False, True, False, False, True]
    assert ccp.projections == 2 and ccp.observations == 0 and ccp.best_metric == -math.inf


def test_longest_ends_a_sub_problem_that_still_gains():
    _, ccp = controller(longest=3)
    assert [ccp.observe(v / 10) for v in range(7)] == [False, False, True, False, False, True, False]


@pytest.mark.parametrize("roll_back", [True, False])
def test_project_returns_to_the_best_weights_and_anchors_there(roll_back):
    net, ccp = controller(roll_back=roll_back, strength=0.5, decay=0.1)
    for step, metric in enumerate((0.1, 0.9, 0.2, 0.3)):
        with torch.no_grad():
            net.shift.fill_(step + 1.0)
            net.average.fill_(10.0 * step)
        switched = ccp.observe(metric)
    assert switched and ccp.anchor.anchor.tolist() == [2.0, 2.0]
    assert ccp.anchor.strength.item() == pytest.approx(0.05)  # decay^1
    assert net.shift.tolist() == ([2.0, 2.0] if roll_back else [4.0, 4.0])
    assert net.average.tolist() == ([10.0, 10.0] if roll_back else [30.0, 30.0])
    expected = 0.025 * (0 if roll_back else 8)
    assert ccp.anchor.penalty().item() == pytest.approx(expected)
    x, y = net(torch.arange(8)), torch.zeros(8, dtype=torch.int64)
    assert ccp(x, y).item() == pytest.approx(ccp.loss(x, y).item() + expected)


def test_the_start_of_a_sub_problem_may_be_its_best():
    """Sub-problem 1 begins at the weights of metric .9 and finds nothing better: 2 begins where 1 began."""
    net, ccp = controller(include_start=True)
    metrics = (0.1, 0.9, 0.2, 0.3, 0.5, 0.9 + 5e-6, 0.8, 1.0)
    projected = []
    for step, metric in enumerate(metrics):
        with torch.no_grad():
            net.shift.fill_(step + 1.0)
        if ccp.observe(metric):
            projected.append((step, net.shift.tolist()[0], ccp.anchor.anchor.tolist()[0]))
            assert torch.equal(ccp.best_proxies, ccp.loss.proxies) and ccp.waited == 0 == ccp.observations
    assert projected == [(3, 2.0, 2.0), (5, 2.0, 2.0)]
    assert ccp.best_metric == 1.0 and ccp.waited == 0  # a gain over the start


def test_without_the_start_a_sub_problem_may_end_below_it():
    net, ccp = controller()
    for step, metric in enumerate((0.9, 0.2, 0.3, 0.5, 0.4, 0.3)):
        with torch.no_grad():
            net.shift.fill_(step + 1.0)
        ccp.observe(metric)
    assert ccp.projections == 2 and net.shift.tolist() == [4.0, 4.0]  # metric .5, and .9 is forgotten


def test_the_first_start_counts_if_it_is_observed():
    net, ccp = controller(include_start=True)
    ccp.observe(0.9)
    for metric in (0.2, 0.3):
        with torch.no_grad():
            net.shift.fill_(7.0)
        ccp.observe(metric)
    assert ccp.projections == 1 and net.shift.tolist() == [0.0, 0.0]


def test_project_without_observations_keeps_the_present_weights():
    net, ccp = controller()
    with torch.no_grad():
        net.shift.fill_(7.0)
    ccp.project()
    assert net.shift.tolist() == [7.0, 7.0] == ccp.anchor.anchor.tolist()


def test_the_first_sub_problem_may_be_free():
    for anchor_first, strength in ((True, 2e-4), (False, 0.0)):
        _, ccp = controller(anchor_first=anchor_first)
        assert ccp.anchor.strength.item() == pytest.approx(strength)
        ccp.project()
        assert ccp.anchor.strength.item() == pytest.approx(2e-4)


@pytest.mark.parametrize("spread_from_current", [True, False])
@pytest.mark.parametrize("k", [1, 3, 4])
def test_selection_against_a_loop(k, spread_from_current):
    net, ccp = controller(k=k, spread_from_current=spread_from_current)
    ccp.project()  # the first selection, from the random proxies; the second starts from its own
    ccp._keep()
    old = ccp.best_proxies.clone()
    pool = net(next_pool(ccp)).detach()  # the next pool
    ccp.select()
    for c in range(C):
        centres, left = list(old[c]) if spread_from_current else [], [0, 1, 2, 3]
        for pick in range(k):
            far = [min([(p - q).square().sum().item() for q in centres], default=0) for p in pool[c]]
            best = max(left, key=lambda i: far[i])  # the first of equals
            left.remove(best)
            centres.append(pool[c][best])
            assert torch.equal(ccp.loss.proxies[c, pick], pool[c][best])


def test_first_selection_from_the_origin_takes_the_longest():
    net, ccp = controller(spread_from_current=True)
    pool = net(next_pool(ccp)).detach()
    ccp.select()
    longest = pool[torch.arange(C), pool.norm(dim=2).argmax(dim=1)]
    assert torch.equal(ccp.loss.proxies[:, 0].detach(), longest)


@pytest.mark.parametrize(("pool", "k", "size"), [(1, 3, 3), (2, 3, 6), (3, 3, 3), (9, 3, 9)])
def test_pool_sizes(pool, k, size):
    _, ccp = controller(torch.tensor([2, 0, 1, 0, 0, 1, 2, 0]), k=k, pool=pool)
    index = next_pool(ccp)
    assert index.shape == (3, size)
    ccp.select()
    assert not torch.equal(index, next_pool(ccp))  # every selection has a pool of its own


def test_a_singleton_class_gets_its_sample_as_every_proxy():
    net, ccp = controller(torch.tensor([0, 1, 1, 1]), pool=3)
    ccp.select()
    assert torch.equal(ccp.loss.proxies[0].detach(), net(torch.tensor([0, 0])).detach())


@pytest.mark.parametrize("how", ["sphere", "ball", None])
def test_where_candidates_are_compared(how):
    net, ccp = controller(select_on=how)
    ccp.select()
    norms = ccp.loss.proxies.detach().norm(dim=2)
    pool = geometry.normalize(net(torch.arange(24)), how)
    if how:
        assert (norms <= 1 + 1e-6).all()
    nearest = torch.cdist(ccp.loss.proxies.detach().flatten(0, 1), pool.detach()).amin(dim=1)
    assert (nearest < 1e-5).all()  # every proxy is a sample's embedding


def test_the_network_is_no_part_of_the_loss():
    net, ccp = controller()
    assert [name for name, _ in ccp.named_parameters()] == ["loss.proxies"]
    assert "shift" not in " ".join(ccp.state_dict())


def rows_of(net, index):
    return net(index).detach()


def test_network_and_loss_are_copied_together():
    net, ccp = controller(patience=1, strength=0.5)
    ccp.embed = functools.partial(rows_of, net)
    ccp.observe(0.5)
    twin, its_ccp = copy.deepcopy((net, ccp))
    with torch.no_grad():
        twin.shift.fill_(3.0), net.shift.fill_(100.0)
    assert its_ccp.anchor.held[0] is twin.shift and its_ccp.anchor.distance() == pytest.approx(18**0.5)
    assert its_ccp.observe(0.1)  # projects: its own network goes back, its proxies are that network's points
    assert twin.shift.tolist() == [0.0, 0.0] and net.shift.tolist() == [100.0, 100.0]
    assert its_ccp.loss.proxies.max() < 30 and ccp.projections == 0


def test_the_network_may_move_after_the_loss_was_made():
    """`.to()` and `.double()` replace a module's buffers by new tensors; the running averages must be those."""
    net, ccp = controller(patience=1)
    net.double(), ccp.double()
    net.average.fill_(5.0)
    ccp.observe(0.5)
    net.average.fill_(7.0)
    with torch.no_grad():
        net.shift.fill_(1.0)
    ccp.observe(0.1)
    assert net.average.tolist() == [5.0, 5.0] and net.shift.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pool": 0}, "pool"),
        ({"patience": 0}, "patience"),
        ({"longest": 0}, "longest"),
        ({"decay": 0.0}, "decay"),
        ({"strength": -1.0}, "strength"),
        ({"select_on": "cube"}, "select_on"),
        ({"include_start": True, "roll_back": False}, "include_start"),
        ({"seed": -1}, "seed"),
        ({"labels": torch.tensor([0, 0, 2])}, "class 1 of 3"),
        ({"labels": torch.tensor([0, 1, 2]).float()}, "labels"),
    ],
)
def test_bad_settings_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        controller(**options)


@pytest.mark.parametrize("metric", [math.nan, math.inf])
def test_a_metric_that_is_not_finite_is_named(metric):
    _, ccp = controller()
    with pytest.raises(ValueError, match="metric"):
        ccp.observe(metric)
    assert ccp.observations == 0


# --- with the training loop ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def data():
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(C).repeat_interleave(6)
    images = torch.randint(0, 256, (24, 1, 16, 16), dtype=torch.uint8, generator=generator)
    return images, labels, ClassBatches(labels, 3, 2, STEPS, seed=3)


def run(data, **options):
    images, labels, _ = data
    torch.manual_seed(0)
    net = EmbeddingNet(small_resnet(1, (4, 8, 8, 8)), GlobalAveragePooling(), dim=D)
    loss = ChanceConstrainedLoss(contrastive_loss, C, D, proxies_per_class=K)
    rows = lambda index: embed(net, images[index])
    ccp = AlternatingProjection(net, loss, rows, labels, pool=4, longest=2, strength=0.1, decay=0.5)

    def validate(net):
        metric = -contrastive_loss(embed(net, images), labels).item()
        return {"metric": metric, "switched": float(ccp.observe(metric))}

    history = train(
        net, ccp, *data, seed=5, progress=False, device="cpu", validate=validate, validate_every=2, **options
    )
    return net, ccp, history


def same(a, b):
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return all(x == y and torch.equal(v, w) for (x, v), (y, w) in pairs)


@pytest.mark.parametrize("options", [{}, {"renew": "switched", "clip": 0.5}], ids=str)
@pytest.mark.parametrize("stop_at", [3, 4, 6, 7])
def test_a_resumed_run_equals_an_uninterrupted_one(data, tmp_path, stop_at, options):
    net, ccp, history = run(data, **options)
    switches = [h["step"] + 1 for h in history if h.get("switched")]
    assert switches == [4, 8, 12]  # so the run is interrupted before, at and after a projection
    path = tmp_path / "run.safetensors"
    part_net, part, _ = run(data, checkpoint=path, stop_at=stop_at, **options)
    assert not same(part_net, net) and int(part.projections) == sum(s <= stop_at for s in switches)
    again_net, again, whole = run(data, checkpoint=path, **options)
    assert same(again_net, net) and same(again, ccp)
    keys = ("step", "loss", "metric", "switched")
    assert [[h.get(k) for k in keys] for h in whole] == [[h.get(k) for k in keys] for h in history]


def test_without_strength_and_projections_it_is_the_plain_loss(data):
    images, labels, batches = data
    results = []
    for wrapped in (False, True):
        torch.manual_seed(0)
        net = EmbeddingNet(small_resnet(1, (4, 8, 8, 8)), GlobalAveragePooling(), dim=D)
        loss = ChanceConstrainedLoss(contrastive_loss, C, D, proxies_per_class=K)
        whole = AlternatingProjection(net, loss, lambda i: None, labels, strength=0.0) if wrapped else loss
        train(net, whole, images, labels, batches, progress=False, device="cpu")
        results.append((net, loss))
    assert same(results[0][0], results[1][0]) and same(results[0][1], results[1][1])


def test_a_strong_anchor_holds_the_network(data):
    def travelled(strength):
        torch.manual_seed(0)
        net = EmbeddingNet(small_resnet(1, (4, 8, 8, 8)), GlobalAveragePooling(), dim=D)
        loss = ChanceConstrainedLoss(contrastive_loss, C, D, proxies_per_class=K)
        ccp = AlternatingProjection(net, loss, lambda i: None, data[1], strength=strength)
        train(net, ccp, *data, progress=False, device="cpu", weight_decay=0.0)
        return ccp.anchor.distance()

    far, middle, near = (travelled(s) for s in (0.0, 1.0, 100.0))
    assert near < middle < far


def measure(file):
    with open(file, "w") as out, contextlib.redirect_stdout(out):
        chance.main(quick=True)


@fork
def test_in_shop_fits_in_one_gibibyte(tmp_path):
    """3,997 classes, pool 7, 128 coordinates, 7 proxies: selection and one step of each loss, in their own process."""
    child = clean.Process(target=measure, args=(tmp_path / "out",))
    child.start()
    child.join()
    text = (tmp_path / "out").read_text()
    assert child.exitcode == 0, text
    peak = float(text.split("highest")[1].split()[0])
    assert 0 < peak < 1024, text
