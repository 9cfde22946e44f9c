import torch

from dmlnb.course.toys import cover_points


def test_points_are_seeded():
    assert torch.equal(cover_points(1)[0], cover_points(1)[0])
    assert not torch.equal(cover_points(1)[0], cover_points(2)[0])
