import torch

from dmlnb.data import Glyphs, cyrillic_letters


def test_the_letters_are_the_cyrillic_ones_of_the_training_set():
    """Against all letters, drawn with and without clutter, of which the others are thrown away."""
    found = cyrillic_letters(2, seed=3)
    whole, clean = (Glyphs("train", per_class=2, seed=3, clutter=c) for c in ((0, 4), 0))
    here = torch.tensor([whole.scripts[y] == "Cyrillic" for y in whole.labels.tolist()])
    assert torch.equal(found.images, whole.images[here]) and torch.equal(found.masks, whole.masks[here])
    names = [whole.class_names[y] for y in whole.labels[here].tolist()]
    assert [found.class_names[y] for y in found.labels.tolist()] == names and len(set(names)) == 47
    difference = (whole.images[here].int() - clean.images[here].int()).abs()[:, 0] > 8
    for i in (0, 31, 93):
        for row, column in ((0, 0), (3, 4), (7, 6)):
            region = (slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))
            letter, clutter = whole.masks[here][i][region].sum() >= 2, difference[i][region].sum() >= 4
            assert found.content[i, row, column] == (2 if letter else int(clutter))


def test_no_other_letters_are_drawn(monkeypatch):
    from dmlnb.data import glyphs

    drawn, original = [], glyphs._render
    monkeypatch.setattr(
        glyphs, "_render", lambda rasters, *rest: drawn.append(len(rasters)) or original(rasters, *rest)
    )
    cyrillic_letters(3)
    assert sum(drawn) == 2 * 47 * 3  # with and without clutter
