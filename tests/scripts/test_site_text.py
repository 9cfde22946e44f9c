"""`scripts/site_text.py`: citations, references, and links that leave the site."""

import pytest
from site_text import bibliography, cite, lead_out, plain_tex, references_page

BIB = """% comment
@article{doe2020a,
  author    = {G{\\"u}rb{\\"u}z, Yeti Z. and {\\c{S}}ener, Ozan},
  title     = {On {CNN}s, {1}--2,
               in two lines},
  journal   = {A \\& B},
  year      = {2020},
  eprint    = {2001.00001},
}
@misc{roe1999, author = {Roe, R.}, year = {1999},
  title     = {Short}}
"""


def test_fields_of_several_lines_and_accents_are_read():
    entry = bibliography(BIB)["doe2020a"]
    assert entry["author"] == "Gürbüz, Yeti Z. and Şener, Ozan"
    assert entry["title"] == "On CNNs, 1–2, in two lines" and entry["journal"] == "A & B"


@pytest.mark.parametrize("tex, text", [
    (r"Radenovi{\'c}", "Radenović"), (r"Ond{\v{r}}ej", "Ondřej"), (r"O{\u{g}}ul", "Oğul"), (r"Ayd{\i}n", "Aydın"),
])  # fmt: skip
def test_tex_becomes_letters(tex, text):
    assert plain_tex(tex) == text


def test_each_reference_has_its_target_and_names_in_order():
    page = references_page(bibliography(BIB.split("@misc")[0]))
    assert "(doe2020a)=\n- **doe2020a** · Yeti Z. Gürbüz and Ozan Şener." in page
    assert "[arXiv:2001.00001](https://arxiv.org/abs/2001.00001)" in page


@pytest.mark.parametrize("text, linked", [
    ("see [doe2020a].", "see [\\[doe2020a\\]](#doe2020a)."),
    ("- [doe2020a] J. Doe", "- [\\[doe2020a\\]](#doe2020a) J. Doe"),
    ("[unknown2020x]", "[unknown2020x]"),
    ("x[doe2020a]", "x[doe2020a]"),
    ("[doe2020a](there)", "[doe2020a](there)"),
    ("[\\[doe2020a\\]](#doe2020a)", "[\\[doe2020a\\]](#doe2020a)"),
])  # fmt: skip
def test_only_keys_that_are_no_links_become_links(text, linked):
    assert cite(text, {"doe2020a"}) == linked


@pytest.mark.parametrize("link, leads", [
    ("02.ipynb", "02.ipynb"),
    ("../docs/use.md#a", "../docs/use.md#a"),
    ("../data/README.md", "https://github.com/o/n/blob/main/data/README.md"),
    ("../dmlnb/x#L3", "https://github.com/o/n/blob/main/dmlnb/x#L3"),
    ("https://a.b/c", "https://a.b/c"),
    ("#here", "#here"),
])  # fmt: skip
def test_links_to_what_is_no_page_lead_to_the_repository(link, leads):
    staged = {"notebooks/02.ipynb", "docs/use.md"}.__contains__
    text = lead_out(f"[a]({link})", "notebooks/01.ipynb", staged, "https://github.com/o/n/blob/main")
    assert text == f"[a]({leads})"
