"""A classifier of letters, alone or beside a teacher: the trainings of notebook 06."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dmlnb.data import ClassBatches, Letters
from dmlnb.training import train


def train_letters(
    net: nn.Module | Callable[[Tensor], Any],
    loss: nn.Module | Callable[[Tensor, Tensor], Tensor],
    letters: Letters,
    *,
    steps: int = 800,
    seed: int = 0,
    learning_rate: float = 0.01,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Train a classifier, alone or beside a teacher, on letters: batches of 32 classes x 2, the same for one seed.

    Args:
        net: changed in place, left in evaluation mode; or its `read`, for a loss that takes a reading, such as
            `Beside(student, teacher).read` for `LetKDLoss`.
        loss: `loss(net(images), labels) -> scalar`.
        letters: to train on.
        steps: training steps.
        seed: of the batches and the augmentation; weights are the caller's.
        learning_rate: of AdamW.
        device: of `train`; what the loss holds, such as a codebook, is moved there too.
        progress: show a bar.

    Returns:
        The history of the training.

    Taught in notebook 06.
    """
    batches = ClassBatches(letters.labels, 32, 2, steps, seed=seed)
    history = train(net, loss, letters.images, letters.labels, batches,
                    learning_rate=learning_rate, proxy_factor=1.0, seed=seed,
                    device=device, progress=progress)  # fmt: skip
    getattr(net, "__self__", net).eval()  # net.read is a bound method of its network
    return history
