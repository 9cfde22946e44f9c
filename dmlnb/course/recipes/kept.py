"""Where trainings that several notebooks begin with are kept, so that only the first of them computes."""

from pathlib import Path

import dmlnb


def kept(name: str) -> Path | None:
    """A checkpoint file for a training that other notebooks repeat.

    Args:
        name: of the training; the same name means the same network, loss, data and seed.

    Returns:
        `build/trainings/<name>.safetensors` of a checkout, whose folder is made; None where the package is installed
        without one, and `train` then computes anew.

    Taught in notebook 00.
    """
    root = Path(dmlnb.__file__).resolve().parents[1]
    if not (root / "notebooks").is_dir():
        return None
    file = root / "build" / "trainings" / f"{name}.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
