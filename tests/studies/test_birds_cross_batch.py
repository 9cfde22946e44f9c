import json

import pytest
import torch

from studies import birds_cross_batch as study

BEST = "[0.001, 0.01]", "[0.001, [0.1, 0.05]]"


@pytest.fixture
def small(few_birds, monkeypatch):
    """Two steps on few birds; the search is written by hand."""
    folder = few_birds(study)
    monkeypatch.setattr(study, "ROWS_AGAINST", (4, 8))
    for part, names in (
        ("search", [t for arm in study.ARMS for t in study.tries(arm)]),
        ("screening", study.SCREENING),
    ):
        rows = [
            {"method": name, "seed": 100, "validation_map_at_r": 0.6 if name.endswith(BEST) else 0.5}
            for name in names
        ]
        (folder / f"{study.NAME}_{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize("method", study.METHODS)
def test_two_steps(small, check_row, method):
    check_row(study.NAME, method, study.run(method, 0))


@pytest.mark.parametrize("method", (study.AT_RATES[0], study.AT_RATES[3]))
def test_two_steps_at_a_rate(small, check_row, method):
    check_row(f"{study.NAME}_rates", method, study.run(method, 0))


@pytest.mark.parametrize("method", study.FOLD_METHODS[:2])
def test_two_steps_of_a_fold(small, check_row, method):
    check_row(f"{study.NAME}_folds", method, study.run_fold(method, 0))


def test_folds_divide_the_species_of_training_and_validation_and_leave_those_of_the_test(small):
    _, means, labels = study.world(None)
    held = []
    for fold in range(study.FOLDS):
        _, own, y = study.world(fold)
        assert torch.equal(own["test"], means["test"]) and len(own["train"]) == len(y["train"])
        assert y["train"].max() + 1 == 15 and y["validation"].max() + 1 == 5  # of twenty species, four folds
        held.append(own["validation"])
    images = torch.cat(held).flatten(1)
    assert torch.equal(
        images.sort(dim=0).values,
        torch.cat([means["train"], means["validation"]]).flatten(1).sort(dim=0).values,
    )


def test_every_arm_makes_nine_tries(small):
    assert {len(study.tries(arm)) for arm in study.ARMS} == {9}
    rows = [study.search(study.tries(arm)[0], 100) for arm in study.ARMS[:2]] + [
        study.screen("as released", 100)
    ]
    assert {frozenset(row) for row in rows} == {
        frozenset({"validation_map_at_r", "step", "last_validation_map_at_r"})
    }


def test_settings_of_the_arms(small):
    base, xml = study.START | {"weight": 0.0}, study.START | {"weight": 0.1, "ridge": 0.05}
    assert study.setting("contrastive") == ("contrastive", 1e-3, 1e-2, base)
    assert study.setting("contrastive, doubled budget") == ("contrastive", 1e-3, 1e-2, base)
    assert study.setting("Proxy-Anchor + XML") == ("Proxy-Anchor", 1e-3, 1e-4, xml)
    assert study.setting("contrastive + XML, rate 0.0003") == ("contrastive", 3e-4, 1e-4, study.START)
    assert study.setting("contrastive, rate 0.0003") == ("contrastive", 3e-4, 1e-4, base)


def test_base_and_xml_begin_alike(small):
    start = {}
    for weight in (0.0, 0.1):
        net, _, _ = study.trained("contrastive", 0.0, 0.0, study.START | {"weight": weight}, 3, steps=1)
        start[weight] = net.linear.weight
    assert torch.equal(start[0.0], start[0.1])


def test_attributes_that_are_linear_in_the_embedding_explain_other_classes():
    labels = torch.arange(20).repeat_interleave(8)
    x = torch.nn.functional.normalize(torch.randn(160, 6), dim=1)
    assert study.batch_error(x @ torch.randn(6, 6), x, labels, 1e-9) < 1e-3
    assert study.batch_error(torch.rand(160, 6), x, labels, 1e-6) > 0.9
