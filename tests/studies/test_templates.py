import functools

import pytest

from studies import templates


@pytest.mark.parametrize("method", ["no block", "block, pooled", "taught, not added"])
def test_two_steps(monkeypatch, few_letters, check_row, method):
    monkeypatch.setattr(templates, "Glyphs", few_letters)
    monkeypatch.setattr(templates, "fit", functools.partial(templates.fit, steps=2))
    collages = templates.Collages
    monkeypatch.setattr(
        templates, "Collages", lambda split, number, seed: collages(split, number=8, seed=seed)
    )
    check_row("templates", method, templates.run(method, 0))
