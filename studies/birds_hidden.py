"""Does weighting regions still pay behind a hidden layer, which can keep nuisance short? Birds, ten paired seeds.

    DMLNB_MAPS=data/birds_maps python -m studies.birds_hidden search    # settings, on validation species
    DMLNB_MAPS=data/birds_maps python -m studies.birds_hidden           # writes results/birds_hidden.json

Each region of the frozen maps passes a learned layer (1x1 convolution to 256 channels, batch normalisation, ReLU)
before it is pooled. Loss and tries are those of `studies.birds`, nine for each arm. About 15 minutes on one idle core.
"""

import sys

from torch import nn

from studies import birds as heads
from studies import searched
from studies.photographs import SEARCH_SEED, SETTINGS, birds, measure
from studies.stored import collect, save

STEPS, HIDDEN = 200, 256
ARMS = ["GAP, 64-d, after", "GSP, 64-d, after"]
DOUBLED = "GAP, 64-d, after, doubled budget"


class Hidden(nn.Sequential):
    """A hidden layer on every region of cached maps."""

    def __init__(self, channels: int):
        super().__init__(nn.Conv2d(channels, HIDDEN, 1), nn.BatchNorm2d(HIDDEN), nn.ReLU())
        self.out_channels = HIDDEN


def search(method: str, seed: int) -> dict:
    arm, (rate, own) = searched.setting(method)
    return heads.head(arm, rate, own, seed, steps=STEPS, backbone=Hidden)[1]


def run(method: str, seed: int) -> dict:
    arm = method.removesuffix(", doubled budget")
    rate, own = searched.chosen("birds_hidden_search")[arm]
    net, kept = heads.head(arm, rate, own, seed, arm != method, steps=STEPS, backbone=Hidden)
    return measure(net, *birds(), "test") | kept | {"rate": rate, "own": own}


def main(searching: bool) -> None:
    if searching:
        collect("birds_hidden_search", search, [t for arm in ARMS for t in heads.tries(arm)], [SEARCH_SEED])
        return
    runs = collect("birds_hidden", run, [*ARMS, DOUBLED], heads.SEEDS)
    settings = SETTINGS | {
        "head": f"1x1 convolution to {HIDDEN}, batch normalisation, ReLU, pooling, linear map; Proxy-Anchor, 16 x 4",
        "steps": STEPS,
        "chosen on validation": f"rate of three, times own setting of three as in `birds`, seed {SEARCH_SEED}",
        "tried": searched.tried("birds_hidden_search"),
    }
    save("birds_hidden", "python -m studies.birds_hidden", settings, runs)


if __name__ == "__main__":
    main(sys.argv[1:] == ["search"])
