import json

import pytest
import torch

from studies import letters_templates, stored


@pytest.fixture(autouse=True)
def tiny(few_letters, few_cyrillic, monkeypatch, tmp_path):
    """Four images of each letter, two steps; the searches' folder holds one try of each arm."""
    for name, value in {
        "STEPS": 2,
        "EVERY": 1,
        "Glyphs": few_letters,
        "cyrillic_letters": few_cyrillic,
    }.items():
        monkeypatch.setattr(letters_templates, name, value)
    monkeypatch.setattr(stored, "FINISHED", tmp_path)
    rows = [
        {"method": f"{arm} | [0.001, 0.0001]", "validation_map_at_r": 0.5} for arm in letters_templates.ARMS
    ]
    (tmp_path / "letters_templates_search.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("method", [*letters_templates.ARMS, *letters_templates.DOUBLED])
def test_two_steps(check_row, method):
    row = letters_templates.run(method, 0)
    check_row("letters_templates", method, row)
    assert row["step"] < (4 if method in letters_templates.DOUBLED else 2)


def test_a_try_is_judged_by_accuracy_on_validation_renderings():
    row = letters_templates.search("no block | [0.001, 0.0001]", 100)
    assert row["validation_map_at_r"] == row["validation_accuracy"]


def test_every_arm_starts_from_the_same_network():
    plain = letters_templates.make_net("no block", 3, 47)
    for arm in letters_templates.ARMS:
        net = letters_templates.make_net(arm, 3, 47)
        assert torch.equal(net.linear.weight, plain.linear.weight)
        convolutions = [p for p in net.stages.parameters() if p.dim() == 4 and p.shape[0] != 47]
        wanted = [p for p in plain.stages.parameters() if p.dim() == 4]
        assert all(torch.equal(a, b) for a, b in zip(convolutions, wanted, strict=True))


def test_the_block_stands_where_the_arm_says():
    for arm, place in (("behind, pooled, λ 0.1", 6), ("inside, pooled, λ 0.1", 5)):
        kinds = [type(stage).__name__ for stage in letters_templates.make_net(arm, 0, 47).stages]
        assert kinds.index("TemplateBlock") == place
