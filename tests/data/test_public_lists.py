import numpy as np
import pytest
from scipy.io import savemat

from dmlnb.data.public_lists import first_of, read_annotations, read_car_table, read_list, read_text


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_are_separated_by_blanks_or_commas(tmp_path):
    file = write(tmp_path / "list.txt", "2\nid path\n 1  a.jpg \n\n2, b.jpg\n3\tc.jpg\n")
    assert [*read_list(file, "id path", skip=2, whole=(0,))] == [(1, "a.jpg"), (2, "b.jpg"), (3, "c.jpg")]
    assert next(read_list(file, "id path", skip=2)) == ("1", "a.jpg")


@pytest.mark.parametrize("line", ["1 a.jpg b.jpg", "1", "one a.jpg", "-1 a.jpg"])
def test_a_line_that_does_not_fit_is_named(tmp_path, line):
    file = write(tmp_path / "list.txt", f"0 x.jpg\n{line}\n")
    with pytest.raises(ValueError, match=rf"list\.txt, line 2: expected `id path`, got '{line}'"):
        list(read_list(file, "id path", whole=(0,)))


def test_the_first_that_is_there(tmp_path):
    write(tmp_path / "b", "")
    assert first_of(tmp_path, ("a", "b", "c")) == tmp_path / "b"
    with pytest.raises(FileNotFoundError, match="expected c or d, found neither"):
        first_of(tmp_path, ("c", "d"))


@pytest.mark.parametrize("begin", ["<html>", "\ufeff\n <!DOCTYPE html>", "<HEAD>", "<?xml version='1.0'?>"])
def test_a_web_page_is_no_list(tmp_path, begin):
    for read in (read_text, lambda file: read_annotations(file, "fname", tmp_path)):
        with pytest.raises(ValueError, match=r"page\.txt: is a web page and not the file itself"):
            read(write(tmp_path / "page.txt", f"{begin}not found"))


def test_what_is_no_text_or_not_there_is_named(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\x1f\x8b\xff\xfe")
    with pytest.raises(ValueError, match=r"list\.txt: expected a list as text"):
        read_text(tmp_path / "list.txt")
    with pytest.raises(FileNotFoundError, match="unpacked folder of the benchmark"):
        read_text(tmp_path / "none.txt")
    write(tmp_path / "marked.txt", "\ufeffa\nb")  # a byte-order mark belongs to no word
    assert read_text(tmp_path / "marked.txt") == ["a", "b"]


def test_annotations_of_one_and_of_several_images(tmp_path):
    for names in (["1.jpg"], ["1.jpg", "2.jpg"]):
        table = np.empty(len(names), dtype=[("fname", object), ("class", object)])
        table["fname"], table["class"] = names, 7
        savemat(tmp_path / "a.mat", {"annotations": table})
        assert read_annotations(tmp_path / "a.mat", "fname", tmp_path) == [(tmp_path / n, 7) for n in names]
    with pytest.raises(ValueError, match=r"a\.mat: expected annotations with relative_im_path"):
        read_annotations(tmp_path / "a.mat", "relative_im_path", tmp_path)


def test_a_table_of_cars_with_and_without_a_heading(tmp_path):
    names = write(tmp_path / "names.csv", '"Audi A4"\nRam C/V\n')
    for heading in ("", "fname,x1,y1,x2,y2,class\n"):
        table = write(tmp_path / "t.csv", f"{heading}1.jpg,1,2,3,4,2\n")
        assert read_car_table(table, tmp_path, names) == [(tmp_path / "Ram C-V" / "1.jpg", 2)]
    for row in ("1.jpg,1,2,3,4,3", "1.jpg,1,2,3,4,0", "1.jpg,2"):
        with pytest.raises(ValueError, match=r"t\.csv, line 2: expected fname"):
            read_car_table(write(tmp_path / "t.csv", f"a.jpg,1,2,3,4,1\n{row}\n"), tmp_path, names)
