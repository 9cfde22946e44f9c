import pytest
import torch

from dmlnb.losses import pair_terms, violation_rate


def case(n=20, c=3, k=2, d=4):
    labels = torch.arange(n) % c
    return torch.randn(n, d, dtype=torch.float64), labels, torch.randn(c, k, d, dtype=torch.float64)


def test_pair_terms_against_a_loop_and_the_contrastive_margins():
    x, y, _ = case(8)
    terms = pair_terms(x[:3], y[:3], x, y, boundary=2.0, margin=0.5)
    for i in range(3):
        for j in range(8):
            sign = 1 if y[i] == y[j] else -1
            expected = max(0.0, sign * ((x[i] - x[j]).norm().item() - 2.0) + 0.5)
            assert terms[i, j].item() == pytest.approx(expected)


def test_a_pair_on_the_wrong_side_costs_more_than_the_margin():
    x, y, _ = case(30)
    terms = pair_terms(x, y, x, y, boundary=2.5, margin=0.4)
    wrong = ((x[:, None] - x).norm(dim=2) > 2.5) == (y[:, None] == y)
    assert torch.equal(terms > 0.4, wrong)


def test_markov_holds_and_rates_are_shares():
    x, y, proxies = case(200)
    for threshold in (0.01, 0.3, 1.0, 100.0):
        terms = pair_terms(proxies[:, 0], torch.arange(3), x, y)
        rate = violation_rate(terms, threshold)
        assert (rate <= terms.mean(dim=1) / threshold + 1e-12).all()
        for i in range(3):
            assert rate[i].item() == pytest.approx(sum(t >= threshold for t in terms[i].tolist()) / 200)
    assert violation_rate(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), 1.0).tolist() == [0.75]  # equality counts
