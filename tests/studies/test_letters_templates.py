import json

import pytest
import torch

from dmlnb.models import read_all
from studies import letters_templates, stored

BLOCKS = [arm for arm, kind in letters_templates.ARMS.items() if kind]


@pytest.fixture(autouse=True)
def tiny(few_letters, few_cyrillic, monkeypatch, tmp_path):
    """A handful of images of each letter, two steps; the searches' folder holds one try of each arm."""
    for name, value in {
        "WIDTHS": (2, 3, 4, 5),
        "STEPS": 2,
        "EVERY": 1,
        "Glyphs": few_letters,
        "cyrillic_letters": few_cyrillic,
        "letters": letters_templates.letters.__wrapped__,  # not what an earlier call has kept
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
    assert all(0 <= row[key] <= 1 for key in row if key not in ("step", "parameters"))
    assert row["step"] < (4 if method in letters_templates.DOUBLED else 2)
    assert (row["rate"], row["own"]) == (0.001, 0.0001)


def test_a_try_is_judged_by_accuracy_on_validation_renderings():
    row = letters_templates.search("no block | [0.001, 0.0001]", 100)
    assert row["validation_map_at_r"] == row["validation_accuracy"]


def test_train_validation_and_test_are_other_renderings_of_the_same_letters(monkeypatch):
    asked = []
    few = letters_templates.cyrillic_letters
    draw = lambda per_class, *, seed: asked.append((per_class, seed)) or few(per_class, seed=seed)
    monkeypatch.setattr(letters_templates, "cyrillic_letters", draw)
    parts = letters_templates.letters()
    assert asked == [(100, 0), (40, 1), (60, 2)]
    assert torch.equal(parts["train"][1], parts["test"][1])
    assert not torch.equal(parts["train"][0], parts["test"][0])


def test_every_arm_starts_from_the_same_network():
    plain = letters_templates.make_net("no block", 1e-4, 3, 47)
    wanted = plain.state_dict().values()
    for arm in BLOCKS:
        net = letters_templates.make_net(arm, 0.1, 3, 47)
        stages = [stage for stage in net.stages if type(stage).__name__ != "TemplateBlock"]
        started = [value for part in (*stages, net.linear) for value in part.state_dict().values()]
        assert all(torch.equal(a, b) for a, b in zip(started, wanted, strict=True))


def test_the_block_stands_where_the_arm_says():
    for arm in BLOCKS:
        kinds = [type(stage).__name__ for stage in letters_templates.make_net(arm, 0.1, 0, 47).stages]
        assert kinds.index("TemplateBlock") == (5 if arm.startswith("inside") else 6)
        assert kinds.count("TemplateBlock") == 1


def test_weight_variant_and_kind_of_score_reach_the_training():
    arms = (
        "cosine, pooled, λ 0.0",
        "cosine, pooled, λ 0.1",
        "cosine, best, λ 0.1",
        "inner product, best, λ 0.1",
    )
    ends = [letters_templates.learn(arm, 1e-2, 0.1, 0)[0].state_dict() for arm in arms]
    templates = [next(v for k, v in end.items() if k.endswith("templates.weight")) for end in ends]
    assert (torch.pdist(torch.stack(templates).flatten(1)) > 0).all()


@pytest.mark.parametrize("arm", ["no block", "cosine, pooled, λ 0.1"])
def test_what_an_arm_tries_beside_the_rate_reaches_its_training(arm):
    given = letters_templates.letters()["test"][0]
    low, high = letters_templates.own(arm)
    ends = [letters_templates.learn(arm, 1e-2, value, 0)[0] for value in (low, high)]
    assert not torch.equal(*(read_all(end, given).logits for end in ends))
