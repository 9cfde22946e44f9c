import pytest
import torch
from torch import nn

from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import load_checkpoint, save_checkpoint
from tests.training.small import equal, everything, make, one_line, stepped


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_state_of_another_optimiser_is_refused_by_name(tmp_path, momentum):
    path = tmp_path / "a.safetensors"
    net, loss = make()
    sgd = lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=momentum)
    optimizer = stepped(net, loss, sgd)
    save_checkpoint(path, net, loss, optimizer)
    other, other_loss = make(1)
    adam = stepped(other, other_loss)
    before = everything(other, other_loss, adam)
    with pytest.raises(ValueError) as error:
        load_checkpoint(path, other, other_loss, adam)
    one_line(error, "state of SGD", "given is AdamW")
    assert equal(before, everything(other, other_loss, adam))
    again = stepped(other, other_loss, sgd)
    load_checkpoint(path, other, other_loss, again)
    assert equal(everything(net, loss, optimizer), everything(other, other_loss, again))
    save_checkpoint(path, net, loss)
    with pytest.raises(ValueError, match="no state of an optimiser"):
        load_checkpoint(path, net, loss, adam)


def test_an_optimiser_of_other_parameters_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    net, loss = make()
    save_checkpoint(path, net, loss, stepped(net, loss))
    fewer = torch.optim.AdamW(net.parameters())
    with pytest.raises(ValueError, match="more parameters"):
        load_checkpoint(path, net, loss, fewer)
    turned = torch.optim.AdamW([*loss.parameters(), *net.parameters()])
    with pytest.raises(ValueError, match="has shape"):
        load_checkpoint(path, net, loss, turned)


@pytest.mark.parametrize("prefix", ["_orig_mod", "module"])
def test_a_wrapped_network_is_explained(tmp_path, prefix):
    net, _ = make()
    wrapped = nn.Module()
    wrapped.add_module(prefix, net)  # as torch.compile and DataParallel name it
    for saved, given in ((wrapped, net), (net, wrapped)):
        save_checkpoint(tmp_path / "a.safetensors", saved)
        with pytest.raises(ValueError) as error:
            load_checkpoint(tmp_path / "a.safetensors", given)
        one_line(error, "torch.compile", f"{prefix}.", "this net")
        load_checkpoint(tmp_path / "a.safetensors", saved)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    save_checkpoint(tmp_path / "a.safetensors", make()[0])
    wider = EmbeddingNet(small_resnet(1, (4, 8, 8, 8)), GlobalAveragePooling(), dim=9)
    with pytest.raises(ValueError) as error:
        load_checkpoint(tmp_path / "a.safetensors", wider)
    one_line(error, "another net", "linear.weight has shape (6, 8) there, (9, 8) here")
    with pytest.raises(ValueError) as error:
        load_checkpoint(tmp_path / "a.safetensors", nn.Linear(2, 3))
    one_line(error, "another net", "it lacks bias", "it has besides backbone")
