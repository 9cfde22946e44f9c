import re

import numpy as np
import pytest
import torch

from dmlnb.explore import EmbeddingAtlas, Selection, rows

NAMES = ["<b>&\"'", "two"]


@pytest.fixture
def atlas():
    return EmbeddingAtlas(
        torch.eye(6), torch.tensor([0, 0, 0, 1, 1, 1]), class_names=NAMES, scores={"s": range(6)}
    )


PICTURES = np.zeros((6, 8, 8), dtype=np.uint8)


def test_a_row_says_rank_class_distance_and_hit_without_colour(atlas):
    found = atlas.neighbours("embedding", 0, k=5)
    text = rows.neighbour_row(atlas, PICTURES, 0, found)
    assert [int(i) for i in re.findall(r'data-index="(\d)"', text)] == found.index.tolist()
    assert text.count('dmlnb-tile hit"') == text.count("✓") == int(found.hit.sum()) == 2
    assert text.count('dmlnb-tile miss"') == text.count("✗") == 3
    assert (
        "neighbour 1: " in text and "distance 1.41" in text and text.count(", miss") == 6
    )  # title and aria-label


def test_names_are_escaped_everywhere(atlas):
    found = atlas.neighbours("embedding", 0, k=5)
    texts = [
        rows.neighbour_row(atlas, PICTURES, 0, found),
        rows.picked_line(atlas, "<i>", 0, found),
        rows.selection_block(atlas, atlas.statistics("embedding", [0, 3])),
        rows.contact_tiles(atlas, PICTURES, [0, 3]),
    ]
    for text in texts:
        assert "&lt;b&gt;&amp;" in text and NAMES[0] not in text
    assert "<i>:" not in texts[1] and "&lt;i&gt;" in texts[1] and ", s 0" in texts[1]


def test_the_block_counts_and_has_words_for_nothing(atlas):
    text = rows.selection_block(atlas, atlas.statistics("embedding", [0, 1, 2, 3]))
    assert "4 images</b> of 2 classes, 1 of them completely" in text
    assert "3 of 3" in text and "1 of 3" in text and "width:33%" in text
    assert "1 image</b> of 1 class," in rows.selection_block(atlas, atlas.statistics("embedding", [5]))
    assert "–" in rows.selection_block(atlas, atlas.statistics("embedding", [5]))
    assert "Nothing" in rows.selection_block(atlas, Selection(0, {}, 0, float("nan"), float("nan")))
    many = Selection(20, dict.fromkeys([0, 1] * 10, 1) | {0: 5}, 0, 0.5, 0.5)
    text = rows.selection_block(atlas, many, most=1)
    assert "50 %" in text and "not listed: 1<" in text


def test_the_contact_sheet_is_sorted_by_class_and_cut(atlas):
    text = rows.contact_tiles(atlas, PICTURES, [5, 0, 4, 1], most=3)
    assert re.findall(r'data-index="(\d)"', text) == ["0", "1", "5"] and "and 1 more" in text
