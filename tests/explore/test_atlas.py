import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from dmlnb.explore import EmbeddingAtlas
from dmlnb.retrieval import evaluate


@pytest.fixture
def rows():
    return torch.randn(60, 7)


LABELS = torch.arange(60) % 6


def test_neighbours_are_those_of_a_loop(rows):
    atlas = EmbeddingAtlas(rows, LABELS)
    unit = normalize(rows.double(), dim=1)
    for index in (0, 17, 59):
        others = sorted((i for i in range(60) if i != index), key=lambda i: -float(unit[index] @ unit[i]))
        found = atlas.neighbours("embedding", index, k=9)
        assert found.index.tolist() == others[:9]
        assert found.hit.tolist() == [bool(LABELS[i] == LABELS[index]) for i in others[:9]]
        far = [(unit[index] - unit[i]).norm().item() for i in others[:9]]
        assert np.allclose(found.distance, far, atol=1e-5)
        assert np.allclose(found.similarity, [1 - d**2 / 2 for d in far], atol=1e-5)


def test_a_duplicate_is_a_neighbour_and_the_image_itself_is_not():
    rows = torch.cat([torch.ones(12, 3), torch.eye(3)])  # twelve copies: more than are asked for
    atlas = EmbeddingAtlas(rows, torch.zeros(15, dtype=torch.long))
    for index in range(12):
        found = atlas.neighbours("embedding", index, k=5)
        assert len(found.index) == 5 and index not in found.index
        assert found.distance.max() < 1e-3
    assert len(atlas.neighbours("embedding", 0, k=100).index) == 14


def test_hits_and_statistics_agree_with_evaluate(rows):
    atlas = EmbeddingAtlas({"a": rows, "b": torch.randn(60, 3)}, LABELS)
    everything = np.arange(60)
    first = atlas.statistics("a", everything)  # before hits are known, and after
    report = evaluate(rows, LABELS, ks=(1,))
    assert first.recall_at_1 == pytest.approx(report.recall_at[1]) == pytest.approx(atlas.hits("a").mean())
    assert first == atlas.statistics("a", everything)
    assert first.recall_inside == pytest.approx(first.recall_at_1)
    assert first.size == 60 and first.complete == 6 and first.classes == dict.fromkeys(range(6), 10)

    some = np.array([3, 0, 1, 2, 6, 12, 12])  # classes 3, 0, 1, 2, 0, 0; one of them twice
    found = atlas.statistics("a", some)
    assert found.size == 6 and found.classes == {0: 3, 1: 1, 2: 1, 3: 1} and found.complete == 0
    assert next(iter(found.classes)) == 0
    assert found.recall_at_1 == pytest.approx(atlas.hits("a")[np.unique(some)].mean())
    inside = evaluate(
        rows[np.unique(some)], LABELS[np.unique(some)], ks=(1,)
    )  # skips the three without a partner
    assert found.recall_inside == pytest.approx(inside.recall_at[1] * 3 / 6)


def test_small_selections(rows):
    atlas = EmbeddingAtlas(rows, LABELS)
    empty, one = atlas.statistics("embedding", []), atlas.statistics("embedding", [4])
    assert empty.size == 0 and empty.classes == {} and math.isnan(empty.recall_at_1)
    assert one.size == 1 and one.recall_at_1 in (0, 1) and math.isnan(one.recall_inside)


def test_the_pca_map_keeps_what_pca_keeps(rows):
    points = EmbeddingAtlas(rows, LABELS).points("embedding")
    assert points.dtype == np.float32 and np.abs(points).max() == pytest.approx(1)
    centred = (rows - rows.mean(dim=0)).double()
    values = torch.linalg.svdvals(centred)[:2]
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    assert spread[1] / spread[0] == pytest.approx((values[1] / values[0]).item(), rel=1e-4)


def test_a_rotated_embedding_lies_where_the_first_lies(rows):
    turn, _ = torch.linalg.qr(torch.randn(7, 7))
    mirrored = rows @ turn * 5
    mirrored[:, 0] *= -1
    atlas = EmbeddingAtlas({"a": rows, "b": rows @ turn * 5, "c": mirrored @ turn}, LABELS)
    assert np.allclose(atlas.points("a"), atlas.points("b"), atol=1e-3)
    turned = atlas.points("c")  # an alignment turns and mirrors only: all distances stay in proportion
    apart = [np.linalg.norm(p[:, None] - p[None], axis=2) for p in (atlas.points("a"), turned)]
    assert np.corrcoef(apart[0].ravel(), apart[1].ravel())[0, 1] > 0.5


def test_umap_is_seeded_and_separates_what_is_separate(tmp_path, monkeypatch):
    monkeypatch.setenv("DMLNB_DATA", str(tmp_path / "first"))
    labels = torch.arange(60) % 3
    rows = 0.1 * torch.randn(60, 5) + torch.eye(5)[labels]
    first, again = (EmbeddingAtlas(rows, labels, seed=3) for _ in range(2))
    assert not first.has_points("embedding", "UMAP")
    points = first.points("embedding", "UMAP")
    assert first.has_points("embedding", "UMAP") and points is first.points("embedding", "UMAP")
    monkeypatch.setenv("DMLNB_DATA", str(tmp_path / "again"))  # where no map is kept yet
    assert np.array_equal(points, again.points("embedding", "UMAP"))
    near = np.linalg.norm(points[:, None] - points[None], axis=2) + 9 * np.eye(60)
    assert (labels.numpy()[near.argmin(axis=1)] == labels.numpy()).all()


@pytest.mark.parametrize(
    "rows", [torch.zeros(5, 3), torch.ones(2, 1), torch.randn(3, 1), torch.eye(2) * 1e20]
)
def test_degenerate_embeddings_have_a_finite_map(rows):
    points = EmbeddingAtlas(rows, torch.zeros(len(rows), dtype=torch.long)).points("embedding")
    assert points.shape == (len(rows), 2) and np.isfinite(points).all() and np.abs(points).max() <= 1


def test_umap_only_for_a_number_of_images_that_suits_it():
    many = EmbeddingAtlas(torch.randn(50_001, 2), torch.zeros(50_001, dtype=torch.long))
    few = EmbeddingAtlas(torch.randn(3, 2), torch.zeros(3, dtype=torch.long))
    some = EmbeddingAtlas(torch.randn(4, 2), torch.zeros(4, dtype=torch.long))
    assert many.projections == few.projections == ["PCA"] and some.projections == ["PCA", "UMAP"]
    with pytest.raises(ValueError, match="at most 50000"):
        many.points("embedding", "UMAP")
    with pytest.raises(ValueError, match="at least 4"):
        few.points("embedding", "UMAP")


def test_own_coordinates_are_moved_and_scaled_and_never_turned(rows):
    own = torch.randn(60, 2).double() * 40 + 7
    atlas = EmbeddingAtlas({"a": rows, "b": rows[:, :3]}, LABELS, coordinates=own)
    assert atlas.projections == ["own", "PCA", "UMAP"]
    middle = (own.amin(dim=0) + own.amax(dim=0)) / 2
    wanted = (own - middle) / (own.amax(dim=0) - own.amin(dim=0)).max() * 2
    for name in "ab":
        assert np.allclose(atlas.points(name, "own"), wanted, atol=1e-6)
    with pytest.raises(ValueError, match="projection: expected one of PCA, UMAP, got 'own'"):
        EmbeddingAtlas(rows, LABELS).points("embedding", "own")


def inside_by_angles(point, corners):
    """Twin: a point is inside when the sides turn once round it."""
    turn = 0.0
    for a, b in zip(corners, [*corners[1:], corners[0]], strict=True):
        angle = [math.atan2(c[1] - point[1], c[0] - point[0]) for c in (a, b)]
        turn += (angle[1] - angle[0] + math.pi) % (2 * math.pi) - math.pi
    return abs(turn) > math.pi


@pytest.mark.parametrize("corners", [
    [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)],
    [(0.0, 0.9), (-0.8, -0.7), (0.7, -0.6)],
    [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (0.0, -0.2), (-0.9, 0.9)],  # not convex
])  # fmt: skip
def test_a_lasso_holds_what_it_encloses(corners, rows):
    atlas = EmbeddingAtlas(rows, LABELS)
    points = atlas.points("embedding")
    wanted = [i for i in range(60) if inside_by_angles(points[i], corners)]
    assert 0 < len(wanted) < 60
    assert atlas.inside("embedding", "PCA", corners).tolist() == wanted
    assert atlas.inside("embedding", "PCA", corners[::-1]).tolist() == wanted


@pytest.mark.parametrize("make, message", [
    (lambda: EmbeddingAtlas({}, LABELS), "at least one"),
    (lambda: EmbeddingAtlas(torch.randn(59, 2), LABELS), "labels: expected shape"),
    (lambda: EmbeddingAtlas({"a": torch.eye(60), "b": torch.full((60, 2), math.nan)}, LABELS), r"embeddings\['b'\]"),
    (lambda: EmbeddingAtlas(torch.randn(1, 2), LABELS[:1]), "at least 2"),
    (lambda: EmbeddingAtlas(torch.randn(60, 2), LABELS.float()), "labels"),
    (lambda: EmbeddingAtlas(torch.randn(60, 2), LABELS, class_names={0: "a"}), "got none for class 1"),
    (lambda: EmbeddingAtlas({1: torch.eye(60), "1": torch.eye(60)}, LABELS), "names that differ, got '1' twice"),
    (lambda: EmbeddingAtlas(torch.randn(60, 2), LABELS, class_names=["a"]), "class_names: expected at least 6"),
    (lambda: EmbeddingAtlas(torch.eye(60), LABELS, coordinates=torch.eye(60)), "coordinates: expected shape"),
    (lambda: EmbeddingAtlas(torch.eye(60), LABELS, coordinates=[[0, math.nan]] * 60), "coordinates: expected finite"),
    (lambda: EmbeddingAtlas(torch.randn(60, 2), LABELS, scores={"s": [1.0]}), r"scores\['s'\]"),
    (lambda: EmbeddingAtlas(torch.eye(60), LABELS, scores={"s": ["a"] * 60}), r"scores\['s'\]: expected numbers"),
    (lambda: EmbeddingAtlas(torch.eye(60), LABELS, metadata={"m": [[1]] * 60}), r"metadata\['m'\]: expected shape"),
    (lambda: EmbeddingAtlas(torch.eye(60), LABELS, scores={"a": LABELS}, metadata={"a": LABELS}), "those of scores"),
    (lambda: EmbeddingAtlas(torch.eye(60), LABELS, gallery=[3]), "gallery: expected at least 2 images, got 1"),
    (lambda: EmbeddingAtlas(torch.eye(60), LABELS, gallery=[True] * 3), "gallery: expected a mask of shape"),
    (lambda: EmbeddingAtlas(torch.eye(60), LABELS, gallery=[3, 60]), "gallery: expected numbers in 0 .. 59"),
    (lambda: EmbeddingAtlas(torch.eye(60), LABELS, gallery=[3, 4], metadata={"set": LABELS}), "other than 'set'"),
    (lambda: EmbeddingAtlas(torch.randn(60, 2), LABELS).neighbours("embedding", 0, 0), "k: expected"),
    (lambda: EmbeddingAtlas(torch.randn(60, 2), LABELS).neighbours("embedding", 60), "index: expected 0 .. 59"),
    (lambda: EmbeddingAtlas(torch.randn(60, 2), LABELS).neighbours("x", 0), "name: expected one of embedding"),
    (lambda: EmbeddingAtlas(torch.randn(60, 2), LABELS).points("embedding", "t-SNE"), "projection: expected"),
    (lambda: EmbeddingAtlas(torch.randn(60, 2), LABELS).inside("embedding", "PCA", [[0, 0], [1, 1]]), "polygon"),
    (lambda: EmbeddingAtlas(torch.randn(60, 2), LABELS).statistics("embedding", [-1]), "chosen: expected"),
])  # fmt: skip
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_arrays_and_half_precision_are_taken(rows):
    whole = EmbeddingAtlas(rows.numpy().astype(np.float64), LABELS.numpy())
    half = EmbeddingAtlas(rows.bfloat16(), LABELS)
    assert len(whole) == 60 and whole.names == ["embedding"] and whole.class_names[5] == "5"
    assert np.isfinite(half.points("embedding")).all()


def test_distances_are_right_in_a_narrow_cone():
    rows = torch.eye(1, 8).double() + 3e-5 * torch.randn(30, 8, dtype=torch.double)
    found = EmbeddingAtlas(rows, torch.zeros(30, dtype=torch.long)).neighbours("embedding", 3, k=5)
    unit = normalize(rows, dim=1)
    far = (unit[found.index] - unit[3]).norm(dim=1).numpy()
    assert far.max() < 3e-4 and np.allclose(found.distance, far, rtol=1e-6)


def test_statistics_of_a_mask_and_of_huge_labels(rows):
    labels = LABELS.numpy() * 10**10 + 10**11
    atlas, plain = EmbeddingAtlas(rows, labels), EmbeddingAtlas(rows, LABELS)
    mask = np.arange(60) < 7
    found, small = atlas.statistics("embedding", mask), plain.statistics("embedding", range(7))
    assert found.classes == {c * 10**10 + 10**11: n for c, n in small.classes.items()}
    assert (found.size, found.complete, found.recall_at_1) == (small.size, small.complete, small.recall_at_1)
    assert atlas.class_names[10**11] == "100000000000" and atlas.class_sizes[10**11] == 10


def test_the_map_of_another_embedding_is_the_best_turn_of_it(rows):
    atlas = EmbeddingAtlas({"a": rows, "b": torch.randn(60, 4)}, LABELS)
    target, points = (atlas.points(name).astype(float) for name in "ab")
    points = points - points.mean(axis=0)
    gap = lambda turned: (
        np.abs(turned / np.linalg.norm(turned) - target / np.linalg.norm(target)).__pow__(2).sum()
    )
    for angle in np.linspace(0.05, 6.2, 40):
        cos, sin = math.cos(angle), math.sin(angle)
        for turn in ([[cos, -sin], [sin, cos]], [[cos, sin], [sin, -cos]]):
            assert gap(points @ np.array(turn)) >= gap(points) - 1e-6


def average_precision_loop(unit, labels, query, gallery):
    """Twin: walk down the list of the gallery, nearest first, as far as there are relevant images."""
    others = sorted((i for i in gallery if i != query), key=lambda i: -float(unit[query] @ unit[i]))
    relevant = sum(labels[i] == labels[query] for i in others)
    seen, total = 0, 0.0
    for rank, i in enumerate(others[:relevant], start=1):
        if labels[i] == labels[query]:
            seen += 1
            total += seen / rank
    return total / relevant if relevant else math.nan


@pytest.mark.parametrize("gallery", [None, list(range(0, 60, 3))])
def test_average_precision_is_that_of_a_loop(rows, gallery):
    labels = torch.tensor([0] * 30 + [1] * 20 + [2] * 9 + [3])  # a class of one image among them
    atlas = EmbeddingAtlas(rows, labels, gallery=gallery)
    unit, everything = normalize(rows.double(), dim=1), list(range(60))
    found = atlas.average_precision("embedding")
    for i in everything:
        wanted = average_precision_loop(unit, labels.tolist(), i, gallery or everything)
        if gallery and i in gallery:
            wanted = math.nan  # no query
        assert found[i] == pytest.approx(wanted, abs=1e-6, nan_ok=True)
    if gallery is None:
        assert np.nanmean(found) == pytest.approx(evaluate(rows, labels).map_at_r, abs=1e-6)


def test_queries_against_a_gallery(rows):
    gallery = torch.arange(60) % 5 == 0  # two images of each class
    atlas = EmbeddingAtlas(rows, LABELS, gallery=gallery)
    assert np.array_equal(atlas.queries, ~gallery.numpy())
    inside, unit = np.flatnonzero(gallery), normalize(rows.double(), dim=1)
    for index in (0, 1, 59):  # one of the gallery, which is not its own neighbour, and two queries
        wanted = sorted(set(inside.tolist()) - {index}, key=lambda i: -float(unit[index] @ unit[i]))
        assert atlas.neighbours("embedding", index, k=5).index.tolist() == wanted[:5]
        assert len(atlas.neighbours("embedding", index, k=50).index) == len(wanted)
    asked, found = np.flatnonzero(~gallery), atlas.statistics("embedding", range(60))
    report = evaluate(
        rows[asked], LABELS[asked], gallery=rows[inside], gallery_labels=LABELS[inside], ks=(1,)
    )
    assert found.recall_at_1 == found.recall_inside == pytest.approx(report.recall_at[1])
    assert math.isnan(atlas.statistics("embedding", inside).recall_at_1)
    assert atlas.columns["set"].levels == ["query", "gallery"]


def test_neighbours_in_common(rows):
    other = rows + 0.7 * torch.randn(60, 7)
    atlas = EmbeddingAtlas({"a": rows, "b": other, "c": rows * 3}, LABELS)
    found = atlas.in_common("a", "b", k=10)
    for i in range(60):
        first, second = (set(atlas.neighbours(name, i, 10).index) for name in "ab")
        assert found[i] == pytest.approx(len(first & second) / 10)
    assert (atlas.in_common("a", "c") == 1).all() and 0 < found.mean() < 1


def test_distances_of_a_table(rows):
    atlas = EmbeddingAtlas(rows, LABELS)
    table = atlas.table("embedding", 4)
    near = atlas.neighbours("embedding", 7, 4)
    assert table[7].tolist() == near.index.tolist()
    assert np.allclose(atlas.distances("embedding", table)[7], near.distance)
