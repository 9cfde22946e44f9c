import numpy as np
import onnxruntime
import pytest
import torch

from dmlnb.models import (
    export_onnx,
)
from dmlnb.pooling import (
    GeneralizedSumPooling,
    GlobalAveragePooling,
)
from tests.every import exports_all
from tests.models.small import network


@exports_all
def test_the_exported_network_answers_the_same(tmp_path):
    net = network(GeneralizedSumPooling(8, 5, 0.3))
    path = tmp_path / "new" / "net.onnx"
    net.train()
    export_onnx(net, path, size=(16, 20))
    assert net.training and [p.name for p in path.parent.iterdir()] == [path.name]
    session, net = onnxruntime.InferenceSession(path), net.eval()
    for batch in (1, 5):
        images = torch.randn(batch, 3, 16, 20)
        (answer,) = session.run(["embeddings"], {"images": images.numpy()})
        expected = net(images).detach().numpy()
        assert np.abs(answer - expected).max() < 1e-4 and np.abs(expected).max() > 1e-2


def test_a_pooling_that_is_still_warming_up_is_not_exported(tmp_path):
    net = network(GeneralizedSumPooling(8, 4, memory_size=8))
    with pytest.raises(ValueError, match="still warming up"):
        export_onnx(net, tmp_path / "net.onnx", size=16)


def test_bad_exports_are_named(tmp_path):
    net = network(GlobalAveragePooling())
    with pytest.raises(ValueError, match="path: expected a file, got the folder"):
        export_onnx(net, tmp_path, size=16)
    with pytest.raises(ValueError, match="size, channels"):
        export_onnx(net, tmp_path / "net", size=0)
