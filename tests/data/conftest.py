import pytest

from tests.data.small import draw


@pytest.fixture
def folder(tmp_path):
    for name in ("cat/2.png", "cat/1.jpg", "ant/x.PNG"):
        draw(tmp_path / "photos" / name)
    return tmp_path / "photos"
