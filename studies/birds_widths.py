"""Does the gain of weighting regions stay with a head as wide as the maps? Photographs of birds, ten paired seeds.

    DMLNB_MAPS=data/birds_maps python -m studies.birds_widths search    # settings, on validation species
    DMLNB_MAPS=data/birds_maps python -m studies.birds_widths           # writes results/birds_widths.json

Heads, loss and tries are those of `studies.birds`, nine for each arm. Half its steps suffice: the doubled budget of GAP
is stored beside. Heads of 128 dimensions are searched as well, so that validation species show them; test species are
read for 320 dimensions only, as many as the maps have. About 20 minutes on one idle core.
"""

import sys

from dmlnb.models import EmbeddingNet
from studies import birds as heads
from studies import searched
from studies.photographs import SEARCH_SEED, SETTINGS, averaged, birds, measure
from studies.stored import collect, save

STEPS = 200
ARMS = [f"{pooling}, {dim}-d, after" for dim in (128, 320) for pooling in ("GAP", "GMP", "attention", "GSP")]
READ = [arm for arm in ARMS if "320-d" in arm]
DOUBLED = "GAP, 320-d, after, doubled budget"


def world(arm: str):
    """What an arm sees of the maps: GAP no more than their averages."""
    return averaged if arm.startswith("GAP") else birds


def head(arm: str, rate: float, own, seed: int, doubled: bool = False) -> tuple[EmbeddingNet, dict]:
    return heads.head(arm, rate, own, seed, doubled, world=world(arm), steps=STEPS)


def search(method: str, seed: int) -> dict:
    arm, (rate, own) = searched.setting(method)
    return head(arm, rate, own, seed)[1]


def run(method: str, seed: int) -> dict:
    arm = method.removesuffix(", doubled budget")
    rate, own = searched.chosen("birds_widths_search")[arm]
    net, kept = head(arm, rate, own, seed, doubled=arm != method)
    return measure(net, *world(arm)(), "test") | kept | {"rate": rate, "own": own}


def main(searching: bool) -> None:
    if searching:
        collect("birds_widths_search", search, [t for arm in ARMS for t in heads.tries(arm)], [SEARCH_SEED])
        return
    runs = collect("birds_widths", run, [*READ, DOUBLED], heads.SEEDS)
    settings = SETTINGS | {
        "head": "linear map after pooling; Proxy-Anchor, 16 classes x 4",
        "steps": STEPS,
        "place": "after pooling, which validation species chose for attention and GSP in `birds`",
        "chosen on validation": f"rate of three, times own setting of three as in `birds`, seed {SEARCH_SEED}",
        "tried": searched.tried("birds_widths_search"),
    }
    save("birds_widths", "python -m studies.birds_widths", settings, runs)


if __name__ == "__main__":
    main(sys.argv[1:] == ["search"])
