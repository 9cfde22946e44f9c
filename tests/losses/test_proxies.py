import math

import pytest
import torch

from dmlnb import geometry
from dmlnb.losses import (
    ProxyAnchorLoss,
    ProxyNCALoss,
    SoftTripleLoss,
    proxy_anchor_loss,
    proxy_nca_loss,
    soft_triple_loss,
)
from tests.losses.small import C, D, K, N, cosine


def test_proxy_anchor_against_a_loop(case):
    x, y, proxies, _ = case
    pull = push = 0.0
    for c in range(C):
        positive = [math.exp(-32 * (cosine(x[i], proxies[c]) - 0.1)) for i in range(N) if y[i] == c]
        negative = [math.exp(32 * (cosine(x[i], proxies[c]) + 0.1)) for i in range(N) if y[i] != c]
        pull += math.log(1 + sum(positive)) / len(y.unique())
        push += math.log(1 + sum(negative)) / C
    assert proxy_anchor_loss(x, y, proxies).item() == pytest.approx(pull + push)


def test_proxy_nca_against_a_loop(case):
    x, y, proxies, _ = case
    total = 0.0
    for i in range(N):
        s = [math.exp(cosine(x[i], p) / 0.11) for p in proxies]
        total -= math.log(s[y[i]] / sum(s)) / N
    assert proxy_nca_loss(x, y, proxies).item() == pytest.approx(total)


def test_equal_to_pytorch_metric_learning(case):
    from pytorch_metric_learning import losses as pml

    x, y, proxies, centers = case
    theirs = pml.ProxyAnchorLoss(C, D, margin=0.1, alpha=32).double()
    theirs.proxies.data = proxies.clone()
    compare(lambda e: proxy_anchor_loss(e, y, proxies), lambda e: theirs(e, y), x)

    theirs = pml.SoftTripleLoss(C, D, centers_per_class=K, la=20, gamma=0.1, margin=0.01).double()
    theirs.fc.data = centers.flatten(0, 1).T.clone()  # theirs has no merging term by itself
    ours = lambda e: soft_triple_loss(e, y, centers, scale=20, gamma=0.1, tau=0.0, margin=0.01)
    compare(ours, lambda e: theirs(e, y), x)

    theirs = pml.ProxyNCALoss(
        C, D, softmax_scale=1 / 0.22
    ).double()  # on squared distances: twice the temperature
    theirs.proxies.data = proxies.clone()
    compare(lambda e: proxy_nca_loss(e, y, proxies), lambda e: theirs(e, y), x)


def compare(ours, theirs, x):
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    first, second = ours(a), theirs(b)
    assert first.item() == pytest.approx(second.item(), rel=1e-5)
    first.backward(), second.backward()
    assert torch.allclose(a.grad, b.grad, atol=1e-6)


def test_gradients(case):
    x, y, proxies, centers = case
    x, y = x[:4].requires_grad_(), y[:4]
    assert torch.autograd.gradcheck(lambda e, p: proxy_anchor_loss(e, y, p), (x, proxies.requires_grad_()))
    assert torch.autograd.gradcheck(lambda e, p: proxy_nca_loss(e, y, p), (x, proxies))
    assert torch.autograd.gradcheck(
        lambda e, p: soft_triple_loss(e, y, p, scale=5.0, gamma=0.5), (x, centers.requires_grad_())
    )


MODULES = [ProxyAnchorLoss, ProxyNCALoss, SoftTripleLoss]


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    "embeddings", [torch.ones(6, D), torch.zeros(6, D), 1e4 * torch.randn(6, D), torch.randn(1, D)]
)
def test_extremes_stay_finite(make, dtype, embeddings):
    loss = make(C, D)
    embeddings = embeddings.detach().to(dtype).requires_grad_()
    value = loss(embeddings, torch.zeros(len(embeddings), dtype=torch.int64))
    assert value.dtype == torch.float32 and torch.isfinite(value)
    value.backward()
    assert torch.isfinite(embeddings.grad).all() and torch.isfinite(loss.proxies.grad).all()


@pytest.mark.parametrize("make", MODULES)
def test_training_the_proxies_alone_separates_separable_classes(make):
    torch.manual_seed(0)
    loss = make(3, 3)
    x, y = torch.eye(3).repeat(4, 1), torch.arange(3).repeat(4)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        loss(x, y).backward()
        optimizer.step()
    proxies = loss.proxies.detach() if loss.proxies.ndim == 2 else loss.proxies.detach().mean(dim=1)
    assert (torch.nn.functional.normalize(proxies, dim=1) @ torch.eye(3)).argmax(dim=0).tolist() == [0, 1, 2]


@pytest.mark.parametrize("make", MODULES)
def test_bad_input_is_named(make):
    loss = make(C, D)
    x, y = torch.randn(4, D), torch.tensor([0, 1, 2, 3])
    for bad, message in ((x[:, :-1], "coordinates"), (x * torch.inf, "finite"), (x[:0], "embeddings")):
        with pytest.raises(ValueError, match=message):
            loss(bad, y)
    for bad in (y + 1, y - 1, y[:2], y.float()):
        with pytest.raises(ValueError, match="labels"):
            loss(x, bad)
    with pytest.raises(ValueError, match="num_classes, dim"):
        make(0, D)
    for sizes in ((C, 0), (C, D, 0)):
        if make is SoftTripleLoss or len(sizes) == 2:
            with pytest.raises(ValueError, match="num_classes, dim"):
                make(*sizes)


def test_gradients_of_the_proxies_equal_pytorch_metric_learning(case):
    from pytorch_metric_learning import losses as pml
    from pytorch_metric_learning.regularizers import SparseCentersRegularizer

    x, y, proxies, centers = case
    anchor, nca = pml.ProxyAnchorLoss(C, D).double(), pml.ProxyNCALoss(C, D, softmax_scale=1 / 0.22).double()
    for theirs, ours in ((anchor, proxy_anchor_loss), (nca, proxy_nca_loss)):
        theirs.proxies.data = proxies.clone()
        theirs(x, y).backward()
        (found,) = torch.autograd.grad(ours(x, y, own := proxies.clone().requires_grad_()), own)
        assert torch.allclose(found, theirs.proxies.grad, rtol=1e-5, atol=1e-7)

    merge = {"weight_regularizer": SparseCentersRegularizer(C, K), "weight_reg_weight": 0.2}
    theirs = pml.SoftTripleLoss(C, D, centers_per_class=K, la=20, gamma=0.1, margin=0.01, **merge).double()
    theirs.fc.data = centers.flatten(0, 1).T.clone()
    value = theirs(x, y)
    value.backward()
    own = centers.clone().requires_grad_()
    ours = soft_triple_loss(x, y, own, scale=20, gamma=0.1, tau=0.2, margin=0.01)
    ours.backward()
    assert ours.item() == pytest.approx(value.item(), rel=1e-5)
    assert torch.allclose(own.grad.flatten(0, 1), theirs.fc.grad.T, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("make", MODULES)
def test_dtypes_integer_labels_and_autocast(make):
    loss = make(C, D)
    x, y = torch.randn(6, D), torch.tensor([0, 1, 2, 3, 0, 1])
    value = loss(x, y)
    for other in (torch.uint8, torch.int32):
        assert torch.equal(loss(x, y.to(other)), value)
    assert loss(x.double(), y).item() == pytest.approx(value.item(), rel=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(x, y), value)
    assert loss.half()(x.half(), y).dtype == torch.float32


def test_proxies_of_another_shape_or_not_finite_are_named(case):
    x, y, proxies, centers = case
    for loss in (proxy_anchor_loss, proxy_nca_loss):
        for bad in (proxies[0], centers[None], proxies[:0], proxies * torch.nan):
            with pytest.raises(ValueError, match="proxies"):
                loss(x, y, bad)
    for bad in (proxies, centers[:, :0], centers * torch.inf):
        with pytest.raises(ValueError, match="proxies"):
            soft_triple_loss(x, y, bad)


def test_bad_settings_are_named(case):
    x, y, proxies, centers = case
    with pytest.raises(ValueError, match="alpha"):
        proxy_anchor_loss(x, y, proxies, alpha=-1.0)
    with pytest.raises(ValueError, match="temperature"):
        proxy_nca_loss(x, y, proxies, temperature=0.0)
    for name, value in (("scale", 0.0), ("gamma", 0.0), ("tau", math.nan), ("margin", math.inf)):
        with pytest.raises(ValueError, match=name):
            soft_triple_loss(x, y, centers, **{name: value})


def test_several_proxies_a_class_against_loops(case):
    x, y, _, proxies = case
    cosines = [[[cosine(v, p) for p in own] for own in proxies] for v in x]  # sample, class, proxy
    pull = push = 0.0
    for c in range(C):
        for k in range(K):
            positive = [math.exp(-32 * (cosines[i][c][k] - 0.1)) for i in range(N) if y[i] == c]
            negative = [math.exp(32 * (cosines[i][c][k] + 0.1)) for i in range(N) if y[i] != c]
            pull += math.log(1 + sum(positive)) / (K * len(y.unique()))
            push += math.log(1 + sum(negative)) / (K * C)
    assert proxy_anchor_loss(x, y, proxies).item() == pytest.approx(pull + push)
    total = 0.0
    for i in range(N):
        every = [[math.exp(s / 0.11) for s in own] for own in cosines[i]]
        total -= math.log(sum(every[y[i]]) / sum(map(sum, every))) / N
    assert proxy_nca_loss(x, y, proxies).item() == pytest.approx(total)


@pytest.mark.parametrize("loss", [proxy_anchor_loss, proxy_nca_loss])
def test_one_proxy_a_class_is_the_plain_loss(loss, case):
    x, y, proxies, _ = case
    assert torch.equal(loss(x, y, proxies), loss(x, y, proxies[:, None]))


@pytest.mark.parametrize("loss", [proxy_anchor_loss, proxy_nca_loss, soft_triple_loss])
def test_the_ball_clips_long_vectors_only(loss, case):
    x, y, _, proxies = case
    long, short = 5 * geometry.normalize(proxies), 0.1 * geometry.normalize(proxies)
    assert torch.allclose(
        loss(x, y, long, normalize="ball"), loss(x, y, geometry.normalize(long), normalize="ball")
    )
    assert torch.equal(
        loss(x, y, short, normalize="ball"), loss(geometry.clip_to_ball(x), y, short, normalize=None)
    )
    assert not torch.allclose(loss(x, y, short, normalize="ball"), loss(x, y, short))
    with pytest.raises(ValueError, match="how"):
        loss(x, y, short, normalize="cube")


def test_proxy_nca_with_one_proxy_is_the_normalised_softmax_of_pytorch_metric_learning(case):
    from pytorch_metric_learning.losses import NormalizedSoftmaxLoss

    x, y, proxies, _ = case
    theirs = NormalizedSoftmaxLoss(C, D, temperature=0.07)
    theirs.W.data = proxies.mT.clone()
    assert proxy_nca_loss(x, y, proxies, temperature=0.07).item() == pytest.approx(theirs(x, y).item())
