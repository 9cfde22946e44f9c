import dataclasses
import json

import pytest
import torch

from studies import letters_distill as study
from studies import stored
from studies.distilled import TWICE, make_student

CACHED = (study.renderings, study.given, study.teacher, study.taught)


@pytest.fixture
def few(monkeypatch, tmp_path, few_cyrillic, few_letters):
    """Four renderings of each letter, one step of the teacher and two of a student, after a search."""
    monkeypatch.setattr(study, "cyrillic_letters", few_cyrillic)
    monkeypatch.setattr(study, "Glyphs", few_letters)
    monkeypatch.setattr(study, "TEACHER_STEPS", 1)
    monkeypatch.setattr(study, "WORLD", dataclasses.replace(study.WORLD, steps=2, every=1, fitted=1))
    monkeypatch.setattr(stored, "FINISHED", tmp_path)
    rows = [
        {"method": f"{arm} | [0.001, 0.0001]", "validation_map_at_r": 0.5}
        for arm in (*study.MANY, *study.CONTROLS)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "letters_distill_search.jsonl").write_text(text)
    for function in CACHED:
        function.cache_clear()
    yield tmp_path
    for function in CACHED:
        function.cache_clear()


@pytest.mark.parametrize("method", ["KD", "letKD-1 + KD", "letKD-2", "student alone" + TWICE])
def test_two_steps(few, check_row, method):
    check_row("letters_distill", method, study.run(method, 0))


def test_a_teacher_comes_from_its_file_again(few):
    net, accuracy = study.teacher(1)
    assert (few / "letters_distill_teacher_1.pt").exists()
    study.teacher.cache_clear()
    again, same = study.teacher(1)
    assert again is not net and same == accuracy
    pairs = zip(net.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_what_a_teacher_sees_is_in_the_order_of_the_images(few):
    seen, net = study.taught("", 0), study.teacher(0)[0]
    rows = torch.tensor([100, 3])
    with torch.no_grad():
        reading = net.read(study.to_float(study.given()["train"][0][rows]))
    assert torch.allclose(seen.logits[rows], reading.logits, atol=1e-5)
    for maps in seen.maps.values():
        assert torch.allclose(maps[rows], reading.maps[study.STAGES["last"]], atol=1e-5)


def test_as_many_regions_of_each_kind_are_silenced():
    content = torch.tensor([[0, 0, 0, 1], [1, 2, 2, 2], [0, 0, 2, 2], [0, 0, 0, 0]]).repeat(2, 1, 1)
    content[1][content[1] == 1] = 0  # the second image has no clutter
    masks = study.equally_many(content)
    for number, kind in enumerate(study.KINDS):
        assert masks[kind].sum(dim=(1, 2)).tolist() == [2, 0]
        assert (content[masks[kind]] == number).all()


def test_silence_everywhere_is_a_network_without_its_layers(few):
    net = make_student(study.WORLD, study.WORLD.arms["letKD-2"], 0).eval()
    images, labels = study.given()["test"]
    off = study.accuracy_without(net, images, labels, torch.ones(len(images), 8, 8, dtype=torch.bool))
    on = study.accuracy_without(net, images, labels, torch.zeros(len(images), 8, 8, dtype=torch.bool))
    right = lambda: (net(study.to_float(images)).argmax(dim=1) == labels).double().mean().item()
    with torch.no_grad():
        assert on == pytest.approx(right())
        net.kd_layers.clear()
        assert off == pytest.approx(right())


def test_nats_are_there_for_both_maps_and_codes(few):
    found = study.nats()
    assert found["decision targets"]["middle maps, 8 sub-classes"] > 0
    assert found["codes"] > 0


def test_what_is_stored_so_far_are_the_seeds_that_all_arms_of_a_kind_have(few):
    done = [(arm, seed) for arm in study.MANY for seed in (0, 1, 2) if (arm, seed) != ("KD", 2)]
    done += [("letKD-2", 0), *((arm, 0) for arm in study.DOUBLED[:2])]
    rows = "".join(json.dumps({"method": arm, "seed": seed}) + "\n" for arm, seed in reversed(done))
    (few / "letters_distill.jsonl").write_text(rows)
    found = study.finished()
    seeds = {arm: [row["seed"] for row in runs] for arm, runs in found.items()}
    assert seeds == {arm: [0, 1] for arm in study.MANY} | {"letKD-2": [0]} | {
        a: [0] for a in study.DOUBLED[:2]
    }
    assert all("method" not in row for runs in found.values() for row in runs)
