from studies import pooling_search


def test_two_steps(monkeypatch, few_letters, check_row):
    monkeypatch.setattr(
        pooling_search, "letters", lambda split, clutter, _=None: few_letters(split, clutter=clutter)
    )
    monkeypatch.setattr(pooling_search, "STEPS", 2)
    method = "GSP+GeM μ=0.5 γ=10"
    check_row("pooling_search", method, pooling_search.run(method, 0))
