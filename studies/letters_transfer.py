"""Embedding transfer on letters: relaxed labels, their rivals and their controls, on scripts never seen.

    python -m studies.letters_transfer search   # about 5 minutes on one core
    python -m studies.letters_transfer          # about 15 minutes; writes dmlnb/course/results/letters_transfer.json

One network is trained first, to name the letters of a script that source and targets do not learn, validate or test on;
it is frozen, as the ImageNet network is on photographs. The vectors are its averaged features of each letter and of an
augmented copy. What is compared, and how, stands in `studies.transferred`; "untrained" are the vectors themselves.
"""

import sys
from functools import lru_cache, partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dmlnb.data import ClassBatches, Glyphs, augment, to_float
from dmlnb.models import EmbeddingNet, read_all, small_resnet
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import train
from studies import stored, transferred
from studies.photographs import EVERY, Split

BEFORE, LEARNED = "Latin", "Cyrillic"  # the script of the pretraining, and that of source and targets
PRETRAINING = 700


@lru_cache
def letters(split: str) -> Glyphs:
    return Glyphs(split, scripts=(LEARNED,)) if split == "train" else Glyphs(split)


@lru_cache
def pretrained() -> EmbeddingNet:
    """A network that names the letters of the other script; trained once, then read from its file."""
    data = Glyphs("train", scripts=(BEFORE,))
    torch.manual_seed(0)
    net = EmbeddingNet(small_resnet(), GlobalAveragePooling(), data.num_classes)  # embeddings are logits
    batches = ClassBatches(data.labels, 40, 2, PRETRAINING, seed=0)
    file = stored.FINISHED / "letters_transfer_start.safetensors"
    train(
        net, cross_entropy, data.images, data.labels, batches, checkpoint=file, device="cpu", progress=False
    )
    return net.eval()


def vectors(images: Tensor) -> Tensor:
    """Averaged features `(N, C, 1, 1)` of the frozen network."""
    return read_all(pretrained(), images).vector[:, :, None, None]


@lru_cache
def averaged() -> tuple[Split, Split]:
    """Vectors, in units of their standard deviation over the training letters, and labels, by split."""
    splits = ("train", "validation", "test")
    found = {split: vectors(letters(split).images) for split in splits}
    scale = found["train"].std()
    labels = {split: letters(split).labels for split in splits}
    return {split: values / scale for split, values in found.items()}, labels


@lru_cache
def augmented_train() -> Tensor:
    """Vectors of the training letters, augmented once, in the units of `averaged`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        copies = augment(to_float(letters("train").images))
    return vectors(copies) / vectors(letters("train").images).std()
