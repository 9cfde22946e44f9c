"""Does the zero-shot loss help GSP on photographs? Multi-similarity, ten paired seeds, all settings tried reported.

    DMLNB_MAPS=data/birds_maps python -m studies.birds_zero_shot search    # settings, on validation species
    DMLNB_MAPS=data/birds_maps python -m studies.birds_zero_shot           # writes results/birds_zero_shot.json

Batches are those of the released code, 8 classes x 4; the loss beside asks GSP's attributes to carry over between the
two halves of a batch. GSP pools behind the linear map, with the paper's mass and sharpness, in both arms: the nine
tries of one go to rate and weight decay, the nine of the other to rate, weight and ridge. About 3 minutes on one idle
core.
"""

import sys

from torch import nn

from dmlnb.losses import CrossBatchLoss, JointLoss, multi_similarity_loss
from dmlnb.models import EmbeddingNet
from studies import birds as heads
from studies import searched
from studies.photographs import RATES, SEARCH_SEED, SETTINGS, averaged, birds, measure
from studies.stored import collect, save

STEPS, PAPER = 200, (0.3, 5.0)  # GSP's mass and sharpness
TRIES = {  # each with three learning rates; for the loss beside, weight and ridge, the paper's first
    "GAP": heads.DECAYS,
    "GSP": heads.DECAYS,
    "GSP, zero-shot loss": ((0.1, 0.05), (0.1, 0.0005), (0.03, 0.0005)),
}
DOUBLED = "GAP, doubled budget"


class MultiSimilarity(nn.Module):
    """`multi_similarity_loss` as a module; it learns nothing."""

    def __init__(self, classes: int, dim: int):
        super().__init__()

    def forward(self, embeddings, labels):
        return multi_similarity_loss(embeddings, labels)


def head(arm: str, rate: float, own, seed: int, doubled: bool = False) -> tuple[EmbeddingNet, dict]:
    options = {"steps": STEPS, "batch": (8, 4), "loss": MultiSimilarity}
    if arm == "GAP":
        return heads.head("GAP, 64-d, after", rate, own, seed, doubled, world=averaged, **options)
    if arm == "GSP":
        options["weight_decay"] = own
    else:
        weight, ridge = own
        options["read"] = True
        options["loss"] = lambda classes, dim: JointLoss(
            MultiSimilarity(classes, dim), CrossBatchLoss(classes, dim, ridge), weight
        )
    return heads.head("GSP, 64-d, before", rate, PAPER, seed, doubled, **options)


def search(method: str, seed: int) -> dict:
    arm, (rate, own) = searched.setting(method)
    return head(arm, rate, own, seed)[1]


def run(method: str, seed: int) -> dict:
    arm = method.removesuffix(", doubled budget")
    rate, own = searched.chosen("birds_zero_shot_search")[arm]
    net, kept = head(arm, rate, own, seed, doubled=arm != method)
    world = averaged if arm == "GAP" else birds
    return measure(net, *world(), "test") | kept | {"rate": rate, "own": own}


def main(searching: bool) -> None:
    if searching:
        names = [t for arm in TRIES for t in searched.tries(arm, RATES, TRIES[arm])]
        collect("birds_zero_shot_search", search, names, [SEARCH_SEED])
        return
    runs = collect("birds_zero_shot", run, [*TRIES, DOUBLED], heads.SEEDS)
    settings = SETTINGS | {
        "head": "64-d; GSP behind the linear map, mass .3, sharpness 5, 64 prototypes",
        "loss": "multi-similarity, 8 classes x 4; class codes learn 10 times faster than the head",
        "steps": STEPS,
        "chosen on validation": f"of nine tries in every arm, seed {SEARCH_SEED}",
        "tried": searched.tried("birds_zero_shot_search"),
    }
    save("birds_zero_shot", "python -m studies.birds_zero_shot", settings, runs)


if __name__ == "__main__":
    main(sys.argv[1:] == ["search"])
