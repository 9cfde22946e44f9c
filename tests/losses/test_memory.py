from functools import partial

import pytest
import torch
from torch import nn

from dmlnb.losses import (
    CrossBatchMemory,
    contrastive_loss,
    cosine_contrastive_loss,
    multi_similarity_loss,
    supcon_loss,
    triplet_loss,
)
from dmlnb.training import train

D, BATCH = 4, 6


def batches(steps, rows=BATCH, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(rows, D, generator=g), torch.randint(0, 3, (rows,), generator=g)) for _ in range(steps)
    ]


def by_lists(loss, steps, size, weight):
    """The last value, with the memory as a plain list."""
    remembered = []
    for x, y in steps:
        value = loss(x, y)
        last = remembered[-size:]
        if last:
            rows, labels = zip(*last, strict=True)
            more = loss(x, y, references=torch.stack(rows), reference_labels=torch.stack(labels))
            value = value + weight * more
        remembered += list(zip(x, y, strict=True))
    return value


@pytest.mark.parametrize(
    "loss", [contrastive_loss, cosine_contrastive_loss, triplet_loss, multi_similarity_loss, supcon_loss]
)
@pytest.mark.parametrize("size, steps", [(100, 3), (10, 5), (4, 3), (6, 1)])
def test_equal_to_a_list_of_what_was_seen(loss, size, steps):
    memory = CrossBatchMemory(loss, D, size=size, weight=0.7)
    for x, y in batches(steps):
        value = memory(x, y)
    assert value.item() == pytest.approx(by_lists(loss, batches(steps), size, 0.7).item(), rel=1e-5)


def test_equal_to_the_memory_and_the_loss_of_pytorch_metric_learning():
    from pytorch_metric_learning import losses as pml

    ours = CrossBatchMemory(partial(contrastive_loss, negative_margin=1.0), D, size=15)
    base = pml.ContrastiveLoss(pos_margin=0, neg_margin=1.0)
    theirs = pml.CrossBatchMemory(base, D, memory_size=15)
    for step, (x, y) in enumerate(batches(5)):
        rows = theirs.embedding_memory[: min(step * BATCH, 15)].clone()
        labels = theirs.label_memory[: len(rows)].clone()
        a, b = (x.clone().requires_grad_() for _ in range(2))
        expected = base(a, y) + (base(a, y, ref_emb=rows, ref_labels=labels) if step else 0)
        found = ours(b, y)
        assert found.item() == pytest.approx(expected.item(), rel=1e-5)
        found.backward(), expected.backward()
        assert torch.allclose(a.grad, b.grad, atol=1e-6)
        theirs(x, y)  # it remembers the batch first, and compares with it as well
        assert torch.equal(ours.memory, theirs.embedding_memory)
        assert torch.equal(ours.memory_labels, theirs.label_memory)


def test_what_is_remembered_has_no_gradient_and_does_not_change_under_a_backward_pass():
    memory = CrossBatchMemory(contrastive_loss, D, size=8)
    for x, y in batches(3):
        leaf = x.clone().requires_grad_()
        value = memory(leaf, y)  # overwrites rows that the value depends on
        value.backward()
        assert torch.isfinite(leaf.grad).all() and not memory.memory.requires_grad
    assert not list(memory.parameters())


def test_evaluation_remembers_nothing():
    memory, (first, second) = CrossBatchMemory(contrastive_loss, D), batches(2)
    memory(*first)
    before = {key: value.clone() for key, value in memory.state_dict().items()}
    memory.eval()(*second)
    assert all(torch.equal(before[key], value) for key, value in memory.state_dict().items())
    assert int(memory.seen) == BATCH


def test_weight_zero_is_the_loss():
    memory = CrossBatchMemory(supcon_loss, D, weight=0.0)
    for x, y in batches(2):
        assert memory(x, y).item() == pytest.approx(supcon_loss(x, y).item())


def test_a_training_that_was_interrupted_goes_on_with_its_memory(tmp_path):
    x, y = torch.randn(40, 5, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 4
    table = [torch.arange(40)[i::5] for i in range(5)] * 2

    def run(**options):
        torch.manual_seed(0)
        net, loss = (
            nn.Sequential(nn.Flatten(), nn.Linear(5, D)),
            CrossBatchMemory(contrastive_loss, D, size=20),
        )
        train(
            net,
            loss,
            x[..., None, None],
            y,
            table,
            augment=None,
            device="cpu",
            progress=False,
            **options,
        )
        return [*net.state_dict().values(), *loss.state_dict().values()]

    whole = run()
    run(checkpoint=tmp_path / "a.safetensors", stop_at=3)
    assert all(map(torch.equal, run(checkpoint=tmp_path / "a.safetensors"), whole))


def test_bad_input_is_named():
    for name, bad in (("size", 0), ("dim", 2.5), ("weight", -1.0)):
        with pytest.raises(ValueError, match=f"^{name}: expected"):
            CrossBatchMemory(contrastive_loss, **{"dim": D, name: bad})
    memory = CrossBatchMemory(contrastive_loss, D)
    with pytest.raises(ValueError, match="embeddings: expected 4 coordinates as the memory, got 3"):
        memory(torch.randn(2, 3), torch.arange(2))
    with pytest.raises(ValueError, match="labels"):
        memory(torch.randn(2, D), torch.arange(3))
    assert int(memory.seen) == 0
