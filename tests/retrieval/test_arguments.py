import numpy as np
import pytest
import torch

from dmlnb.retrieval import evaluate, nearest


@pytest.mark.parametrize(
    "own, message", [([0, 1, 2], "own: expected \\(4,\\)"), ([0, 1, 2, 9], "own: expected rows in 0 .. 4"),
                     ([0.0, 1, 2, 3], "own"), ([-2, 1, 2, 3], "own")]
)  # fmt: skip
def test_bad_own_is_named(own, message):
    with pytest.raises(ValueError, match=message):
        nearest(torch.randn(4, 2), torch.randn(5, 2), k=1, own=own)
    with pytest.raises(ValueError, match="own: expected None without a gallery"):
        nearest(torch.randn(4, 2), k=1, own=[0, 1, 2, 3])


@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", ">i4", ">i8"]
)
def test_labels_of_every_width_in_every_form(dtype):
    embeddings = torch.randn(40, 4)
    labels = np.arange(40) % 7
    expected = evaluate(embeddings, torch.from_numpy(labels))
    assert evaluate(embeddings, labels.astype(dtype)) == expected
    if not dtype.startswith(">"):
        assert evaluate(embeddings.numpy(), torch.from_numpy(labels.astype(dtype))) == expected
    assert evaluate(embeddings.double().tolist(), labels.tolist()) == expected


def test_labels_may_be_item_numbers():
    embeddings, labels = torch.randn(40, 4), torch.arange(40) % 7
    assert evaluate(embeddings, labels + 111_085_122_871) == evaluate(embeddings, labels)
    with pytest.raises(ValueError, match=r"labels: expected labels >= 0 \(and below 2\*\*63\)"):
        evaluate(embeddings, np.full(40, 2**63, dtype=np.uint64))


@pytest.mark.parametrize("bad", [None, "rows", [[1.0, 2.0], [1.0]], [[1, 2], [3, 4]], np.array([["a"]])])
def test_other_forms_of_embeddings_are_one_clear_error(bad):
    with pytest.raises(ValueError, match="queries: expected"):
        nearest(bad, k=1)


@pytest.mark.parametrize("ks", [1, (), (1.5,), (0, 1), (None,)])
def test_bad_ks_are_named(ks):
    with pytest.raises(ValueError, match="ks: expected"):
        evaluate(torch.randn(4, 2), [0, 0, 1, 1], ks=ks)
