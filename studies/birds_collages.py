"""Three quarters of what is seen is known nuisance: which pooling finds the quarter that counts? Ten paired seeds.

    DMLNB_MAPS=data/birds_maps python -m studies.birds_collages search    # settings, on validation species
    DMLNB_MAPS=data/birds_maps python -m studies.birds_collages           # writes results/birds_collages.json

A collage is two by two maps of birds, each averaged to 2 x 2 regions. One of them gives the label, in a quarter drawn
at random; the other three are of ten species that never count (31-40, which are not learned), so that the true mass is
.25. Nuisance is known in kind, not in person: training, validation and test show other images of the ten species. (Were
it of the species that are learned, nothing would say which of the four counts.) All arms see the same collages; each
image of a learned species counts in eight of them. About 5 minutes on one idle core.
"""

import functools
import sys

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from dmlnb.models import EmbeddingNet, read_all
from studies import birds as heads
from studies import searched
from studies.photographs import SEARCH_SEED, SETTINGS, birds, measure
from studies.stored import collect, save

STEPS, REGIONS, NUISANCE = 200, 2, 10
COLLAGES = {"train": 8, "validation": 1, "test": 1}  # of each image
PARTS = {"train": (0, 1), "validation": (2,), "test": (3,)}  # of the nuisance images, counted modulo 4
FAST = (1e-3, 3e-3, 1e-2)
TRIES = {  # twelve for each arm: rates and own settings
    "GAP": ((3e-4, *FAST), heads.DECAYS),
    "GMP": ((3e-4, *FAST), heads.DECAYS),
    "attention": (FAST, (5.0, 10.0, 20.0, 40.0)),
    "GSP": (FAST, ((0.15, 20.0), (0.25, 20.0), (0.5, 20.0), (0.25, 5.0))),  # mass and sharpness
}
ARMS = [f"{pooling}, 64-d, after" for pooling in TRIES]
CEILING = "GAP, 64-d, after, of the quarter that counts"
DOUBLED = "GAP, 64-d, after, doubled budget"


class Collages:
    """Collages by index, put together when they are asked for.

    Args:
        maps: `(N, C, h, w)`.
        rows: `(T, 4)`, which map is top left, top right, bottom left, bottom right.
        quarter: `(T,)`, which of the four counts.
        alone: leave the others out.

    Shape:
        indices `(B,)` -> `(B, C, 2 h, 2 w)`, or `(B, C, h, w)` if what counts is alone.
    """

    reads_batches = True

    def __init__(self, maps: Tensor, rows: Tensor, quarter: Tensor, alone: bool = False):
        self.maps, self.rows, self.quarter, self.alone = maps, rows, quarter, alone
        side = 1 if alone else 2
        self.shape = (len(rows), maps.shape[1], side * maps.shape[2], side * maps.shape[3])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Tensor) -> Tensor:
        rows = self.rows[index]  # (B, 4)
        if self.alone:
            return self.maps[rows.gather(1, self.quarter[index][:, None])[:, 0]]
        four = self.maps[rows].unflatten(1, (2, 2))  # (B, 2, 2, C, h, w)
        return four.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)


def share(weights: Tensor, quarter: Tensor) -> Tensor:
    """What part of the weights `(B, 2 h, 2 w)` lies in the quarter that counts, `(B,)`; by chance .25."""
    height, width = weights.shape[1] // 2, weights.shape[2] // 2
    quarters = weights.unflatten(2, (2, width)).unflatten(1, (2, height)).sum(dim=(2, 4))  # (B, 2, 2)
    return quarters.flatten(1).gather(1, quarter[:, None])[:, 0]


@functools.lru_cache
def world(averaged: bool = False, alone: bool = False) -> tuple[dict[str, Collages], dict[str, Tensor]]:
    """Collages and the labels of what counts, by split; `averaged` to one region a quarter, all that GAP can see."""
    maps, labels = birds()
    counting = 1 + int(labels["train"].max()) - NUISANCE
    nuisance = maps["train"][labels["train"] >= counting]
    collages, targets = {}, {}
    for number, split in enumerate(maps):
        generator = torch.Generator().manual_seed(number)
        counts = labels[split] < (counting if split == "train" else len(labels[split]))  # (N,)
        own, y = maps[split][counts], labels[split][counts]
        others = nuisance[torch.isin(torch.arange(len(nuisance)) % 4, torch.tensor(PARTS[split]))]
        target = torch.arange(len(own)).repeat_interleave(COLLAGES[split])  # (T,)
        rows = len(own) + torch.randint(len(others), (len(target), 4), generator=generator)
        quarter = torch.randint(4, (len(target),), generator=generator)
        rows[torch.arange(len(target)), quarter] = target
        small = adaptive_avg_pool2d(torch.cat([own, others]), REGIONS)
        small = small.mean(dim=(2, 3), keepdim=True) if averaged else small
        collages[split], targets[split] = Collages(small, rows, quarter, alone), y[target]
    return collages, targets


def world_of(arm: str):
    return functools.partial(world, arm.startswith("GAP"), arm == CEILING)


def head(arm: str, rate: float, own, seed: int, doubled: bool = False) -> tuple[EmbeddingNet, dict]:
    return heads.head(arm, rate, own, seed, doubled, world=world_of(arm), steps=STEPS)


def tries(arm: str) -> list[str]:
    return searched.tries(arm, *TRIES[arm.split(",")[0]])


def search(method: str, seed: int) -> dict:
    arm, (rate, own) = searched.setting(method)
    return head(arm, rate, own, seed)[1]


def run(method: str, seed: int) -> dict:
    arm = method.removesuffix(", doubled budget")
    rate, own = searched.chosen("birds_collages_search")[arm]
    net, kept = head(arm, rate, own, seed, doubled=arm != method)
    collages, labels = world_of(arm)()
    row = measure(net, collages, labels, "test") | kept | {"rate": rate, "own": own}
    if arm == CEILING:
        return row | {"share": 1.0}
    test = collages["test"]
    weights = read_all(net, test[torch.arange(len(test))]).weights
    return row | {"share": share(weights, test.quarter).mean().item()}


def main(searching: bool) -> None:
    if searching:
        names = [t for arm in (*ARMS, CEILING) for t in tries(arm)]
        collect("birds_collages_search", search, names, [SEARCH_SEED])
        return
    runs = collect("birds_collages", run, [*ARMS, CEILING, DOUBLED], heads.SEEDS)
    settings = SETTINGS | {
        "collages": f"2 x 2 maps of {REGIONS} x {REGIONS} regions; one counts; three of species 31-40, true mass .25",
        "head": "linear map after pooling; Proxy-Anchor, 16 classes x 4",
        "steps": STEPS,
        "share": "of the weight that lies in the quarter that counts; by chance .25",
        "chosen on validation": f"of twelve tries in every arm, seed {SEARCH_SEED}",
        "tried": searched.tried("birds_collages_search"),
    }
    save("birds_collages", "python -m studies.birds_collages", settings, runs)


if __name__ == "__main__":
    main(sys.argv[1:] == ["search"])
