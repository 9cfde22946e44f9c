import numpy as np
import pytest
import torch

from dmlnb.explore.planes import Planes, shared


@pytest.fixture
def rows():
    return {"a": torch.randn(40, 6), "b": torch.randn(40, 3)}


def nearest_by_loop(points, k):
    return [
        sorted(set(range(len(points))) - {i}, key=lambda j, i=i: np.linalg.norm(points[i] - points[j]))[:k]
        for i in range(len(points))
    ]


def test_the_share_that_a_map_keeps_is_that_of_a_loop(rows):
    planes = Planes(rows, None, 0)
    unit = torch.nn.functional.normalize(rows["a"].double(), dim=1).numpy()
    true, drawn = nearest_by_loop(unit, 10), nearest_by_loop(planes.points("a", "PCA").astype(float), 10)
    wanted = [len(set(t) & set(d)) / 10 for t, d in zip(true, drawn, strict=True)]
    assert planes.kept("a", "PCA") == pytest.approx(wanted)
    assert 0 < np.mean(wanted) < 1


def test_a_map_that_loses_nothing_keeps_everything():
    flat = torch.randn(30, 2)
    flat[:, 0] = flat[:, 0].abs() + 5  # a narrow cone: by angle one dimension is left
    angle = torch.atan2(flat[:, 1], flat[:, 0])
    planes = Planes({"a": flat}, torch.stack([angle, 0 * angle], dim=1).double().numpy(), 0)
    assert planes.kept("a", "own").tolist() == [1.0] * 30


def test_shared_counts_what_stands_in_both_lines():
    first, second = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[3, 9, 1], [7, 8, 9]])
    assert shared(first, second) == pytest.approx([2 / 3, 0])


@pytest.mark.parametrize("projection", ["PCA", "own"])
def test_a_map_of_a_part_is_that_of_the_part_alone(rows, projection):
    own = np.random.default_rng(0).normal(size=(40, 2))
    among = np.array([1, 4, 9, 16, 25, 36, 39])
    whole = Planes(rows, own, 0)
    part = Planes({name: r[torch.from_numpy(among)] for name, r in rows.items()}, own[among], 0)
    for name in rows:
        points = whole.points(name, projection, among)
        assert np.allclose(points[among], part.points(name, projection), atol=1e-5)
        assert np.isnan(np.delete(points, among, axis=0)).all()
    kept = whole.kept("a", projection, among)
    assert np.allclose(kept[among], part.kept("a", projection)) and np.isnan(kept[0])
    assert np.isfinite(whole.points("a", projection)).all()  # the whole map is as it was


def test_which_maps_there_are(rows):
    planes = Planes(rows, None, 0)
    assert (
        planes.names() == ["PCA", "UMAP"] and planes.names(3) == ["PCA"] and planes.names(50_001) == ["PCA"]
    )
    assert Planes(rows, np.zeros((40, 2)), 0).names() == ["own", "PCA", "UMAP"]
    with pytest.raises(ValueError, match="projection: expected one of PCA, UMAP, got 'own'"):
        planes.points("a", "own")


def test_a_map_computed_elsewhere_is_turned_and_scaled(rows):
    planes = Planes(rows, None, 0)
    turn = np.array([[0.0, 1.0], [1.0, 0.0]])
    planes.keep("b", "PCA", planes.points("a", "PCA").astype(float) @ turn * 7 + 100)
    assert np.allclose(planes.points("b", "PCA"), planes.points("a", "PCA"), atol=1e-5)
