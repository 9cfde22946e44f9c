import pytest
import torch

from dmlnb.course.recipes import glyph_baseline
from dmlnb.data import Glyphs
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GlobalAveragePooling, GlobalMaxPooling

SMALL = {"widths": (4, 4, 6, 8), "dim": 6, "seed": 3, "progress": False}


@pytest.fixture(scope="session")
def letters():
    return Glyphs("train", per_class=1)


def test_without_steps_it_is_the_network_of_its_seed_in_evaluation_mode():
    state = torch.random.get_rng_state()
    net, history = glyph_baseline(GlobalAveragePooling(), steps=0, **SMALL)
    assert torch.equal(torch.random.get_rng_state(), state)  # the caller's generator is left alone
    torch.manual_seed(3)
    expected = EmbeddingNet(small_resnet(widths=SMALL["widths"]), GlobalAveragePooling(), 6)
    assert history == [] and not net.training
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), expected.parameters(), strict=True))


def test_every_pooling_begins_alike_and_sees_the_same_images(letters):
    seen = []

    class Watched(GlobalMaxPooling):
        def forward(self, maps):
            seen.append(maps.detach().clone())
            return super().forward(maps)

    for _ in range(2):
        net, history = glyph_baseline(Watched(), steps=2, train_set=letters, **SMALL)
        assert [entry["step"] for entry in history] == [0, 1] and not net.training
    assert len(seen) == 4 and torch.equal(seen[0], seen[2]) and torch.equal(seen[1], seen[3])
    assert seen[0].shape == (128, 8, 8, 8)


def test_it_goes_on_from_its_checkpoint(letters, tmp_path):
    path = tmp_path / "run.safetensors"
    net, history = glyph_baseline(
        GlobalAveragePooling(), steps=2, train_set=letters, checkpoint=path, **SMALL
    )
    again, same = glyph_baseline(GlobalAveragePooling(), steps=2, train_set=letters, checkpoint=path, **SMALL)
    assert history == same
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_negative_steps_are_refused():
    with pytest.raises(ValueError, match="steps: expected 0 or more"):
        glyph_baseline(GlobalAveragePooling(), steps=-1)
