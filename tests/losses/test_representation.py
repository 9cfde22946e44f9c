import math

import pytest
import torch

from dmlnb.losses import ContrastiveRepresentationLoss

LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 3])


def make(**options):
    return ContrastiveRepresentationLoss(5, 6, LABELS, dim=4, **{"negatives": 7, **options}).double()


def batch(rows=3):
    return torch.randn(rows, 5, dtype=torch.float64), torch.randn(rows, 6, dtype=torch.float64)


def test_against_a_loop(monkeypatch):
    loss, (target, source), index = make(), batch(), torch.tensor([0, 4, 9])
    drawn = torch.tensor([[1, 2, 4, 5, 7, 8, 9], [0, 2, 3, 5, 6, 8, 9], [0, 1, 2, 3, 4, 5, 6]])
    monkeypatch.setattr(loss, "_draw", lambda index: drawn)
    memories = {"target": loss.target_memory.clone(), "source": loss.source_memory.clone()}
    total = 0.0
    for own, other, project, features in (
        ("target", "source", loss.project_target, target),
        ("source", "target", loss.project_source, source),
    ):
        v = [project(f) / project(f).norm() for f in features]
        e = [
            [
                math.exp((memories[other][k] @ v[b]).item() / 0.07)
                for k in [index[b].item(), *drawn[b].tolist()]
            ]
            for b in range(3)
        ]
        z = sum(map(sum, e)) / 24 * 10
        for row in e:
            x = [value / z for value in row]
            total -= math.log(x[0] / (x[0] + 0.7 + 1e-7)) / 3
            total -= sum(math.log(0.7 / (value + 0.7 + 1e-7)) for value in x[1:]) / 3
        assert own in memories
    assert loss(target, source, index).item() == pytest.approx(total, rel=1e-6)


def test_negatives_are_all_images_of_other_classes_and_no_other():
    loss = make(negatives=4000)
    index = torch.arange(10)
    drawn = loss._draw(index)
    for i in range(10):
        allowed = (LABELS != LABELS[i]).nonzero().flatten()
        seen, counts = drawn[i].unique(return_counts=True)
        assert torch.equal(seen, allowed)
        assert (counts / 4000 - 1 / len(allowed)).abs().max() < 0.04  # evenly


def test_memories_move_half_way_in_training_only():
    loss, (target, source), index = make(), batch(), torch.tensor([0, 4, 9])
    before = loss.target_memory.clone()
    loss.eval()(target, source, index)
    assert torch.equal(loss.target_memory, before)
    loss.train()(target, source, index)
    u = torch.nn.functional.normalize(loss.project_target(target), dim=1)
    moved = torch.nn.functional.normalize(0.5 * before[index] + 0.5 * u, dim=1)
    assert torch.allclose(loss.target_memory[index], moved)
    rest = [i for i in range(10) if i not in index]
    assert torch.equal(loss.target_memory[rest], before[rest])


def test_the_normaliser_is_set_once():
    loss, index = make(), torch.tensor([0, 4, 9])
    loss(*batch(), index)
    first = loss.normalizers.clone()
    loss(*batch(), index)
    assert (first > 0).all() and torch.equal(loss.normalizers, first)


def test_both_projections_learn_but_not_the_source():
    loss, (target, source) = make(), batch()
    target.requires_grad_(), source.requires_grad_()
    loss(target, source, torch.tensor([0, 1, 2])).backward()
    assert target.grad.abs().sum() > 0 and source.grad is None
    assert all(p.grad is not None for p in loss.parameters())


def test_training_brings_an_image_nearer_to_its_memory():
    torch.manual_seed(0)
    labels = torch.arange(12)
    loss = ContrastiveRepresentationLoss(6, 6, labels, dim=8, negatives=64)
    source, target = torch.randn(12, 6), torch.randn(12, 6, requires_grad=True)
    optimizer = torch.optim.Adam([target, *loss.parameters()], lr=0.02)
    values = []
    for _ in range(150):
        optimizer.zero_grad()
        value = loss(target, source, labels)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]
    u = torch.nn.functional.normalize(loss.project_target(target), dim=1)
    assert ((u @ loss.source_memory.T).argmax(dim=1) == labels).float().mean() > 0.8


def test_zeros_stay_finite():
    loss = make()
    for project in (loss.project_target, loss.project_source):
        torch.nn.init.zeros_(project.bias)
    value = loss(
        torch.zeros(2, 5, dtype=torch.float64), torch.zeros(2, 6, dtype=torch.float64), torch.tensor([0, 1])
    )
    value.backward()
    assert torch.isfinite(value) and all(torch.isfinite(p.grad).all() for p in loss.parameters())


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="two classes"):
        ContrastiveRepresentationLoss(5, 6, torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="temperature"):
        make(temperature=0)
    loss, (target, source) = make(), batch()
    for index in (torch.tensor([0, 1, 10]), torch.tensor([0, 1]), torch.tensor([0, 1, -1])):
        with pytest.raises(ValueError, match="index"):
            loss(target, source, index)
    with pytest.raises(ValueError, match="source: expected 3 rows"):
        loss(target, source[:2], torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match="target"):
        loss(target * torch.nan, source, torch.tensor([0, 1, 2]))
