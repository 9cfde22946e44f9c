"""The first call of every notebook: seeds, the picture format, and a quiet start."""

import base64
import platform
import random
import sys
import warnings

import numpy as np
import torch
from matplotlib.figure import Figure

import dmlnb
from dmlnb.explore.figures import png_bytes


def notebook_setup(seed: int = 0, threads: int | None = None) -> torch.device:
    """Seed everything, show figures as opaque PNG, silence known harmless warnings, and say what runs.

    Prints one line with the versions. Works in Jupyter, in Colab, and in plain Python (where no picture is shown).

    Args:
        seed: of `random`, NumPy and torch, 0 <= seed < 2^32.
        threads: CPU threads of torch; None leaves the number as it is.

    Returns:
        The device to compute on: CUDA where there is one, otherwise the CPU.

    Raises:
        ValueError: for a seed out of range or threads < 1.

    Taught in notebook 00.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed: expected 0 .. 2^32 - 1, got {seed}")
    if threads is not None:
        if threads < 1:
            raise ValueError(f"threads: expected a number >= 1, got {threads}")
        torch.set_num_threads(threads)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  for code of others that draws from the global generator
    torch.manual_seed(seed)

    warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm without widgets
    warnings.filterwarnings("ignore", message="n_jobs value .* overridden")  # umap, because it is seeded
    warnings.filterwarnings("ignore", message="Tensorflow not installed")  # umap, at import
    _show_figures_as_png()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    where = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    versions = f"Python {platform.python_version()} · torch {torch.__version__.split('+')[0]}"
    print(f"dmlnb {dmlnb.__version__} · {versions} · {where}")
    return device


def _show_figures_as_png() -> None:
    """Let the running notebook, if there is one, show figures that pyplot does not know."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or not hasattr(shell, "kernel"):  # plain Python, or IPython in a terminal
        return
    # First the inline backend, so that pyplot does not bring it in later and replace our format; then the format.
    shell.run_line_magic("matplotlib", "inline")
    shell.display_formatter.formatters["image/png"].for_type(
        Figure, lambda figure: base64.b64encode(png_bytes(figure)).decode()
    )
