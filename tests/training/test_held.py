"""A loss is trained however it is handed over."""

import copy
import functools

import pytest
import torch
from torch import nn

from dmlnb.data import ClassBatches
from dmlnb.losses import ProxyAnchorLoss, contrastive_loss
from dmlnb.models import Beside, EmbeddingNet, small_resnet
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import load_checkpoint, make_optimizer, modules_of, train
from dmlnb.training.held import learned_parameters, loss_module, only_used

GLOBAL = ProxyAnchorLoss(4, 6)
source = nn.Linear(1, 1)  # bears the name of an attribute of readings


def by_global(e, y):
    return GLOBAL(e, y)


def by_global_at_one_remove(e, y):
    return (lambda: by_global(e, y))()


def by_default(e, y, proxy=None):
    return proxy(e, y)


def by_keyword(e, y, *, proxy=None):
    return proxy(e, y)


class Holder:
    def __init__(self, proxy):
        self.parts = {"proxy": [proxy]}

    def value(self, e, y):
        return self.parts["proxy"][0](e, y)

    __call__ = value


def decorated(function):
    @functools.wraps(function)
    def inner(*args):
        return 1.0 * function(*args)

    return inner


def with_default(proxy):
    return lambda e, y, held=(proxy,): held[0](e, y)


FORMS = {
    "module": lambda p: p,
    "lambda": lambda p: lambda e, y: p(e, y),
    "lambda in a lambda": lambda p: (lambda f: lambda e, y: f(e, y))(lambda e, y: p(e, y)),
    "partial": lambda p: functools.partial(by_default, proxy=p),
    "partial, keyword only": lambda p: functools.partial(by_keyword, proxy=p),
    "partial of a method": lambda p: functools.partial(Holder(p).value),
    "partial by place": lambda p: functools.partial(lambda held, e, y: held(e, y), p),
    "bound method": lambda p: Holder(p).value,
    "forward": lambda p: p.forward,
    "callable object": lambda p: Holder(p),
    "default": with_default,
    "list": lambda p: (lambda held: lambda e, y: held[0](e, y))([p]),
    "dict of tuples": lambda p: (lambda held: lambda e, y: held["a"][0](e, y))({"a": (p, 1)}),
    "decorated": lambda p: decorated(lambda e, y: p(e, y)),
    "sum": lambda p: lambda e, y: p(e, y) + contrastive_loss(e, y),
}


def make(seed=0):
    torch.manual_seed(seed)
    return EmbeddingNet(small_resnet(1, (2, 4, 4, 4)), GlobalAveragePooling(), dim=6)


@pytest.fixture(scope="session")
def data():
    labels = torch.arange(4).repeat_interleave(3)
    return torch.randint(0, 256, (12, 1, 8, 8), dtype=torch.uint8), labels, ClassBatches(labels, 2, 2, 3)


def run(net, loss, data, **options):
    return train(net, loss, *data, progress=False, device="cpu", **options)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_found_trained_saved_and_resumed(form, data, tmp_path):
    torch.manual_seed(0)
    proxy = ProxyAnchorLoss(4, 6)
    begun = proxy.proxies.detach().clone()
    run(make(), FORMS[form](proxy), data, checkpoint=tmp_path / "a.safetensors")
    assert not torch.equal(begun, proxy.proxies)
    if form not in ("sum", "module"):
        alone = ProxyAnchorLoss(4, 6)
        alone.proxies.data.copy_(begun)
        run(make(), alone, data)
        assert torch.equal(alone.proxies, proxy.proxies)  # learned as if handed over as it is
    again = ProxyAnchorLoss(4, 6)
    load_checkpoint(tmp_path / "a.safetensors", make(1), FORMS[form](again))
    assert torch.equal(again.proxies, proxy.proxies)


@pytest.mark.parametrize("loss", [by_global, by_global_at_one_remove, lambda e, y: GLOBAL(e, y)])
def test_globals_that_the_code_names_are_found(loss, data):
    begun = GLOBAL.proxies.detach().clone()
    assert modules_of(loss) == [GLOBAL]
    run(make(), loss, data)
    assert not torch.equal(begun, GLOBAL.proxies)


def test_an_attribute_is_no_global():
    assert modules_of(lambda reading, y: reading.source.embeddings.sum()) == []
    assert modules_of(lambda reading, y: source(reading.embeddings)) == [source]


def test_each_is_found_once_and_a_parameter_alone_too():
    a, b = nn.Linear(2, 2), nn.Parameter(torch.ones(3))
    held = {"a": [a, (a, b)], "b": b}
    held["itself"] = held
    assert modules_of(lambda: held) == [a, b]
    assert modules_of(None) == modules_of(len) == modules_of(contrastive_loss) == []
    net = nn.Linear(2, 2)
    assert [*loss_module(lambda: held, net).parameters()] == [*a.parameters(), b]
    assert loss_module(contrastive_loss, net) is None


def test_an_empty_cell_is_no_obstacle():
    def make_loss():
        def loss(e, y):
            return late(e, y)

        found = modules_of(loss)
        late = contrastive_loss
        return found, late

    assert make_loss()[0] == []


def test_a_bare_parameter_learns(data):
    weight = nn.Parameter(torch.ones(6))
    run(make(), lambda e, y: contrastive_loss(e * weight, y), data)
    assert not torch.equal(weight, torch.ones(6))


def test_networks_that_the_loss_only_uses_stay_as_they_are(data):
    net, frozen, looking = make(), make(1).requires_grad_(False), make(2).eval()
    images = torch.rand(4, 1, 8, 8)
    before = [p.clone() for p in (*frozen.parameters(), *looking.state_dict().values())]

    def loss(e, y):
        with torch.no_grad():
            target = looking(images) + frozen(images)
        return contrastive_loss(e, y) + (e[:4] - target).square().mean() + 0 * net.linear.weight.sum()

    groups = make_optimizer(net, loss, learning_rate=1, proxy_factor=1, weight_decay=0).param_groups
    trained = [p for group in groups for p in group["params"]]
    assert {*map(id, trained)} == {*map(id, net.parameters())} and len(trained) == len({*map(id, trained)})
    run(net, loss, data)
    now = (*frozen.parameters(), *looking.state_dict().values())
    assert not looking.training and all(torch.equal(a, b) for a, b in zip(before, now, strict=True))


class Taught(nn.Module):
    """A loss with a proxy that learns and a teacher that is only used."""

    def __init__(self, teacher, net=None):
        super().__init__()
        self.teacher, self.net, self.proxies = teacher, net, ProxyAnchorLoss(4, 6)

    def forward(self, e, y):
        with torch.no_grad():
            target = self.teacher(e)
        return self.proxies(e, y) + (e - target).square().mean()


def test_a_part_in_evaluation_mode_of_a_loss_that_is_a_module_stays_as_it_is(data):
    net, teacher = make(), nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6)).eval()
    loss = Taught(teacher, net.eval())
    before, proxies = copy.deepcopy(teacher.state_dict()), loss.proxies.proxies.detach().clone()
    run(net, loss, data)
    assert not any(part.training for part in teacher.modules())
    assert all(part.training for part in (*net.modules(), loss, loss.proxies))
    assert all(torch.equal(a, b) for a, b in zip(before.values(), teacher.state_dict().values(), strict=True))
    assert not torch.equal(loss.proxies.proxies, proxies)
    assert {*map(id, learned_parameters(loss, net))} == {id(loss.proxies.proxies)}


def test_a_loss_with_a_length_of_zero_is_trained():
    class Memory(ProxyAnchorLoss):
        def __len__(self):
            return 0

    loss = Memory(4, 6)
    assert [*map(id, learned_parameters(loss, make()))] == [id(loss.proxies)]


def test_a_loss_that_an_evaluation_left_in_its_mode_is_trained_whole(data):
    net, loss = make(), Taught(nn.Linear(6, 6).requires_grad_(False)).eval()
    assert only_used(loss, net) == [] and len(learned_parameters(loss, net)) == 1
    run(net, loss, data)
    assert all(part.training for part in loss.modules())


def test_a_part_in_evaluation_mode_that_gets_a_gradient_is_refused(data):
    class Wrong(Taught):
        def forward(self, e, y):
            return self.proxies(e, y) + self.teacher(e).square().mean()

    with pytest.raises(ValueError, match=r"wants a gradient but would not be trained"):
        run(make(), Wrong(nn.Linear(6, 6).eval()), data)


def test_the_shell_around_the_network_is_not_trained_twice(data):
    net = make()
    both = Beside(net, make(1))
    head = nn.Linear(6, 6)
    whole = nn.ModuleList([both, head])
    assert [*loss_module(lambda: whole, net).parameters()] == [*head.parameters()]
    run(both.read, lambda reading, y: contrastive_loss(head(reading.embeddings), y) + 0 * len(both.maps)
        if hasattr(both, "maps") else contrastive_loss(head(reading.embeddings), y), data)  # fmt: skip
    assert loss_module(lambda: (both, net), both) is None


def test_what_cannot_be_found_is_refused_before_a_step(data):
    hidden = {"proxy": ProxyAnchorLoss(4, 6)}
    fetch = {"get": lambda: __import__("gc")}  # nothing here leads to the proxies

    class Store:
        __slots__ = ("proxy",)

    store = Store()
    store.proxy = hidden["proxy"]
    net = make()
    before = [p.clone() for p in net.parameters()]
    with pytest.raises(ValueError, match=r"loss: it uses a tensor of shape \(4, 6\) .* module that owns it"):
        run(net, lambda e, y: store.proxy(e, y) if fetch else None, data)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    with pytest.raises(ValueError, match="in training mode"):
        run(net, (lambda p: lambda e, y: p(e, y))(ProxyAnchorLoss(4, 6).eval()), data)
    with pytest.raises(ValueError, match="requires_grad_"):
        run(net, (lambda w: lambda e, y: contrastive_loss(e * w, y))(torch.ones(6, requires_grad=True)), data)


@pytest.mark.parametrize("loss, message", [
    (lambda e, y: e, "one number as a tensor, got \\(4, 6\\)"),
    (lambda e, y: 1.0, "one number as a tensor, got float"),
    (lambda e, y: e.detach().sum(), "without gradient"),
])  # fmt: skip
def test_a_value_that_cannot_be_learned_from_is_named(loss, message, data):
    with pytest.raises(ValueError, match=message):
        run(make(), loss, data)


def test_a_validation_that_sets_the_mode_of_a_held_loss_does_not_lose_it(data, tmp_path):
    proxy = ProxyAnchorLoss(4, 6)
    validate = lambda net: {"training": proxy.eval().training}
    run(
        make(),
        lambda e, y: proxy(e, y),
        data,
        validate=validate,
        validate_every=1,
        checkpoint=tmp_path / "a.safetensors",
    )
    again = ProxyAnchorLoss(4, 6)
    load_checkpoint(tmp_path / "a.safetensors", make(1), lambda e, y: again(e, y))
    assert torch.equal(again.proxies, proxy.proxies)
