import json

import pytest
import torch
from torch import nn

from dmlnb.data import ClassBatches
from dmlnb.losses import CrossBatchMemory, contrastive_loss
from studies import birds_losses
from studies.heads import Heads


@pytest.fixture
def study(few_birds, monkeypatch):
    folder = few_birds(birds_losses)
    rows = [
        {"method": birds_losses.tries(arm)[4], "validation_map_at_r": 0.5, "step": 0}
        for arm in birds_losses.ARMS
    ]
    (folder / "birds_losses_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(birds_losses, "IMAGES", 128)  # two steps at the centre
    monkeypatch.setattr(birds_losses, "SEEDS", range(2))
    for cached in (birds_losses.run_together, birds_losses.searched_together):
        cached.cache_clear()
    yield birds_losses
    for cached in (birds_losses.run_together, birds_losses.searched_together):
        cached.cache_clear()


@pytest.mark.parametrize("name", birds_losses.LOSSES)
def test_two_steps(study, name):
    method = f"{name}, centre"
    row = study.run(method, 1)
    shares = {"validation_map_at_r", "test_map_at_r", "test_recall_at_1"}
    assert row.keys() == shares | {"step", "rate", "own"} and all(0 <= row[key] <= 1 for key in shares)
    assert study.run(f"{method}, doubled budget", 1).keys() == row.keys()


def test_the_control_is_the_vectors_themselves(study):
    row = study.run(study.CONTROL, 0)
    assert row.keys() == {"test_map_at_r", "test_recall_at_1"}


def test_every_arm_makes_as_many_tries(study):
    assert {len(study.tries(arm)) for arm in study.ARMS} == {9}
    row = study.search(study.tries("SupCon, 30 % wrong labels")[0], study.SEARCH_SEED)
    assert set(row) == {"validation_map_at_r", "step"}


def test_arms_differ_by_one_thing_from_the_centre():
    for classes, each, share in birds_losses.CONDITIONS.values():
        same = [classes == 16, each == 4, share == 0.0, classes * each == 64]
        assert same.count(True) >= 2 and (each == 4 or classes * each == 64)


def test_a_share_of_the_labels_is_wrong():
    labels = torch.arange(40).repeat_interleave(100)
    noisy = birds_losses.wrong(labels, 0.3, seed=1)
    changed = noisy != labels
    assert abs(changed.double().mean() - 0.3) < 0.03
    assert noisy[changed].unique().tolist() == list(range(40))
    assert torch.equal(birds_losses.wrong(labels, 0.0, seed=1), labels)
    assert torch.equal(birds_losses.wrong(labels, 0.3, seed=1), noisy)


def test_heads_with_a_memory_take_the_steps_of_cross_batch_memory(monkeypatch):
    monkeypatch.setattr(birds_losses, "DIM", 3)
    labels = torch.arange(4).repeat_interleave(6)
    x = torch.randn(24, 5, generator=torch.Generator().manual_seed(0))
    table = torch.stack([*ClassBatches(labels, 4, 2, 6, seed=0)])  # 8 rows a batch
    torch.manual_seed(0)
    heads = [nn.Linear(5, 3) for _ in range(2)]
    alone = nn.Linear(5, 3)
    alone.load_state_dict(heads[1].state_dict())
    together = birds_losses.Remembering(heads, [contrastive_loss] * 2, [1e-2] * 2, [1.0] * 2, size=20)
    loss = CrossBatchMemory(contrastive_loss, 3, size=20)
    for index in table:
        both = index.expand(2, -1)
        slopes = Heads.gradients(together, x[both], labels[both]) if not together.remembered else None
        alone.zero_grad()
        loss(alone(x[index]), labels[index]).backward()
        found = together.gradients(x[both], labels[both])
        assert torch.allclose(found[0][1], alone.weight.grad, atol=1e-5)
        assert slopes is None or torch.allclose(slopes[0], found[0])
        assert torch.allclose(together.memory[1], loss.memory, atol=1e-6)
        with torch.no_grad():  # both move alike
            for weight, slope in zip(together.stacked, found, strict=True):
                weight -= 0.1 * slope
            for parameter in alone.parameters():
                parameter -= 0.1 * parameter.grad
