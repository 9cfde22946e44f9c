"""Settings of every test run: one thread a process, set before torch is imported by any test or kernel."""

import os

import pytest

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"


@pytest.fixture(autouse=True)
def _seeded():
    """Every test draws the same random numbers, on one thread, whatever ran before it in its worker."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
