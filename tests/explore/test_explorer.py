"""The widget without a browser: what a front end would set is set here, and what it would show is read."""

import base64
import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

from dmlnb.data import image_folder, photo_transforms
from dmlnb.explore import EmbeddingExplorer
from dmlnb.explore.images import contact_sheet
from dmlnb.models import EmbeddingNet, small_resnet
from dmlnb.pooling import GlobalAveragePooling

LABELS = torch.arange(40) % 10


@pytest.fixture
def made():
    images = torch.randint(0, 256, (40, 1, 32, 32), dtype=torch.uint8)
    net = EmbeddingNet(small_resnet(), GlobalAveragePooling())
    rows = {"a": torch.randn(40, 6), "b": torch.randn(40, 4)}
    scores = {"size": torch.linspace(2, 5, 40), "gaps": [float("nan")] * 40}
    return EmbeddingExplorer(images, rows, LABELS, scores=scores, looks={"a": net})


def unpack(data, kind):
    return np.frombuffer(data, dtype=kind)


def test_what_travels_to_the_browser_at_the_start(made):
    assert made.embeddings == ["a", "b"] and made.embedding == "a" and made.projection == "PCA"
    assert made.colorings == ["class", "hit or miss", "size", "gaps"] and made.classes == list(range(8))
    assert np.array_equal(unpack(made.points, "<f4").reshape(-1, 2), made.atlas.points("a"))
    assert unpack(made.labels, "<f8").tolist() == LABELS.tolist() and len(made.palette) == 8
    assert made.sprite.startswith(b"\xff\xd8") and made.tile["size"] == 32
    for name in ("points", "labels", "sprite", "score", "selected"):
        assert made.traits()[name].metadata["sync"]


def test_a_pick_shows_neighbours_and_the_map_of_the_pooling(made):
    made.picked = 7
    found = made.atlas.neighbours("a", 7)
    assert made.neighbours == found.index.tolist() and made.hits == found.hit.tolist()
    assert re.findall(r'data-index="(\d+)"', made.row_html) == [str(i) for i in found.index]
    assert "Image 7" in made.picked_html and "data:image/png;base64," in made.look_html
    made.picked = -1
    assert made.row_html == made.picked_html == made.look_html == "" and made.neighbours == []


def test_a_switch_keeps_the_pick_and_the_selection_and_moves_the_points(made):
    made.picked, made.color_by = 7, "hit or miss"
    made.select([1, 11, 21, 5])
    before = made.points, made.score, made.selection_html
    made.embedding = "b"
    assert made.picked == 7 and made.selection.tolist() == [1, 5, 11, 21]
    assert (
        made.neighbours == made.atlas.neighbours("b", 7).index.tolist() and "By <b>b</b>" in made.picked_html
    )
    assert made.points != before[0] and made.score != before[1]
    assert np.array_equal(unpack(made.score, "<f4") > 0, made.atlas.hits("b"))
    assert (
        f"{100 * made.atlas.statistics('b', made.selection).recall_at_1:.0f} % against" in made.selection_html
    )


def test_a_lasso_selects_and_hidden_classes_are_left_out(made):
    everything = [[-2, -2], [2, -2], [2, 2], [-2, 2]]
    made.lasso = everything
    assert len(made.selection) == 40 and unpack(made.selected, "<u4").tolist() == list(range(40))
    made.classes, made.only = [3, 4], True
    made.lasso = [[-3, -3], [3, -3], [3, 3], [-3, 3]]
    assert set(LABELS[made.selection].tolist()) == {3, 4} and len(made.selection) == 8
    made.sheet = True
    assert made.sheet_html.count("data-index") == 8
    made.lasso = []
    assert (
        len(made.selection) == 0
        and made.selected == b""
        and made.sheet_html == ""
        and made.selection_html == ""
    )


def test_a_lasso_of_one_corner_clears_what_was_selected_without_one(made):
    made.select([1, 2, 3])
    made.lasso = [[0.5, 0.0]]  # what the button "clear" sends
    assert len(made.selection) == 0 and made.selected == b"" and made.selection_html == ""


def test_colours_by_score(made):
    made.color_by = "size"
    assert np.allclose(unpack(made.score, "<f4"), np.linspace(2, 5, 40)) and made.score_range == [2.0, 5.0]
    made.color_by = "gaps"
    assert np.isnan(unpack(made.score, "<f4")).all() and made.score_range == [0.0, 1.0]
    made.color_by = "class"
    assert made.score == b""


def test_umap_says_that_it_is_at_work_and_then_falls_silent(made):
    said = []
    made.observe(lambda change: said.append(change["new"]), names="status")
    made.projection = "UMAP"
    assert said[0].startswith("UMAP of 40 images") and said[-1] == made.status == ""
    assert np.array_equal(unpack(made.points, "<f4").reshape(-1, 2), made.atlas.points("a", "UMAP"))
    made.projection = "PCA"
    made.projection = "UMAP"
    assert len(said) == 2  # it is computed once


def test_too_many_images_for_umap():
    rows = torch.randn(5001, 2)
    made = EmbeddingExplorer(
        torch.zeros(5001, 8, 8, dtype=torch.uint8), rows, torch.zeros(5001, dtype=torch.long)
    )
    assert made.projections == ["PCA"]
    with pytest.raises(traitlets.TraitError, match="projection: expected one of PCA"):
        made.projection = "UMAP"
    assert len(made.png()) < 150_000


@pytest.mark.parametrize("name, value", [
    ("picked", 40), ("picked", -2), ("embedding", "c"), ("projection", "t-SNE"), ("color_by", "x"),
    ("classes", [10]), ("classes", list(range(9))),
])  # fmt: skip
def test_values_that_no_button_sends_are_refused(made, name, value):
    before = getattr(made, name)
    with pytest.raises(traitlets.TraitError, match=f"{name}: expected"):
        setattr(made, name, value)
    assert getattr(made, name) == before


def test_a_reader_without_a_kernel_gets_the_picture(made):
    data, _ = made._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == made.model_id
    assert "40 images" in data["text/plain"] and made._ipython_display_ is None


def test_looks_may_be_functions_and_assignments():
    images = torch.randint(0, 256, (4, 16, 16), dtype=torch.uint8)  # without the axis of channels
    seen = []

    def look(image):
        seen.append(tuple(image.shape))
        return torch.arange(16).view(1, 4, 4) % 5

    made = EmbeddingExplorer(images, torch.randn(4, 2), torch.tensor([0, 0, 1, 1]), looks={"embedding": look})
    made.picked = 2
    assert seen == [(1, 1, 16, 16)] and made.look_html.count("<img") == 1


@pytest.mark.parametrize("change, message", [
    ({"images": torch.zeros(39, 1, 8, 8)}, "images: expected 40"),
    ({"images": torch.zeros(40, 8)}, "images: expected"),
    ({"looks": {"z": None}}, "looks: expected names among embedding"),
    ({"labels": LABELS[:3]}, "labels: expected shape"),
])  # fmt: skip
def test_bad_input_is_named(change, message):
    good = {"images": torch.zeros(40, 1, 8, 8), "embeddings": torch.randn(40, 2), "labels": LABELS}
    with pytest.raises(ValueError, match=message):
        EmbeddingExplorer(**(good | change))


def small(**change):
    rows = torch.randn(6, 3)
    images = torch.zeros(6, 1, 8, 8, dtype=torch.uint8)
    good = {"images": images, "embeddings": rows, "labels": torch.tensor([0, 0, 1, 1, 2, 2])}
    return EmbeddingExplorer(**(good | change))


def test_a_mask_selects_where_it_is_true():
    made = small()
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    for mask in (labels == 1, (labels == 1).numpy(), (labels == 1).tolist()):
        made.select(mask)
        assert made.selection.tolist() == [2, 3]
    made.select(torch.tensor([5, 0, 5]))
    assert made.selection.tolist() == [0, 5]
    with pytest.raises(ValueError, match="chosen: expected a mask of shape"):
        made.select([True, False])
    assert made.selection.tolist() == [0, 5]  # as it was


@pytest.mark.parametrize("labels", [
    np.array([7, 7, 10**11, 10**11, 5, 5]), np.array([1, 1, 65535, 65535, 3, 3], dtype=np.uint16),
    torch.tensor([1, 1, 2, 2, 3, 3], dtype=torch.uint8), [4, 4, 9, 9, 0, 0],
])  # fmt: skip
def test_labels_of_any_size_and_width(labels):
    made = small(labels=labels)
    classes = sorted({int(c) for c in labels})
    assert made.class_labels == made.classes == classes and made.class_names == [str(c) for c in classes]
    assert unpack(made.labels, "<f8").tolist() == [int(c) for c in labels]
    made.picked, made.color_by = 2, "hit or miss"
    made.select(range(6))
    assert made.selection_html.count("<tr>") == 3 and f"class <b>{int(labels[2])}</b>" in made.picked_html
    assert made.png().startswith(b"\x89PNG")


def test_names_by_class():
    assert small(class_names={2: "tern", 0: "gull", 1: "auk"}).class_names == ["gull", "auk", "tern"]
    with pytest.raises(ValueError, match="class_names: expected a name for each class, got none for class 2"):
        small(class_names={0: "gull", 1: "auk"})
    with pytest.raises(ValueError, match="class_names: expected at least 3, got 2"):
        small(class_names=["gull", "auk"])


class Tags(HTMLParser):
    """Collects the tags and attributes of a piece of HTML."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}


@pytest.mark.parametrize(
    "name", ['x"><script>1</script>', "<img src=x onerror=alert(1)>", "a' onload='b", "$_{&lt;"]
)
def test_no_name_becomes_markup(name):
    look = lambda image: torch.ones(1, 2, 2)
    made = small(
        embeddings={name: torch.randn(6, 3)},
        class_names=[name, name, name],
        scores={name: range(6)},
        looks={name: look},
    )
    made.picked, made.sheet, made.color_by = 1, True, name
    made.select([0, 1, 2])
    for text in (made.picked_html, made.row_html, made.look_html, made.selection_html, made.sheet_html):
        found = Tags(text)
        assert found.tags <= {"b", "button", "div", "i", "img", "p", "small", "span", "table", "td", "tr"}
        assert found.attributes <= {
            "alt", "aria-hidden", "aria-label", "class", "data-index", "role", "src", "style", "title", "type",
        }  # fmt: skip
    assert name in html.unescape(made.look_html) and made.png().startswith(b"\x89PNG")


def test_images_of_files_are_kept_as_thumbnails_and_opened_for_a_look(tmp_path):
    for i in range(6):
        Image.new("RGB", (300, 200 + 10 * i), (40 * i, 0, 0)).save(tmp_path / f"{i}.jpg")
    paths = sorted(tmp_path.iterdir())
    seen = []
    look = lambda image: seen.append(tuple(image.shape)) or torch.ones(1, 2, 3)
    made = small(images=paths, looks={"embedding": look})
    assert all(max(picture.shape) <= 64 for picture in made._pictures) and seen == []
    made.picked = 2
    assert seen == [(1, 3, 220, 300)] and made.look_html.count("<img") == 1


def test_normalised_images_are_asked_for_their_range():
    images = torch.randn(6, 3, 8, 8)
    with pytest.raises(ValueError, match="images: expected floating point in 0 .. 1"):
        small(images=images)
    made = small(images=images, range="imagenet", looks={"embedding": lambda image: torch.ones(1, 2, 2)})
    made.picked = 0
    assert "<img" in made.look_html


@pytest.mark.parametrize("change, message", [
    ({"scores": {"class": range(6)}}, "scores: expected names other than"),
    ({"embeddings": {1: torch.eye(6), "1": torch.eye(6)}}, "embeddings: expected names that differ"),
    ({"labels": [0, 0, 1, 1, 2**60, 2**60]}, "labels: expected at most 2"),
    ({"labels": torch.zeros(6)}, "labels: expected a vector of integers"),
    ({"classes": [3]}, "classes: expected at most 8 that have images"),
    ({"classes": [True, False, True]}, "classes: expected a vector of integers"),
    ({"images": [np.zeros((4, 4))] * 5}, "images: expected 6, one a label, got 5"),
])  # fmt: skip
def test_more_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        small(**change)


def test_own_coordinates_are_shown_first():
    own = np.array([[0, 0], [4, 0], [4, 2], [0, 2], [1, 1], [2, 1]])
    made = small(coordinates=own)
    assert made.projection == made.projections[0] == "own"
    assert np.allclose(unpack(made.points, "<f4").reshape(-1, 2), own / 2 - [1, 0.5])
    assert made.png().startswith(b"\x89PNG")
    made.projection = "PCA"
    assert np.array_equal(unpack(made.points, "<f4").reshape(-1, 2), made.atlas.points("embedding"))


def test_a_folder_of_photographs_and_its_transform(tmp_path):
    for i in range(6):
        (tmp_path / f"class_{i % 2}").mkdir(exist_ok=True)
        Image.new("RGB", (90, 60), (40 * i, 0, 0)).save(tmp_path / f"class_{i % 2}" / f"{i}.png")
    files = image_folder(tmp_path, transform=photo_transforms(32))
    seen = []
    look = lambda image: seen.append(image) or torch.ones(1, 2, 2)
    made = EmbeddingExplorer(
        files,
        torch.randn(6, 3),
        files.labels,
        class_names=files.class_names,
        looks={"embedding": look},
        range="imagenet",
    )
    assert [picture.shape for picture in made._pictures] == [
        (43, 64, 3)
    ] * 6  # as on disk, not as transformed
    made.picked = 3
    assert (
        torch.equal(seen[0][0], files[3][0]) and "<img" in made.look_html and made.class_names[1] == "class_1"
    )
    assert len(contact_sheet(files, labels=files.labels).axes[0].images) == 6
