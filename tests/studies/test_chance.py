import pytest

from studies import chance


@pytest.mark.parametrize("method", ["SoftTriple", "Proxy-Anchor + CCP", "multi-similarity + CCP, early"])
def test_two_steps(monkeypatch, tmp_path, few_letters, check_row, method):
    four = lambda split, per_class=4, **options: few_letters(split, per_class, **options)
    monkeypatch.setattr(chance, "letters", four)
    monkeypatch.setattr(chance, "POOL", 4)
    monkeypatch.setattr(chance, "FINISHED", tmp_path)
    monkeypatch.setattr(chance, "STEPS", 2)
    monkeypatch.setattr(chance, "OBSERVE_EVERY", 1)
    monkeypatch.setattr(chance, "STARTS", {"converged": (1, 1e-3), "early": (1, 3e-3)})
    row = chance.run(method, 0)
    if ", early" not in method:
        check_row("chance", method, row)
    assert ("projections" in row) == ("CCP" in method)
