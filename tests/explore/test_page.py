import base64
import json
import re

import numpy as np
import pytest
import torch

from dmlnb.explore import EmbeddingExplorer

LABELS = torch.arange(40) % 10


@pytest.fixture
def made():
    images = torch.randint(0, 256, (40, 1, 16, 16), dtype=torch.uint8)
    rows = {"a": torch.randn(40, 6), "b": torch.randn(40, 4)}
    return EmbeddingExplorer(images, rows, LABELS, metadata={"kind": ["x", None] * 20})


def written(made, path, **how):
    made.save_html(path, **how)
    text = path.read_text(encoding="utf-8")
    data = re.search(r'(?s)<script type="application/json" id="dmlnb-data">(.*?)</script>', text)[1]
    return text, json.loads(data)


def unpack(text, kind):
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_what_is_stored_is_what_the_atlas_says(made, tmp_path):
    _, data = written(made, tmp_path / "page.html", neighbours=7)
    assert data["kept"] == 7 and not data["wide"] and data["traits"]["projections"] == ["PCA"]
    for name in "ab":
        index = unpack(data["neighbours"][name]["index"], "<u2").reshape(40, 7)
        far = unpack(data["neighbours"][name]["distance"], "<u2").reshape(40, 7) / 32767
        for i in range(40):
            found = made.atlas.neighbours(name, i, 7)
            assert index[i].tolist() == found.index.tolist()
            assert far[i] == pytest.approx(found.distance, abs=2e-5)
        points = unpack(data["maps"][name]["PCA"], "<i2").reshape(40, 2) / 32767
        assert np.allclose(points, made.atlas.points(name), atol=2e-5)
        hits = unpack(data["measures"][name]["hit or miss"], "<f4")
        assert np.array_equal(hits, made.atlas.hits(name))
        precision = unpack(data["measures"][name]["average precision"], "<f4")
        assert np.array_equal(precision, made.atlas.average_precision(name))
        kept = unpack(data["quality"][name]["PCA"]["kept by the map"], "<f4")
        assert np.array_equal(kept, made.atlas.kept(name, "PCA"))


def test_the_page_starts_as_the_explorer_is(made, tmp_path):
    made.picked, made.embedding, made.color_by, made.classes = 7, "b", "hit or miss", [3, 4]
    _, data = written(made, tmp_path / "page.html")
    traits = data["traits"]
    assert (traits["picked"], traits["embedding"], traits["color_by"]) == (7, "b", "hit or miss")
    assert traits["classes"] == [3, 4] and traits["levels"]["kind"] == ["x"] and not traits["kernel"]


def test_every_trait_that_the_script_asks_for_is_there(made, tmp_path):
    text, data = written(made, tmp_path / "page.html")
    asked = set(re.findall(r'model\.get\("(\w+)"\)', text))
    given = {*data["traits"], "sprite", "labels", "columns", "points", "twin_points"}
    assert len(asked) > 25 and asked <= given


def test_the_page_needs_nothing_else(made, tmp_path):
    text, _ = written(made, tmp_path / "page.html")
    assert not re.search(r"https?://|@import|url\(|\bfetch\(", re.sub(r"(?m)//.*$", "", text))
    assert re.findall(r"""(?:src|href)=["'](?!data:)[^"'$]""", text) == []
    assert not re.search(r"(?m)^import ", text)


def test_no_name_ends_the_script(tmp_path):
    evil = '</script><script>alert(1)</script>"&lt;'
    images = np.zeros((4, 8, 8), dtype=np.uint8)
    made = EmbeddingExplorer(images, {evil: torch.randn(4, 3)}, [0, 0, 1, 1], class_names=[evil, "b"])
    text, data = written(made, tmp_path / "page.html", title=evil)
    assert text.count("</script>") == 2 and text.count("<script") == 2
    assert data["traits"]["class_names"] == [evil, "b"] and "<title>&lt;/script&gt;" in text


def test_a_gallery_and_few_images(tmp_path):
    images = np.zeros((4, 8, 8), dtype=np.uint8)
    made = EmbeddingExplorer(images, torch.randn(4, 3), [0, 0, 1, 1], gallery=[1, 3])
    _, data = written(made, tmp_path / "page.html")
    assert data["kept"] == 1 and np.isnan(unpack(data["measures"]["embedding"]["hit or miss"], "<f4")[1])
    with pytest.raises(ValueError, match="neighbours: expected a whole number"):
        made.save_html(tmp_path / "page.html", neighbours=0)


def test_letters_stay_small(tmp_path):
    """As large as a page of the course: 1,500 images, two embeddings."""
    images = (
        torch.randint(0, 256, (1500, 1, 8, 8), dtype=torch.uint8)
        .repeat_interleave(4, 2)
        .repeat_interleave(4, 3)
    )
    rows = {"a": torch.randn(1500, 16), "b": torch.randn(1500, 16)}
    made = EmbeddingExplorer(images, rows, torch.arange(1500) % 100)
    made.save_html(tmp_path / "page.html")
    assert (
        tmp_path / "page.html"
    ).stat().st_size < 1.7e6  # noise: letters compress better (see the browser's test)
