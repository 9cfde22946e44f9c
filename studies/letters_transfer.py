"""Embedding transfer on letters: relaxed labels, their rivals and their controls, on scripts never seen.

    python -m studies.letters_transfer search   # about 5 minutes on one core
    python -m studies.letters_transfer          # about 15 minutes; writes dmlnb/course/results/letters_transfer.json

One network is trained first, to name the Latin letters; source and targets learn Cyrillic ones. It is frozen, as the
ImageNet network is on photographs. The vectors are averages, over regions, of its map before the last block, for each
letter and an augmented copy: the last block's own average leaves no room, it retrieves Greek letters as well as it is
or with a head behind it. What is compared, and how, stands in `studies.transferred`. Two more rows train
nothing: the vectors themselves, and the last block's average.
"""

import sys
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb.data import ClassBatches, Glyphs, augment, to_float
from dmlnb.models import EmbeddingNet, read_all, small_resnet
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import load_checkpoint, train
from studies import stored, transferred
from studies.photographs import EVERY, Split, measure

WIDTHS = (16, 24, 64, 64)  # 64 channels before the last block, as behind it
STAGE, LAST, PRETRAINING, PER_CLASS = "4", "5", 700, 30
UNTRAINED = {"untrained: vectors": STAGE, "untrained: last block": LAST}


@lru_cache
def letters(split: str) -> Glyphs:
    return Glyphs(split, **({"scripts": ("Cyrillic",), "per_class": PER_CLASS} if split == "train" else {}))


@lru_cache
def pretrained() -> EmbeddingNet:
    """A network that names Latin letters; trained once, then read from its file."""
    number = Glyphs("train", scripts=("Latin",), per_class=1).num_classes
    torch.manual_seed(0)
    net = EmbeddingNet(
        small_resnet(widths=WIDTHS), GlobalAveragePooling(), number
    )  # its embeddings are logits
    file = stored.FINISHED / "letters_transfer_start.safetensors"
    if file.exists():
        load_checkpoint(file, net)
    else:
        data = Glyphs("train", scripts=("Latin",))
        train(
            net,
            cross_entropy,
            data.images,
            data.labels,
            ClassBatches(data.labels, 40, 2, PRETRAINING, seed=0),
            checkpoint=file,
            checkpoint_every=PRETRAINING,
            device="cpu",
            progress=False,
        )
    return net.eval()


@lru_cache
def vectors(split: str, stage: str = STAGE, augmented: bool = False) -> Tensor:
    """Averages of a map of the frozen network over regions, `(N, C, 1, 1)`."""
    images = letters(split).images
    if augmented:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            images = augment(to_float(images))
    return read_all(pretrained(), images, maps=[stage]).maps[stage].mean(dim=(2, 3), keepdim=True)


def standardised(values: Tensor) -> Tensor:
    """Each channel in units of its standard deviation over the training letters, without its mean there."""
    own = vectors("train")
    return (values - own.mean(dim=0)) / own.std(dim=0).clamp(min=1e-6)  # a channel may be silent


@lru_cache
def averaged() -> tuple[Split, Split]:
    """Vectors and labels by split."""
    splits = ("train", "validation", "test")
    labels = {split: letters(split).labels for split in splits}
    return {split: standardised(vectors(split)) for split in splits}, labels


def augmented_train() -> Tensor:
    """Vectors of the training letters, each augmented once."""
    return standardised(vectors("train", augmented=True))


WORLD = transferred.World(
    "letters_transfer",
    averaged,
    augmented_train,
    dims=(64, 16, 8),
    steps=200,
    classes=20,
    rates=(1e-3, 3e-3, 1e-2),
)


def run(method: str, seed: int) -> dict:
    if method not in UNTRAINED:
        return transferred.run(WORLD, method, seed)
    _, labels = averaged()
    stage = UNTRAINED[method]
    maps = {split: vectors(split, stage) for split in ("validation", "test")}
    parts = [measure(nn.Flatten(), maps, labels, split) for split in maps]
    return parts[0] | parts[1]


def main(searching: bool) -> None:
    settings = {
        "letters": f"Latin pretraining; Cyrillic train ({PER_CLASS} images of each), Greek validation; "
        "Georgian, Armenian, Lao test",
        "vectors": f"classifier of Latin letters, {PRETRAINING} steps of 40 x 2, frozen; averaged map before the last "
        f"block, {WIDTHS[-2]} channels, standardised; of each letter and an augmented copy",
        "kept": f"the best of every {EVERY} steps by MAP@R on validation letters, in every arm",
    }
    transferred.main(WORLD, settings, searching, run, [*UNTRAINED])


if __name__ == "__main__":
    main(sys.argv[1:] == ["search"])
