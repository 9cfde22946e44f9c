"""The widget without a browser: what a front end would set is set here, and what it would show is read."""

import base64
import csv
import threading

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

from dmlnb.data import image_folder, photo_transforms
from dmlnb.explore import EmbeddingExplorer, explorer
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
    own = ["class", "hit or miss", "average precision", "kept by the map", "neighbours in common"]
    assert made.colorings == [*own, "size", "gaps"] and made.classes == list(range(8))
    assert np.allclose(unpack(made.columns["size"], "<f4"), np.linspace(2, 5, 40))
    assert np.isnan(unpack(made.columns["gaps"], "<f4")).all() and made.levels == {
        "hit or miss": ["miss", "hit"]
    }
    assert np.array_equal(unpack(made.points, "<f4").reshape(-1, 2), made.atlas.points("a"))
    assert unpack(made.labels, "<f8").tolist() == LABELS.tolist() and len(made.palette) == 8
    assert made.sprite.startswith(b"\xff\xd8") and made.tile["size"] == 32
    for name in ("points", "labels", "sprite", "columns", "selected"):
        assert made.traits()[name].metadata["sync"]


def test_a_pick_shows_neighbours_and_the_map_of_the_pooling(made):
    made.picked = 7
    found = made.atlas.neighbours("a", 7)
    assert made.neighbours == made.found["index"] == found.index.tolist() and made.hits == found.hit.tolist()
    assert made.found["distance"] == found.distance.tolist()
    assert set(made.thumbs) == {str(i) for i in (7, *found.index)}
    assert all(address.startswith("data:image/png;base64,") for address in made.thumbs.values())
    (look,) = made.looks
    assert look["src"].startswith("data:image/png;base64,") and "Image 7" in look["alt"]
    made.picked = -1
    assert made.found == {} and made.looks == [] and made.thumbs == {} and made.neighbours == []


def test_how_many_neighbours(made):
    made.picked, made.k = 7, 3
    assert made.neighbours == made.atlas.neighbours("a", 7, 3).index.tolist()
    assert made.most_neighbours == 39


def test_a_switch_keeps_the_pick_and_the_selection_and_moves_the_points(made):
    made.picked, made.color_by = 7, "hit or miss"
    made.select([1, 11, 21, 5])
    before = made.points, made.measures
    made.embedding = "b"
    assert made.picked == 7 and made.selection.tolist() == [1, 5, 11, 21]
    assert made.neighbours == made.atlas.neighbours("b", 7).index.tolist()
    assert made.points != before[0] and made.measures != before[1]
    assert np.array_equal(unpack(made.measures["hit or miss"], "<f4") > 0, made.atlas.hits("b"))
    assert made.stats["recall"] == made.atlas.statistics("b", made.selection).recall_at_1


def test_two_maps_side_by_side(made):
    made.picked = 7
    assert made.twin == "" and made.twin_points == b"" and made.twin_found == {}
    made.twin = "b"
    assert np.array_equal(unpack(made.twin_points, "<f4").reshape(-1, 2), made.atlas.points("b"))
    assert made.twin_found["index"] == made.atlas.neighbours("b", 7).index.tolist()
    assert made.found["index"] == made.atlas.neighbours("a", 7).index.tolist()
    made.color_by = "neighbours in common"
    assert np.allclose(unpack(made.measures["neighbours in common"], "<f4"), made.atlas.in_common("a", "b"))
    x, y = made.atlas.points("b")[5].tolist()
    corners = [[x - 1e-3, y - 1e-3], [x + 1e-3, y - 1e-3], [x + 1e-3, y + 1e-3], [x - 1e-3, y + 1e-3]]
    made.lasso_on_twin, made.lasso = True, corners
    assert made.selection.tolist() == [5]
    made.embedding = "b"  # one map of it is enough
    assert made.twin == "" and made.twin_points == b"" and made.twin_found == {}


def test_a_lasso_selects_and_hidden_classes_are_left_out(made):
    everything = [[-2, -2], [2, -2], [2, 2], [-2, 2]]
    made.lasso = everything
    assert len(made.selection) == 40 and unpack(made.selected, "<u4").tolist() == list(range(40))
    made.classes, made.only = [3, 4], True
    made.lasso = [[-3, -3], [3, -3], [3, 3], [-3, 3]]
    assert set(LABELS[made.selection].tolist()) == {3, 4} and len(made.selection) == 8
    made.sheet = True
    assert set(made.thumbs) == {str(i) for i in made.selection}
    made.lasso = []
    assert len(made.selection) == 0 and made.selected == b"" and made.thumbs == {} and made.stats["size"] == 0


def test_a_lasso_of_one_corner_clears_what_was_selected_without_one(made):
    made.select([1, 2, 3])
    made.lasso = [[0.5, 0.0]]  # what the button "clear" sends
    assert len(made.selection) == 0 and made.selected == b"" and made.stats["size"] == 0


def test_statistics_of_a_selection_travel_in_words_of_json(made):
    made.select([4])
    found = made.stats
    assert found["classes"] == [[4, 1]] and found["inside"] is None and found["recall"] in (0, 1)
    made.select([])
    assert made.stats == {"size": 0, "classes": [], "complete": 0, "recall": None, "inside": None}


def test_measures_are_computed_when_they_are_asked_for(made):
    assert made.measures == {}
    made.color_by = "average precision"
    assert np.allclose(unpack(made.measures["average precision"], "<f4"), made.atlas.average_precision("a"))
    made.filters = {"kept by the map": [0.2, 0.9]}
    kept = made.atlas.kept("a", "PCA")
    assert np.allclose(unpack(made.measures["kept by the map"], "<f4"), kept)
    assert np.array_equal(made.visible, (kept >= np.float32(0.2)) & (kept <= np.float32(0.9)))
    made.color_by = "class"
    made.embedding = "b"
    assert set(made.measures) == {"kept by the map"}


def test_filters_hide_and_a_lasso_leaves_out_what_they_hide():
    made = small(metadata={"kind": ["x", "y", "x", None, "y", "x"], "year": [1, 2, 3, 4, 5, None]})
    assert made.levels["kind"] == ["x", "y"] and "year" in made.colorings
    made.filters = {"kind": ["x"], "year": [1, 4]}
    assert made.visible.tolist() == [True, False, True, False, False, False]
    made.lasso = [[-2, -2], [2, -2], [2, 2], [-2, 2]]
    assert made.selection.tolist() == [0, 2]
    made.filters = {"kind": []}
    assert not made.visible.any()
    made.filters = {"hit or miss": ["hit"]}
    assert np.array_equal(made.visible, made.atlas.hits("embedding"))
    made.filters = {"year": None}  # chosen in the browser, with no bounds yet
    assert made.visible.all()


def test_a_gallery():
    made = small(gallery=[0, 2, 4])
    made.color_by, made.picked = "hit or miss", 1
    assert set(made.neighbours) == {0, 2, 4} and made.levels["set"] == ["gallery", "query"]
    assert np.isnan(unpack(made.measures["hit or miss"], "<f4"))[[0, 2, 4]].all()


def test_a_map_of_the_selection_alone(made):
    made.select(range(12))
    made.request = ["focus", 0.1]
    points = unpack(made.points, "<f4").reshape(-1, 2)
    assert made.focused and np.array_equal(
        points, made.atlas.points("a", "PCA", np.arange(12)), equal_nan=True
    )
    assert np.isfinite(points[:12]).all() and np.isnan(points[12:]).all()
    made.lasso = [[-2, -2], [2, -2], [2, 2], [-2, 2]]
    assert made.selection.tolist() == list(range(12)) and made.png().startswith(b"\x89PNG")
    made.color_by = "kept by the map"
    assert np.isnan(unpack(made.measures["kept by the map"], "<f4")[12:]).all()
    made.request = ["everything", 0.2]
    assert not made.focused and np.isfinite(unpack(made.points, "<f4")).all()
    with pytest.raises(ValueError, match="chosen: expected at least 2 images"):
        made.focus([3])


def test_umap_is_laid_out_in_the_background_and_kept(made, tmp_path, monkeypatch):
    monkeypatch.setenv("DMLNB_DATA", str(tmp_path))
    said = []
    made.observe(lambda change: said.append(change["new"]), names="status")
    made.projection = "UMAP"
    assert np.array_equal(unpack(made.points, "<f4").reshape(-1, 2), made.atlas.points("a", "PCA"))
    made.wait()
    assert said[0].startswith("UMAP of a") and any("%" in words for words in said) and said[-1] == ""
    assert not made.busy and np.array_equal(
        unpack(made.points, "<f4").reshape(-1, 2), made.atlas.points("a", "UMAP")
    )
    made.projection = "PCA"
    made.projection = "UMAP"
    assert not made.busy  # it is computed once


class Endless:
    """A UMAP that ends when it is stopped."""

    def __init__(self, rows, seed):
        self.stopped = threading.Event()

    def run(self, tell):
        tell(0.25)
        self.stopped.wait(300)

    def stop(self):
        self.stopped.set()


def test_umap_can_be_stopped(made, tmp_path, monkeypatch):
    monkeypatch.setenv("DMLNB_DATA", str(tmp_path))
    monkeypatch.setattr(explorer, "Layout", Endless)
    made.projection = "UMAP"
    assert made.busy
    made.request = ["cancel", 0.5]
    made.wait()
    assert made.projection == "PCA" and not made.busy and made.status == ""


def test_a_umap_that_fails_says_why(made, tmp_path, monkeypatch):
    def fail(self, tell):
        raise RuntimeError("UMAP failed: no room")

    monkeypatch.setenv("DMLNB_DATA", str(tmp_path))
    monkeypatch.setattr(explorer.Layout, "run", fail)
    made.projection = "UMAP"
    made.wait()
    assert made.status == "UMAP failed: no room" and not made.busy
    assert np.array_equal(unpack(made.points, "<f4").reshape(-1, 2), made.atlas.points("a", "PCA"))


def test_many_images():
    number = 50_001
    made = EmbeddingExplorer(
        np.zeros((number, 4, 4), dtype=np.uint8), torch.randn(number, 2), torch.arange(number) % 5
    )
    assert made.projections == ["PCA"]
    with pytest.raises(traitlets.TraitError, match="projection: expected one of PCA"):
        made.projection = "UMAP"
    assert len(made.png()) < 150_000 and made.tile["size"] ** 2 * number * 4 <= 2**26


def test_the_selection_as_a_table(tmp_path):
    made = small(
        class_names=["gull", 'a "tern"', "auk, great"], metadata={"kind": list("xyxy") + [None, "<b>"]}
    )
    made.color_by = "hit or miss"
    made.select([1, 2, 4])
    made.save_csv(tmp_path / "some.csv")
    with (tmp_path / "some.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["index"] for row in table] == ["1", "2", "4"]
    assert [row["class"] for row in table] == ["gull", 'a "tern"', "auk, great"]
    assert [row["kind"] for row in table] == ["y", "x", ""]
    assert {row["hit or miss"] for row in table} <= {"hit", "miss"}


@pytest.mark.parametrize("name, value", [
    ("picked", 40), ("picked", -2), ("embedding", "c"), ("projection", "t-SNE"), ("color_by", "x"),
    ("classes", [10]), ("classes", list(range(9))), ("twin", "c"), ("k", 0), ("k", 40),
    ("filters", {"x": [0, 1]}), ("filters", {"class": [0, 1]}), ("filters", {"size": [3, 2]}),
    ("filters", {"size": "a"}), ("filters", {"hit or miss": ["yes"]}), ("filters", {"average precision": [1]}),
])  # fmt: skip
def test_values_that_no_button_sends_are_refused(made, name, value):
    before = getattr(made, name)
    with pytest.raises(traitlets.TraitError, match=rf"{name}(\[.*\])?: expected"):
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
    assert seen == [(1, 1, 16, 16)] and len(made.looks) == 1


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
    assert sorted(made.stats["classes"]) == [[c, 2] for c in classes]
    assert made.png().startswith(b"\x89PNG")


def test_names_by_class():
    assert small(class_names={2: "tern", 0: "gull", 1: "auk"}).class_names == ["gull", "auk", "tern"]
    with pytest.raises(ValueError, match="class_names: expected a name for each class, got none for class 2"):
        small(class_names={0: "gull", 1: "auk"})
    with pytest.raises(ValueError, match="class_names: expected at least 3, got 2"):
        small(class_names=["gull", "auk"])


def test_images_of_files_are_kept_as_thumbnails_and_opened_for_a_look(tmp_path):
    for i in range(6):
        Image.new("RGB", (300, 200 + 10 * i), (40 * i, 0, 0)).save(tmp_path / f"{i}.jpg")
    paths = sorted(tmp_path.iterdir())
    seen = []
    look = lambda image: seen.append(tuple(image.shape)) or torch.ones(1, 2, 3)
    made = small(images=paths, looks={"embedding": look})
    assert all(max(picture.shape) <= 64 for picture in made._pictures) and seen == []
    made.picked = 2
    assert seen == [(1, 3, 220, 300)] and len(made.looks) == 1


def test_normalised_images_are_asked_for_their_range():
    images = torch.randn(6, 3, 8, 8)
    with pytest.raises(ValueError, match="images: expected floating point in 0 .. 1"):
        small(images=images)
    made = small(images=images, range="imagenet", looks={"embedding": lambda image: torch.ones(1, 2, 2)})
    made.picked = 0
    assert len(made.looks) == 1


@pytest.mark.parametrize("change, message", [
    ({"scores": {"class": range(6)}}, "scores, metadata: expected names other than"),
    ({"metadata": {"average precision": range(6)}}, "scores, metadata: expected names other than"),
    ({"metadata": {"x": range(5)}}, "metadata.*expected shape"),
    ({"gallery": [0, 6]}, "gallery: expected numbers in 0 .. 5"),
    ({"coordinates": [[0, float("nan")]] * 6}, "coordinates: expected finite numbers"),
    ({"coordinates": np.zeros((6, 3))}, "coordinates: expected shape"),
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
    assert torch.equal(seen[0][0], files[3][0]) and len(made.looks) == 1 and made.class_names[1] == "class_1"
    assert len(contact_sheet(files, labels=files.labels).axes[0].images) == 6
