import pytest
import torch

from dmlnb.distill import DecisionTemplates, decision_matrix, template_kl
from tests.distill.small import C, D, K, regions


def as_map(rows, height, width):  # (B * height * width, D) -> (B, D, height, width)
    return rows.view(-1, height, width, rows.shape[1]).permute(0, 3, 1, 2)


def test_decision_matrix_against_a_loop():
    z, h1, centres = (
        torch.randn(50, 2),
        torch.randint(0, 4, (50,)),
        torch.randn(6, 2),
    )  # sub-classes 4 and 5 are empty
    prototypes = [z[h1 == g].mean(dim=0) if (h1 == g).any() else centres[g] for g in range(6)]
    expected = torch.zeros(6, 6)
    for point, g in zip(z, h1, strict=True):
        nearest = min(range(6), key=lambda j: float((point - prototypes[j]).norm()))
        expected[g, nearest] += 1 / (h1 == g).sum()
    expected[4, 4] = expected[5, 5] = 1.0
    found = decision_matrix(z, h1, centres)
    assert torch.allclose(found, expected, atol=1e-6) and torch.allclose(found.sum(dim=1), torch.ones(6))


def test_far_apart_patterns_give_the_identity_and_overlap_spreads_the_rows():
    _, features, labels = regions()
    own = [DecisionTemplates.fit(features + s * torch.randn_like(features), labels, K).sharpness().mean()
           for s in (0.0, 2.0, 6.0)]  # fmt: skip
    assert own[0] == 1.0 and own[0] > own[1] > own[2] > 1 / C / 2


def test_a_shared_pattern_has_a_spread_row_and_a_private_one_a_sharp_row():
    _, features, labels = regions(each=200, shared=True)
    fitted = DecisionTemplates.fit(features, labels, K)
    sharp = fitted.sharpness().view(C, K).sort(dim=1).values
    assert (sharp[:, 1] > 0.99).all() and (sharp[:, 0] < 0.7).all()


def test_targets_against_a_loop_on_a_map_that_is_not_square():
    _, features, labels = regions(spread=1.0)
    fitted = DecisionTemplates.fit(features, labels, K)
    maps, y = as_map(features[torch.randperm(len(features))[:24]], 2, 6), torch.tensor([2, 0])
    targets, chosen = fitted.targets(maps, y), fitted.subclass(maps, y)
    assert targets.shape == (2, C * K, 2, 6)
    for b in range(2):
        for i in range(2):
            for j in range(6):
                z = fitted.projection @ (maps[b, :, i, j] - fitted.mean)
                block = range(int(y[b]) * K, int(y[b]) * K + K)
                g = min(block, key=lambda g: float((z - fitted.centres[g]).norm()))
                assert chosen[b, i, j] == g
                assert torch.equal(targets[b, :, i, j], fitted.decisions[g])


def test_one_subclass_and_no_confusion_is_dense_cross_entropy():
    torch.manual_seed(1)
    features = (9 * torch.eye(C, D)[:, None] + 0.1 * torch.randn(C, 30, D)).flatten(0, 1)
    fitted = DecisionTemplates.fit(features, torch.arange(C).repeat_interleave(30), 1)
    assert torch.equal(fitted.decisions, torch.eye(C))
    maps, y = torch.randn(4, D, 2, 3), torch.tensor([0, 2, 1, 1])  # far from the own class as well
    dense = y[:, None, None].expand(4, 2, 3)
    assert torch.equal(fitted.targets(maps, y).argmax(dim=1), dense)
    scores = torch.randn(4, C, 2, 3)
    expected = torch.nn.functional.cross_entropy(scores, dense)
    assert torch.allclose(template_kl(scores, fitted.targets(maps, y)), expected)


@pytest.mark.parametrize("number", [7, 101, 12_345])
def test_every_region_counts_whatever_their_number(number):
    features, labels = torch.randn(number, 3), torch.arange(number) % 3
    fitted = DecisionTemplates.fit(features, labels, 2, iterations=3)
    assert torch.allclose(fitted.decisions.sum(dim=1), torch.ones(6), atol=1e-5)
    used = torch.cat([fitted.subclass(features[labels == c].T[None, :, None], torch.tensor([c])).flatten()
                      for c in range(3)])  # fmt: skip
    assert len(used) == number and len(used.unique()) > 3

    z = (features - fitted.mean) @ fitted.projection.T  # the matrix again, by brute force
    own = (
        torch.cdist(z, fitted.centres)
        .masked_fill(torch.arange(6) // 2 != labels[:, None], torch.inf)
        .argmin(dim=1)
    )
    prototypes = torch.stack([z[own == g].mean(dim=0) for g in range(6)])
    decided = torch.cdist(z, prototypes).argmin(dim=1)
    table = torch.stack([torch.bincount(decided[own == g], minlength=6) / (own == g).sum() for g in range(6)])
    assert torch.allclose(fitted.decisions, table, atol=2e-3)  # ties may round either way


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_labels_of_any_integer_type_name_the_same_subclass(dtype):
    features, labels = torch.randn(60, 5), torch.arange(60) % 3
    fitted = DecisionTemplates.fit(features, labels, 2, iterations=3)
    maps, y = torch.randn(3, 5, 2, 4), torch.tensor([1, 2, 1])
    assert torch.equal(fitted.subclass(maps, y.to(dtype)), fitted.subclass(maps, y))


def test_autocast_changes_nothing():
    _, features, labels = regions(spread=1.0)
    features += 100  # bfloat16 would not see the differences
    fitted = DecisionTemplates.fit(features, labels, K)
    maps, y = as_map(features[:24], 2, 4), torch.tensor([2, 0, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again, chosen = DecisionTemplates.fit(features, labels, K), fitted.subclass(maps, y)
    assert torch.equal(chosen, fitted.subclass(maps, y))
    assert all(torch.equal(a, b) for a, b in zip(again.buffers(), fitted.buffers(), strict=True))


def test_half_precision_counts_as_far_as_it_needs():
    z, own = torch.randn(70_000, 2).half(), torch.zeros(70_000, dtype=torch.int64)  # float16 ends at 65,504
    matrix = decision_matrix(z, own, torch.randn(2, 2).half())
    assert torch.isfinite(matrix).all() and torch.allclose(matrix.sum(dim=1), torch.ones(2), atol=1e-5)


def test_parts_that_do_not_fit_are_named():
    parts = dict(
        projection=torch.ones(2, 5), mean=torch.zeros(5), centres=torch.ones(4, 2), decisions=torch.eye(4)
    )
    with pytest.raises(ValueError, match="subclasses: expected a whole number >= 1"):
        DecisionTemplates(**parts, subclasses=0)
    with pytest.raises(ValueError, match="projection, mean, centres"):
        DecisionTemplates(**parts | {"projection": torch.ones(3, 5)}, subclasses=2)


def test_an_empty_subclass_is_seeded_again():
    from dmlnb.distill.decisions import _class_centres

    points = torch.cat([torch.zeros(50, 2), torch.tensor([[5.0, 0.0], [0.0, 9.0]])])
    for seed in range(5):
        winner = torch.cdist(points, _class_centres(points, 3, seed, 5)).argmin(dim=1)
        assert len(winner.unique()) == 3
    fitted = DecisionTemplates.fit(
        torch.eye(2).repeat_interleave(9, dim=0), torch.arange(2).repeat_interleave(9), 4
    )
    assert torch.allclose(
        fitted.decisions.sum(dim=1), torch.ones(8)
    )  # fewer distinct regions than sub-classes


def test_everything_is_a_frozen_buffer_and_fitting_repeats_itself():
    _, features, labels = regions()
    one, two = (DecisionTemplates.fit(features, labels, K, seed=4) for _ in range(2))
    assert list(one.parameters()) == []
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])
    maps = features[:4].view(1, 2, 2, D).permute(0, 3, 1, 2).requires_grad_()
    assert not one.targets(maps, torch.tensor([0])).requires_grad
    half = one.targets(maps.detach().bfloat16(), torch.tensor([0]))
    assert torch.isfinite(half).all() and half.dtype == torch.float32


def test_lda_dim_is_cut_to_what_there_is():
    features, labels = torch.randn(60, 8), torch.arange(60) % 6
    assert DecisionTemplates.fit(features, labels, 2, lda_dim=3).projection.shape == (3, 8)
    assert DecisionTemplates.fit(features, labels, 2, lda_dim=60).projection.shape == (5, 8)


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: DecisionTemplates.fit(torch.randn(6, 2), torch.zeros(6, dtype=torch.int64), 2),
            "two classes",
        ),
        (lambda: DecisionTemplates.fit(torch.randn(6, 2), torch.arange(6) % 3, 3), "3 regions or more"),
        (lambda: DecisionTemplates.fit(torch.randn(6, 2), torch.tensor([0, 0, 0, 2, 2, 2]), 1), "of class 1"),
        (lambda: DecisionTemplates.fit(torch.randn(6, 2), torch.arange(5)), "one label a row"),
        (lambda: DecisionTemplates.fit(torch.full((6, 2), torch.nan), torch.arange(6) % 2, 1), "finite"),
        (lambda: DecisionTemplates.fit(torch.randn(6, 2), torch.arange(6) % 2, 0), "subclasses"),
        (
            lambda: DecisionTemplates(torch.eye(2), torch.zeros(2), torch.zeros(3, 2), torch.eye(3), 2),
            "multiple",
        ),
    ],
)
def test_bad_inputs_of_fit(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    "maps, labels, words",
    [
        (torch.zeros(2, 3, 2, 2), torch.zeros(2, dtype=torch.int64), "of shape"),
        (torch.zeros(2, 2, 2, 2), torch.tensor([0, 2]), "labels: expected labels < 2"),
        (torch.zeros(2, 2, 2, 2), torch.tensor([0]), "one label a row"),
        (torch.full((1, 2, 1, 1), torch.nan), torch.tensor([0]), "finite"),
    ],
)
def test_bad_inputs_of_targets(maps, labels, words):
    fitted = DecisionTemplates.fit(torch.randn(20, 2), torch.arange(20) % 2, 2)
    with pytest.raises(ValueError, match=words):
        fitted.targets(maps, labels)


def test_what_is_fitted_is_what_rank_0_fitted(monkeypatch):
    def rank_0(*tensors):  # its values arrive in place
        for tensor in tensors:
            tensor.fill_(0.5)

    monkeypatch.setattr("dmlnb.distill.decisions.from_rank_0", rank_0)
    fitted = DecisionTemplates.fit(torch.randn(20, 3), torch.arange(20) % 2, 2)
    assert all((value == 0.5).all() for value in fitted.state_dict().values())
