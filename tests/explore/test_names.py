import numpy as np
import pytest
import torch

from dmlnb.explore.figures import new_figure, png_bytes, style
from dmlnb.explore.names import chosen_rows, name_legend, names_of, plain, whole_numbers

NASTY = ["a$b_{$", "_noise", "<b>", 'x"y', "two\nlines", r"back\slash", "$", "%", ""]


def test_nasty_names_draw_and_read_as_they_are():
    with style():
        figure, ax = new_figure()
        handles = [ax.plot([0, 1])[0] for _ in NASTY]
        legend = name_legend(ax, handles, NASTY)
        ax.set_title(plain(" ".join(NASTY)))
        png_bytes(figure)
    shown = [text.get_text() for text in legend.get_texts()]
    assert len(shown) == len(NASTY)  # none is left out
    parsed = [text._preprocess_math(text.get_text()) for text in legend.get_texts()]
    assert [words for words, _ in parsed] == [" ".join(name.split()) for name in NASTY]
    assert not any(mathematics for _, mathematics in parsed)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int32, np.int64])
def test_whole_numbers_of_every_width(dtype):
    found = whole_numbers(np.array([3, 0, 7], dtype=dtype))
    assert found.tolist() == [3, 0, 7] and found.dtype == np.int64


def test_whole_numbers_in_lists_and_tensors():
    assert whole_numbers([1, 2]).tolist() == whole_numbers(torch.tensor([1, 2], dtype=torch.uint16)).tolist()
    assert whole_numbers([]).dtype == np.int64
    for bad in ([0.5], [True, False], [[1]], ["a"], 3, [-1], np.array([2**63], dtype=np.uint64)):
        with pytest.raises(ValueError, match="labels: expected"):
            whole_numbers(bad)


@pytest.mark.parametrize("form", [np.array, torch.tensor, list])
def test_masks_select_where_they_are_true_and_numbers_what_they_number(form):
    mask = [False, True, False, True, False]
    assert chosen_rows(form(mask), 5).tolist() == [1, 3]
    assert chosen_rows(form([4, 1, 1]), 5).tolist() == [1, 4]
    assert chosen_rows(form([]), 5).tolist() == []


@pytest.mark.parametrize("bad", [[True], [5], [-1], [0.5], [[1]], np.ones((5, 1), bool), "1"])
def test_rows_that_cannot_be_meant(bad):
    with pytest.raises(ValueError, match="chosen: expected"):
        chosen_rows(bad, 5)


def test_names_by_position_by_key_and_without():
    assert names_of(["a", "b", "c"], [2, 0]) == {2: "c", 0: "a"}
    assert names_of({1: "tern", 0: "gull"}, [0, 1]) == {0: "gull", 1: "tern"}
    assert names_of({10**11: 7}, [10**11]) == {10**11: "7"}
    assert names_of(None, [10**11]) == {10**11: str(10**11)}
    assert names_of("abc", np.array([1])) == {1: "b"}
    with pytest.raises(ValueError, match="class_names: expected at least 6, got 2"):
        names_of(["a", "b"], [5])
    with pytest.raises(ValueError, match="got none for class 5"):
        names_of({1: "a"}, [1, 5])
