import copy

import torch
from torch import nn

from dmlnb.losses import TemplateSupervision, relaxed_contrastive_loss
from dmlnb.models import Beside, EmbeddingNet, KDLayer, Stages, TemplateBlock, small_resnet
from dmlnb.pooling import GeneralizedMeanPooling
from dmlnb.training import train
from tests.processes import fork, together


def net(dim=8, widths=(4, 4, 6, 8)):
    return EmbeddingNet(small_resnet(widths=widths), GeneralizedMeanPooling(), dim)


IMAGES = torch.randn(3, 1, 32, 32)


def test_both_read_the_same_images_and_only_the_network_learns():
    target, source = net(), net(5)
    before = {name: value.clone() for name, value in source.state_dict().items()}
    both = Beside(target, source).train()
    seen = both.read(IMAGES)
    assert seen.embeddings.shape == (3, 8) and seen.embeddings.requires_grad
    found, wanted = seen.source, source.eval().read(IMAGES)
    assert torch.equal(found.embeddings, wanted.embeddings) and not found.embeddings.requires_grad
    assert all(torch.equal(found.maps[k], wanted.maps[k]) for k in wanted.maps)
    assert not any(m.requires_grad for m in found.maps.values()) and seen.maps["5"].requires_grad
    seen.embeddings.square().sum().backward()
    assert all(p.grad is None for p in source.parameters())
    now = source.state_dict()  # running means too
    assert all(torch.equal(before[name], value) for name, value in now.items())


def test_calling_it_is_calling_the_network():
    both = Beside(net(), net(5)).eval()
    assert torch.equal(both(IMAGES), both.net(IMAGES))


def test_the_source_stays_in_evaluation_mode():
    both = Beside(net(), net()).eval().train()
    assert both.training and both.net.training and not both.source.training
    assert not any(m.training for m in both.source.modules())


def test_the_source_moves_along():
    both = Beside(net(), net(5)).double()
    seen = both.read(IMAGES.double())
    for x in (seen.embeddings, seen.source.embeddings, seen.source.maps["5"]):
        assert x.dtype == torch.float64
    assert {p.device.type for p in both.to("meta").source.parameters()} == {"meta"}


def test_any_module_can_be_the_source():
    seen = Beside(net(), nn.Flatten()).read(IMAGES)
    assert torch.equal(seen.source.embeddings, IMAGES.flatten(1)) and seen.source.maps == {}


def test_it_is_trained_by_its_readings_and_the_source_is_left_alone():
    target, source = net(), net(5)
    before = [{k: v.clone() for k, v in n.state_dict().items()} for n in (target, source)]
    images, index = torch.randint(256, (12, 1, 16, 16), dtype=torch.uint8), torch.arange(12)
    similar = lambda r, _: relaxed_contrastive_loss(
        r.embeddings, torch.cdist(r.source.embeddings, r.source.embeddings).neg().exp()
    )
    both = Beside(target, source)
    train(both.read, similar, images, index, [index] * 3, augment=None, progress=False, device="cpu")
    changed = [
        [not torch.equal(v, old[k]) for k, v in n.state_dict().items()]
        for n, old in zip((target, source), before, strict=True)
    ]
    assert all(changed[0]) and not any(changed[1]) and not source.training


def test_a_copy_is_on_its_own():
    both = Beside(net(), net(5))
    both.read(IMAGES).embeddings.sum().backward()
    twin = copy.deepcopy(both)
    with torch.no_grad():
        both.net.linear.weight.zero_(), both.source.linear.weight.zero_()
    seen = twin.read(IMAGES)
    assert seen.embeddings.abs().max() > 0 and seen.source.embeddings.abs().max() > 0


# --- two processes -------------------------------------------------------------------------------------------------


class Read(nn.Module):
    """What is given to DistributedDataParallel: a forward pass that is the reading of both networks."""

    def __init__(self, both):
        super().__init__()
        self.both = both

    def forward(self, images):
        return self.both.read(images)


def one_of_two(rank: int) -> dict:
    torch.manual_seed(rank)  # DDP itself makes the start equal
    student = EmbeddingNet(
        Stages(small_resnet(1, (4, 4, 6, 8)), TemplateBlock(8, 4), KDLayer(8, 4)), GeneralizedMeanPooling(), 5
    )
    start = student.linear.weight.detach().clone()
    read = nn.parallel.DistributedDataParallel(Read(Beside(student, net(5))), find_unused_parameters=False)
    loss = TemplateSupervision(lambda x, labels: x.square().mean())
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for step in range(3):
        images = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(10 * step + rank))
        seen = read(images)
        value = loss(seen, torch.arange(4)) + (seen.embeddings - seen.source.embeddings).square().mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return {"student": student.state_dict(), "images": images, "start": start}


@fork
def test_two_processes_end_in_the_same_weights(tmp_path):
    one, two = (end.result for end in together(one_of_two, tmp_path))
    assert not torch.equal(one["images"], two["images"])  # each saw images of its own
    assert not torch.equal(one["start"], two["start"])
    weights = [key for key in one["student"] if "running" not in key]
    assert len(weights) > 20 and all(torch.equal(one["student"][key], two["student"][key]) for key in weights)
    assert not torch.equal(one["student"]["linear.weight"], one["start"])
