"""How any checker behaves; GAP stands for all of them."""

import pytest
import torch

from dmlnb.course import checks


def test_a_stub_that_raises_not_implemented_is_not_attempted(capsys):
    def stub(features):
        raise NotImplementedError

    checks.gap(stub)
    assert "not attempted yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda features: 1 / 0, "it raised ZeroDivisionError: division by zero"),
        (lambda: 1, "it raised TypeError"),
        (lambda features: features @ features.new_zeros(99), "it raised RuntimeError"),
        (lambda features: "text", "does not hold"),
        (lambda features: {}, "does not hold"),
        (lambda features: features.mean(dim=(2, 3)) * torch.nan, "does not hold"),
        (3.0, "a function is expected"),
        (torch.zeros(2), "a function is expected"),
    ],
)
def test_nothing_stops_the_notebook(attempt, words, capsys):
    package = checks.gap(attempt)
    text = capsys.readouterr().out
    assert text.startswith("wrong, because ") and words in text
    assert package(torch.ones(2, 3, 4, 4)).shape == (2, 3)


def test_none_after_the_first_property_is_wrong(capsys):
    checks.cover_radius(lambda points, centres: 0.0 if len(points) == 3 else None)
    assert "wrong, because" in capsys.readouterr().out


def test_an_attempt_cannot_spoil_the_inputs(capsys):
    def greedy(features):
        result = features.mean(dim=(2, 3))
        features.zero_()
        return result

    for _ in range(2):
        assert checks.gap(greedy) is greedy


def test_an_attempt_may_use_random_numbers_without_side_effects():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    checks.gap(lambda features: torch.randn(features.shape[:2]))
    assert torch.rand(1) == expected
