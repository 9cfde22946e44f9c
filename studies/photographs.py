"""The photographic world of the studies: frozen ImageNet maps of birds, species split once, heads trained alike.

DMLNB_MAPS holds `FeatureMaps` of CUB-200-2011, or of its first 100 species: the last maps of EfficientNet-Lite0.
Species 1 to 40 are learned, 41 to 50 choose settings and the step that is kept, 51 to 100 are read once.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from dmlnb.data import FeatureMaps
from dmlnb.models import embed
from dmlnb.retrieval import evaluate
from dmlnb.training import train

MAPS = os.environ.get("DMLNB_MAPS", "data/birds_maps")
CUB = os.environ.get("DMLNB_CUB", "data/CUB_200_2011")  # its lists, where a study needs its split by image
VIEWS = os.environ.get("DMLNB_VIEWS", MAPS)  # of the training species at least, with their mirror images
SPECIES = {"train": (0, 40), "validation": (40, 50), "test": (50, 100)}
STEPS, EVERY, SEARCH_SEED = 400, 20, 100
RATES = (3e-4, 1e-3, 3e-3)
Split = dict[str, Tensor]

SETTINGS = {  # what every stored study of this world says of itself
    "photographs": "CUB-200-2011, species 1-40 train, 41-50 validation, 51-100 test (a public subset of 5,902)",
    "maps": "EfficientNet-Lite0, ImageNet weights, frozen; last block, 320 x 7 x 7",
    "kept": f"the best of every {EVERY} steps by MAP@R on validation species, in every arm",
}


@lru_cache
def birds(path: str = MAPS) -> tuple[Split, Split]:
    """Maps, in units of their standard deviation over the training species, and labels, by split."""
    stored, maps, labels = FeatureMaps.load(path).view(0), {}, {}
    for split, (low, high) in SPECIES.items():
        rows = ((stored.labels >= low) & (stored.labels < high)).nonzero()[:, 0]
        maps[split], labels[split] = stored[rows], stored.labels[rows] - low
    scale = maps["train"].std()
    return {split: values / scale for split, values in maps.items()}, labels


@lru_cache
def mirrored_train(path: str = VIEWS) -> Tensor:
    """The mirrored training photographs' maps, averaged, `(N, C, 1, 1)`, in the units of `averaged`."""
    stored = FeatureMaps.load(path)
    views = (stored.view(number).of_classes(range(*SPECIES["train"])) for number in (0, 1))
    first, second = (view[torch.arange(len(view))] for view in views)
    return second.mean(dim=(2, 3), keepdim=True) / first.std()


@lru_cache
def averaged(path: str = MAPS) -> tuple[Split, Split]:
    """The same, each map averaged to one region, `(N, C, 1, 1)`: all that a linear head with GAP can see of it."""
    maps, labels = birds(path)
    return {split: values.mean(dim=(2, 3), keepdim=True) for split, values in maps.items()}, labels


@lru_cache
def learned_by_image(path: str = MAPS, root: str = CUB) -> Tensor:
    """CUB's own split of its photographs, for maps of `cub200(root)`: `(N,)`, True where a photograph is to be learned.

    Raises:
        ValueError: for maps of other photographs, or of these in another order.
    """
    labels = FeatureMaps.load(path).labels
    lists = (f"{root}/{name}.txt" for name in ("image_class_labels", "train_test_split"))
    species, learned = (
        torch.tensor([int(line.split()[1]) for line in Path(file).read_text().splitlines()]) for file in lists
    )
    if not torch.equal(species - species.min(), labels):
        raise ValueError(f"{path}: expected the maps of cub200({root!r}), in the order of its list")
    return learned.bool()


def fifths(labels: Tensor) -> Tensor:
    """True for each fifth photograph of its class: those that choose settings where species are not set aside."""
    order = torch.empty_like(labels)
    for label in labels.unique():
        of_class = labels == label
        order[of_class] = torch.arange(int(of_class.sum()))
    return order % 5 == 0


def measure(
    net: nn.Module, maps: Split, labels: Split, split: str, metric: str = "cosine"
) -> dict[str, float]:
    """R@1 and MAP@R on a split, as `{split}_recall_at_1` and `{split}_map_at_r`."""
    report = evaluate(embed(net, maps[split]), labels[split], metric=metric)
    return {f"{split}_recall_at_1": report.recall_at[1], f"{split}_map_at_r": report.map_at_r}


def fit(
    net: nn.Module,
    loss: Callable,
    maps: Split,
    labels: Split,
    batches,
    *,
    seed: int,
    read: bool = False,
    metric: str = "cosine",
    each_validation: Callable[[float], dict] | None = None,
    **options,
) -> dict:
    """Train in place, keep the best step by MAP@R on validation species; that step and its MAP@R.

    `read` hands readings to the loss instead of embeddings; `each_validation` is told every MAP@R on validation
    species, for a loss that observes it. Options are those of `train`.
    """

    def validate(net: nn.Module) -> dict[str, float]:
        found = measure(net, maps, labels, "validation", metric)
        return found | (each_validation(found["validation_map_at_r"]) if each_validation else {})

    history = train(
        net.read if read else net,
        loss,
        maps["train"],
        labels["train"],
        batches,
        augment=None,
        validate=validate,
        validate_every=EVERY,
        keep_best="validation_map_at_r",
        seed=seed,
        device="cpu",
        progress=False,
        **options,
    )
    step = history[-1]["best_step"]
    return {"validation_map_at_r": history[step]["validation_map_at_r"], "step": step}
