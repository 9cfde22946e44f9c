import numpy as np
import pytest
import torch

from dmlnb.course.toys import pair_energy, pair_slope


def test_the_slope_is_the_derivative_of_the_energy():
    r, h = np.linspace(0.01, 2, 80), 1e-6
    for w in (0.0, 0.3, 1.0):
        numeric = (pair_energy(r + h, w, 0.9) - pair_energy(r - h, w, 0.9)) / (2 * h)
        assert np.allclose(pair_slope(r, w, 0.9), numeric, atol=1e-5)
        assert pair_slope(0.9 * (1 - w), w, 0.9) == pytest.approx(0)


def test_numbers_arrays_and_tensors_agree():
    r = np.linspace(0, 2, 9)
    for function in (pair_energy, pair_slope):
        assert np.allclose(function(torch.from_numpy(r), 0.3, 0.9), function(r, 0.3, 0.9))
        assert [function(float(v), 0.3, 0.9) for v in r] == pytest.approx(function(r, 0.3, 0.9).tolist())
