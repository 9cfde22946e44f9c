import pytest
import torch

from dmlnb.data import ClassBatches
from tests.training.small import STEPS


@pytest.fixture(scope="session")
def data():
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(4).repeat_interleave(6)
    images = torch.randint(0, 256, (24, 1, 16, 16), dtype=torch.uint8, generator=generator)
    return images, labels, ClassBatches(labels, 3, 2, STEPS, seed=3)
