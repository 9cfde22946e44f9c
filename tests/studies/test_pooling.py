import pytest
import torch

from dmlnb.models import Reading
from studies import pooling


@pytest.fixture(autouse=True)
def tiny(monkeypatch, few_letters):
    monkeypatch.setattr(
        pooling, "letters", lambda split, clutter, _=None: few_letters(split, clutter=clutter)
    )
    monkeypatch.setattr(pooling, "STEPS", 2)


@pytest.mark.parametrize("method", ["GeM | heavy", "GSP | light"])
def test_two_steps(check_row, method):
    check_row("pooling", method, pooling.run(method, 0))


def test_mass_on_a_letter_counts_the_weights_on_its_regions(few_letters):
    class Corner(torch.nn.Module):
        """All weight on the first region."""

        def read(self, images):
            weights = torch.zeros(len(images), 8, 8)
            weights[:, 0, 0] = 1
            return Reading(images.flatten(1), weights=weights)

    data = few_letters("validation")
    found = pooling.mass_on_letter(Corner(), data)
    ink = data.masks[:, :4, :4].float().mean(dim=(1, 2))  # (N,) the share of ink in the first region
    assert found["mass_on_ink"] == pytest.approx(ink.mean().item(), abs=1e-6)
    assert found["mass_on_touched"] == pytest.approx((ink > 0).float().mean().item(), abs=1e-6)
    assert found["area_ink"] == pytest.approx(data.masks.float().mean().item(), abs=1e-6)
