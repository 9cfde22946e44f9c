"""Training: one loop for every method, its schedule, its checkpoints."""

from dmlnb.training.checkpoints import load_checkpoint, save_checkpoint
from dmlnb.training.loop import hold_then_linear, make_optimizer, train

__all__ = ["hold_then_linear", "load_checkpoint", "make_optimizer", "save_checkpoint", "train"]
