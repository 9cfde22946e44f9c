from studies import baselines


def test_two_steps(monkeypatch, few_letters, check_row):
    monkeypatch.setattr(baselines, "Glyphs", few_letters)
    recipe = baselines.glyph_baseline
    monkeypatch.setattr(
        baselines, "glyph_baseline", lambda *args, **how: recipe(*args, **how, train_set=few_letters())
    )
    for method, (pooling, steps) in list(baselines.METHODS.items()):
        monkeypatch.setitem(baselines.METHODS, method, (pooling, min(steps, 2)))
        check_row("baselines", method, baselines.run(method, 0))
