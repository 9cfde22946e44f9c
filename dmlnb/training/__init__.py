"""Training: one loop for every method, its schedule, its checkpoints."""

from dmlnb.training.checkpoints import load_checkpoint, save_checkpoint
from dmlnb.training.held import modules_of
from dmlnb.training.loop import train
from dmlnb.training.optimizer import constant, cosine, hold_then_linear, make_optimizer

__all__ = [
    "constant",
    "cosine",
    "hold_then_linear",
    "load_checkpoint",
    "make_optimizer",
    "modules_of",
    "save_checkpoint",
    "train",
]
