import types

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from dmlnb.course.plots import embedding_map, png_bytes, project
from dmlnb.explore import maps
from dmlnb.explore.figures import FAINT
from dmlnb.explore.maps import umap_layout


def test_pca_is_pca():
    embeddings = torch.randn(50, 6) * torch.tensor([5.0, 3.0, 1.0, 1.0, 1.0, 1.0]) + 7
    found, expected = project(embeddings), PCA(2).fit_transform(embeddings.numpy())
    for axis in range(2):
        assert np.allclose(found[:, axis], expected[:, axis], atol=1e-3) or np.allclose(
            found[:, axis], -expected[:, axis], atol=1e-3
        )
    assert np.array_equal(found, project(embeddings)) and np.allclose(
        found, project(embeddings + 100.0), atol=1e-3
    )


@pytest.mark.parametrize("shape", [(1, 5), (2, 5), (5, 1), (5, 2)])
def test_pca_of_little(shape):
    points = project(torch.randn(*shape))
    assert points.shape == (shape[0], 2) and np.isfinite(points).all()


@pytest.mark.parametrize("shape", [(60, 5), (5, 60), (20, 20)])
def test_pca_is_the_same_by_either_side_of_the_table(shape):
    rows = torch.randn(*shape, dtype=torch.double) * torch.linspace(1, 3, shape[1])
    left, _, _ = torch.linalg.svd(rows - rows.mean(dim=0), full_matrices=False)
    found = torch.from_numpy(project(rows))
    unit = found / found.norm(dim=0)
    assert torch.allclose((unit * left[:, :2]).sum(dim=0).abs(), torch.ones(2, dtype=torch.double))


def test_pca_of_equal_points():
    assert np.allclose(project(torch.ones(4, 3)), 0)
    png_bytes(embedding_map(project(torch.ones(4, 3)), torch.tensor([0, 0, 1, 1])))


def test_umap_separates_groups_and_repeats_itself():
    centres = torch.eye(3, 8).repeat_interleave(20, dim=0)
    embeddings = torch.nn.functional.normalize(centres + 0.05 * torch.randn(60, 8), dim=1)
    points = project(embeddings, "umap", seed=1, neighbours=8)
    assert points.shape == (60, 2) and np.array_equal(
        points, project(embeddings, "umap", seed=1, neighbours=8)
    )
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    same = np.equal.outer(np.arange(60) // 20, np.arange(60) // 20)
    assert distance[same].mean() < distance[~same].mean()


@pytest.mark.parametrize(
    ("embeddings", "arguments", "words"),
    [
        (torch.randn(5, 3), {"method": "tsne"}, "method: expected"),
        (torch.randn(50_001, 2), {"method": "umap"}, "at most 50000"),
        (torch.randn(10, 3), {"method": "umap"}, "neighbours: expected 2 .. 9"),
        (torch.randn(3, 3), {"method": "umap", "neighbours": 2}, "at least 4 points for UMAP, got 3"),
        (torch.randn(0, 3), {}, "embeddings: expected shape"),
        (torch.randn(5), {}, "embeddings: expected"),
        (torch.full((5, 2), torch.nan), {}, "embeddings: expected finite"),
    ],
)
def test_project_names_what_is_wrong(embeddings, arguments, words):
    with pytest.raises(ValueError, match=words):
        project(embeddings, **arguments)


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_few_classes_are_all_coloured():
    figure = embedding_map(torch.randn(20, 2), torch.arange(20) % 4, class_names=list("abcd"), title="t")
    png_bytes(figure)
    assert legend(figure) == list("abcd")


def test_other_classes_are_grey():
    labels = torch.arange(60) % 12
    figure = embedding_map(torch.randn(60, 2), labels, highlight=[11, 2])
    assert legend(figure) == ["class 11", "class 2", "10 other classes"]
    assert len(figure.axes[0].collections[0].get_offsets()) == 50
    from matplotlib.colors import to_hex

    assert to_hex(figure.axes[0].collections[0].get_facecolor()[0]).upper() == FAINT
    assert legend(embedding_map(torch.randn(60, 2), labels))[-1] == "4 other classes"


def test_a_class_keeps_its_colour_between_maps():
    labels = torch.arange(60) % 12
    one = embedding_map(torch.randn(60, 2), labels, highlight=[5]).axes[0].collections[1]
    two = embedding_map(torch.randn(6, 2), torch.tensor([5] * 6)).axes[0].collections[1]
    assert (one.get_facecolor() == two.get_facecolor()).all()


@pytest.mark.parametrize(
    ("points", "labels", "highlight", "words"),
    [
        (torch.randn(4, 3), torch.zeros(4), None, "points, labels"),
        (torch.randn(4, 2), torch.zeros(3), None, "points, labels"),
        (torch.randn(9, 2), torch.arange(9), range(9), "highlight: expected at most 8"),
    ],
)
def test_embedding_map_names_what_is_wrong(points, labels, highlight, words):
    with pytest.raises(ValueError, match=words):
        embedding_map(points, labels, highlight=highlight)


@pytest.mark.parametrize("points, neighbours", [(4, 2), (4, 3), (5, 4)])
def test_umap_of_as_few_points_as_it_takes(points, neighbours):
    found = project(torch.randn(points, 3), "umap", neighbours=neighbours)
    assert found.shape == (points, 2) and np.isfinite(found).all()


def test_class_names_in_a_mapping_and_names_that_matplotlib_would_read():
    figure = embedding_map(
        torch.randn(6, 2), [7, 7, 10**11, 10**11, 3, 3], {7: "_noise", 10**11: "a$b_{$", 3: "<b>"}
    )
    png_bytes(figure)
    assert legend(figure) == ["<b>", "_noise", r"a\$b_{\$"]
    with pytest.raises(ValueError, match="class_names: expected at least 8, got 2"):
        embedding_map(torch.randn(2, 2), [7, 7], ["a", "b"])


@pytest.mark.parametrize("labels", [[0.5, 1.0], [True, False], [-1, 0]])
def test_labels_that_are_none(labels):
    with pytest.raises(ValueError, match="labels: expected"):
        embedding_map(torch.randn(2, 2), labels)


def test_points_must_be_finite_and_highlights_whole():
    with pytest.raises(ValueError, match="points: expected finite"):
        embedding_map(torch.tensor([[0.0, float("nan")]]), [0])
    with pytest.raises(ValueError, match="highlight: expected a vector of integers"):
        embedding_map(torch.randn(2, 2), [0, 1], highlight=[True, False])


def test_umap_tells_how_far_it_is():
    shares = []
    points = umap_layout(torch.randn(40, 4), 0, 10, shares.append)
    assert shares == sorted(shares) and shares[0] < 0.5 and shares[-1] == 1
    assert np.isfinite(points).all()


def test_what_numba_compiles_of_umap_is_kept_for_other_processes():
    umap_layout(torch.randn(9, 4), 0, 3)
    import umap

    compiled = [f for f in vars(umap.layouts).values() if getattr(f, "signatures", None)]
    assert compiled and all(function.stats.cache_path for function in compiled)


def test_where_nothing_can_be_kept_umap_is_compiled_each_time():
    class Refuses:
        asked = 0

        def enable_caching(self):
            self.asked += 1
            raise RuntimeError("cannot cache function: no locator available")

    module = types.ModuleType("module")
    module.function, module.number = Refuses(), 3
    maps._keep_compiled(module)
    assert module.function.asked == 1
