import pytest
import torch

from dmlnb.course.recipes import glyph_baseline
from dmlnb.pooling import hard_histogram
from studies import mixtures


@pytest.fixture(autouse=True)
def small(monkeypatch, few_letters, few_birds):
    few_birds(mixtures)
    untrained = lambda pooling, **_: glyph_baseline(pooling, steps=0)
    monkeypatch.setattr(mixtures, "Glyphs", lambda split, per_class=None: few_letters(split))
    monkeypatch.setattr(mixtures, "glyph_baseline", untrained)
    monkeypatch.setattr(mixtures, "POOL", 160)
    mixtures.world.cache_clear()
    yield
    mixtures.world.cache_clear()


@pytest.mark.parametrize("name", mixtures.WORLDS)
def test_rows_are_as_stored_and_keep_the_bound(name, check_row):
    for prototypes in ("2 prototypes", f"32 {mixtures.OF_TEST}", mixtures.DOUBLED):
        method = f"{name} | {prototypes}"
        row = mixtures.run(method, 0)
        check_row("mixtures", method, row)
        assert 0 < row["share_of_bound"] <= 1


def test_prototypes_come_from_training_classes_but_for_the_control(monkeypatch):
    asked = []
    fit = mixtures.fit_prototypes
    monkeypatch.setattr(mixtures, "fit_prototypes", lambda *given: asked.append(given) or fit(*given))
    here = mixtures.world("photographs")
    for prototypes in ("8 prototypes", f"8 {mixtures.OF_TEST}", mixtures.DOUBLED):
        mixtures.run(f"photographs | {prototypes}", 3)
    assert [given[0] is here.train for given in asked] == [True, False, True]
    assert [given[1:] for given in asked] == [(8, 3, 160), (8, 3, 160), (128, 3, 320)]


def test_an_image_is_described_by_its_nearest_prototypes():
    regions, prototypes = torch.randn(130, 9, 5), torch.randn(4, 5)
    histogram, mixture, radius = mixtures.describe(regions, prototypes)
    assert torch.allclose(histogram, hard_histogram(regions, prototypes, cost="euclidean"))
    for image, z, mixed, r in zip(regions[::40], histogram[::40], mixture[::40], radius[::40], strict=True):
        assert torch.allclose(mixed, sum(z[i] * prototypes[i] for i in range(4)), atol=1e-6)
        nearest = [min(float((f - v).norm()) for v in prototypes) for f in image]
        assert float(r) == pytest.approx(max(nearest), rel=1e-5)


def test_errors_are_zero_for_gap_and_one_for_one_vector_for_all():
    regions = torch.randn(20, 6, 3)
    gap, radius = regions.mean(dim=1), torch.full((20,), 2.0)
    assert mixtures.errors(regions, gap, radius) == {"relative_error": 0, "share_of_bound": 0}
    found = mixtures.errors(regions, gap.mean(dim=0).expand(20, -1), radius)
    assert found["relative_error"] == pytest.approx(1)
    assert found["share_of_bound"] == pytest.approx(float((gap - gap.mean(dim=0)).norm(dim=1).mean()) / 2)


def test_another_seed_draws_other_prototypes():
    regions = torch.randn(30, 9, 4)
    first, again, other = (mixtures.fit_prototypes(regions, 5, seed, 50) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other) and first.shape == (5, 4)
