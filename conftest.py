"""Settings of every test run: one thread a process, set before torch is imported by any test or kernel.

pytest tests --shuffle 7        in another order, the same for every 7
CI=true pytest tests            hypothesis draws the same examples in every run, as continuous integration does
"""

import copy
import os
import random

import pytest
from hypothesis import settings

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

# A busy machine is slow, not red: no deadline. In continuous integration no draw of luck either.
settings.register_profile("anywhere", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "anywhere")


def pytest_addoption(parser):
    parser.addoption(
        "--shuffle", type=int, metavar="SEED", help="run the tests in an order drawn with this seed"
    )


def pytest_collection_modifyitems(config, items):
    items.sort(key=_place)
    if (seed := config.getoption("--shuffle")) is not None:
        random.Random(seed).shuffle(items)


# Notebook 00 first, because it trains what most others load; then the longest, so that two workers end together.
NOTEBOOKS = ("00", "06", "05", "08", "07", "10", "04", "02", "03", "09", "01")


def _place(item) -> int:
    """Where a test stands: the cells of notebooks in the order above, everything else as it was."""
    number = item.path.name[:2]
    return NOTEBOOKS.index(number) if item.path.suffix == ".ipynb" and number in NOTEBOOKS else len(NOTEBOOKS)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """A tensor that tests share as a parameter is each test's own: what one does to it in place, no other sees."""
    import torch

    params = getattr(item, "callspec", None) and item.callspec.params
    for name, value in (params or {}).items():
        if isinstance(value, torch.Tensor):
            params[name] = copy.deepcopy(value)


@pytest.fixture(autouse=True)
def _seeded():
    """Every test draws the same random numbers, on one thread, whatever ran before it in its worker."""
    import torch

    torch.set_num_threads(1)
    torch.default_generator.manual_seed(0)  # not `torch.manual_seed`: half a millisecond for other devices
