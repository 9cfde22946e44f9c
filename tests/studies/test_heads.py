import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from dmlnb.losses import (
    AlternatingProjection,
    ChanceConstrainedLoss,
    contrastive_loss,
    multi_similarity_loss,
    proxy_anchor_loss,
    triplet_loss,
)
from dmlnb.retrieval import evaluate
from studies.heads import Heads, fit_together, retrieval

C, N, CHANNELS, D, STEPS = 4, 24, 5, 3, 6


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(C).repeat_interleave(N // C)
    splits = ("train", "validation")
    vectors = {split: torch.randn(N, CHANNELS, generator=generator) for split in splits}
    tables = torch.randint(0, N, (2, STEPS, 8), generator=generator)
    return vectors, dict.fromkeys(splits, labels), tables


def made(base, proxies, data, seeds=(0, 1)):
    vectors, labels, _ = data
    heads, losses = [], []
    for seed in seeds:
        torch.manual_seed(seed)
        heads.append(nn.Linear(CHANNELS, D))
        if proxies == 0:
            losses.append(partial(base, normalize="ball"))
            continue
        loss = ChanceConstrainedLoss(base, C, D, proxies_per_class=proxies)
        embed = partial(lambda head, index: head(vectors["train"][index]), heads[-1])
        losses.append(
            AlternatingProjection(heads[-1], loss, embed, labels["train"], strength=0.5, patience=1)
        )
    return heads, losses


def alone(head, loss, data, table, rate, factor):
    """The same training with torch's optimiser, loss and clipping."""
    vectors, labels, _ = data
    learned = [] if isinstance(loss, partial) else [loss.loss.proxies]
    optimizer = torch.optim.AdamW(
        [
            {"params": [head.weight], "weight_decay": 1e-4},
            {"params": [head.bias], "weight_decay": 0.0},
            {"params": learned, "weight_decay": 0.0, "lr": rate * factor},
        ],
        lr=rate,
    )
    for index in table:
        optimizer.zero_grad()
        loss(head(vectors["train"][index]), labels["train"][index]).backward()
        clip_grad_norm_([head.weight, head.bias, *learned], 0.05)
        optimizer.step()
    return [head.weight, head.bias, *learned]


@pytest.mark.parametrize(
    ("base", "proxies"),
    [
        (multi_similarity_loss, 0),
        (triplet_loss, 0),
        (contrastive_loss, 2),
        (triplet_loss, 2),
        (proxy_anchor_loss, 2),
    ],
)
def test_side_by_side_is_as_alone(data, base, proxies):
    heads, losses = made(base, proxies, data)
    others, their_losses = copy.deepcopy((heads, losses)) if proxies else (copy.deepcopy(heads), losses)
    together = Heads(heads, losses, [1e-2, 3e-2], [1.0, 10.0], clip=0.05)
    for index in data[2].unbind(dim=1):
        together.step(data[0]["train"][index], data[1]["train"][index])
    for i, (rate, factor) in enumerate(((1e-2, 1.0), (3e-2, 10.0))):
        wanted = alone(others[i], their_losses[i], data, data[2][i], rate, factor)
        found = [heads[i].weight, heads[i].bias] + ([together.base[i].proxies] if proxies else [])
        for a, b in zip(found, wanted, strict=True):
            assert torch.allclose(a, b, atol=2e-5), (a - b).abs().max()


def test_each_head_keeps_its_best_step(data):
    heads, losses = made(multi_similarity_loss, 0, data)
    together = Heads(heads, losses, [0.1, 0.1], [1.0, 1.0])
    seen = [[], []]
    observe = lambda i, metric: seen[i].append((metric, heads[i].weight.clone()))
    kept = fit_together(together, *data, every=2, observe=observe)
    for i, found in enumerate(kept):
        values = [metric for metric, _ in seen[i]]
        assert len(values) == 3 and found["validation_map_at_r"] == max(values)
        first = values.index(max(values))
        assert found["step"] == 2 * first + 1 and torch.equal(heads[i].weight, seen[i][first][1])


def test_a_projection_moves_the_stacked_weights(data):
    heads, losses = made(contrastive_loss, 2, data)
    together = Heads(heads, losses, [0.1, 0.1], [1.0, 1.0])
    losses[0].observe(0.5)
    start = [w.clone() for w in together.stacked]
    together.step(data[0]["train"][data[2][:, 0]], data[1]["train"][data[2][:, 0]])
    assert losses[0].observe(0.1)
    for w, was in zip(together.stacked[:2], start, strict=False):
        assert torch.equal(w[0], was[0]) and not torch.equal(w[1], was[1])
    assert not torch.equal(together.stacked[2][0], start[2][0])  # new proxies


def test_retrieval_is_that_of_the_package():
    generator = torch.Generator().manual_seed(1)
    labels = torch.tensor([0] * 3 + [1] * 7 + [2] * 2)
    x = torch.randn(len(labels), 4, generator=generator)
    report = evaluate(x, labels)
    assert retrieval(x, labels) == pytest.approx((report.recall_at[1], report.map_at_r), abs=1e-6)
