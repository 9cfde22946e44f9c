"""All poolings and methods under one protocol: birds never seen, 128-d, five folds of the species, two losses.

    DMLNB_MAPS=data/birds_maps python -m studies.birds_benchmark   # writes dmlnb/course/results/birds_benchmark.json

Species 1 to 50 are divided into five folds: forty species are learned, ten keep the best step. Run s has fold s mod 5
and seed s, so each fold is run twice, and all arms of a run see the same batches of 16 species x 4. Species 51 to 100
are read once per run. Names are "method, loss":

GAP .. GSP              a linear map behind one of the five poolings
GAP + XML               the map before GAP; prototypes of its regions must explain the other half of a batch
GSP + zero-shot loss    the same asked of GSP's own prototypes
GAP + CCP               alternating projections with K proxies per class, chosen among samples
GAP + relaxed transfer  a second map learns from the similarities of GAP's embeddings, without labels

Every arm makes three tries of its learning rate, on the first fold, with one seed that is not among the ten; settings
of its own are what earlier studies chose most often on validation species. Costs are those of a training step on kept
maps, in processor time. About 35 minutes on one idle core.
"""

import time
from functools import lru_cache

import torch
from torch import nn

from dmlnb import losses
from dmlnb.data import ClassBatches
from dmlnb.models import CachedBackbone, EmbeddingNet, embed
from dmlnb.pooling import HistogramPooling
from dmlnb.training import train
from studies import birds as heads
from studies import birds_cross_batch, searched
from studies.photographs import EVERY, RATES, SEARCH_SEED, SETTINGS, fit, measure
from studies.stored import collect, save

NAME, DIM, STEPS, SEEDS, FOLDS = "birds_benchmark", 128, 200, range(10), 5
CLASSES, EACH = 16, 4  # of a batch
BASES = {
    "multi-similarity": losses.multi_similarity_loss,
    "Proxy-Anchor": losses.proxy_anchor_loss,
}
OWN = {  # settings of its own, which earlier studies chose on validation species
    "GAP": heads.DECAYS[1],  # weight decay
    "GMP": heads.DECAYS[1],
    "GeM": 1.5,
    "attention": 5.0,
    "GSP": (0.3, 5.0),  # mass and sharpness
    "GAP + XML": (0.05, 0.0005),  # weight and ridge
    "GSP + zero-shot loss": (0.1, 0.05),
    "GAP + CCP": 8,  # proxies per class
    "GAP + relaxed transfer": 1.0,  # sigma
}
AVERAGED = ("GAP", "GAP + CCP", "GAP + relaxed transfer")  # need no more than the averages of the maps
ARMS = [f"{method}, {base}" for base in BASES for method in OWN]
DOUBLED = [f"{method}, {base}, doubled budget" for base in BASES for method in ("GAP", "GAP + XML")]
LOWER = 1e-3  # a lower rate than was chosen: whether a gain is that of a rate too high for GAP
LOWERED = [f"{method}, multi-similarity, lower rate" for method in ("GAP", "GAP + XML")]


@lru_cache(maxsize=1)
def world(fold: int):
    """Maps, the same averaged, and labels, by split."""
    return birds_cross_batch.world(fold, FOLDS)


def network(method: str, own, channels: int) -> EmbeddingNet:
    """The network of a method; those that share a pooling begin alike."""
    pooling = method.split(" + ")[0]
    own = OWN["GSP"] if "zero-shot" in method else own
    place = "before" if method == "GAP + XML" else "after"
    return EmbeddingNet(
        CachedBackbone(channels), heads.POOLINGS[pooling][0](channels, own), DIM, project=place
    )


def base_loss(base: str, classes: int):
    return losses.ProxyAnchorLoss(classes, DIM) if base == "Proxy-Anchor" else BASES[base]


def projections(base: str, per_class: int, net: nn.Module, maps, labels, seed: int) -> dict:
    """The options of `fit` for CCP as in `studies.birds_chance`, but on the sphere, as the base is here."""
    loss = losses.ChanceConstrainedLoss(
        BASES[base],
        int(labels.max()) + 1,
        DIM,
        proxies_per_class=per_class,
        pair_weight=0.1 if base == "multi-similarity" else 0.0,
        normalize="sphere",
    )
    rows = lambda index: embed(net, maps[index])
    ccp = losses.AlternatingProjection(net, loss, rows, labels, seed=seed, include_start=True)
    ccp.select()
    seen = iter(range(STEPS // EVERY))

    def observe(value: float) -> dict[str, float]:  # no selection in the last third: it would stay untrained
        return {"switched": float(next(seen) < 2 * STEPS // (3 * EVERY) and ccp.observe(value))}

    return {"loss": ccp, "each_validation": observe, "renew": "switched", "proxy_factor": 1.0, "clip": 10.0}


def relaxed(source: nn.Module, maps, sigma: float):
    """`loss(embeddings, rows)`: how near the rows are in the source's space says how near they should be."""
    known, loss = embed(source, maps), losses.RelaxedContrastiveLoss(sigma)
    return lambda embeddings, rows: loss(embeddings, known[rows])


def prepared(arm: str, own, seed: int, source=None):
    """The network of an arm, the maps and labels that it sees, and the options of `fit`, its loss among them."""
    method, base = arm.split(", ")
    maps, means, labels = world(seed % FOLDS)
    seen = means if method in AVERAGED else maps
    classes = int(labels["train"].max()) + 1
    torch.manual_seed(seed)
    net = network(method, own, seen["train"].shape[1])
    loss = base_loss(base, classes)
    options = {"loss": loss, "weight_decay": heads.DECAYS[0]}
    if method.endswith("XML"):  # drawn last, so that net and loss begin as with GAP
        net.pooling = HistogramPooling(DIM, 64, birds_cross_batch.SHARPNESS, cost="euclidean")
    if method in ("GAP", "GMP"):
        options["weight_decay"] = own
    elif method.endswith(("XML", "zero-shot loss")):
        weight, ridge = own
        auxiliary = losses.CrossBatchLoss(classes, DIM, ridge)
        options |= {"loss": losses.JointLoss(loss, auxiliary, weight), "read": True}
    elif method.endswith("CCP"):
        options |= projections(base, own, net, seen["train"], labels["train"], seed)
    elif method.endswith("transfer"):
        options |= {"loss": relaxed(source, means["train"], own), "metric": "l2"}
        labels = labels | {"train": torch.arange(len(means["train"]))}
    return net, seen, labels, options


def trained(arm: str, rate: float, own, seed: int, source=None, *, doubled: bool = False):
    """One network, its best step on validation species kept; that step."""
    net, seen, labels, options = prepared(arm, own, seed, source)
    train_labels = world(seed % FOLDS)[2]["train"]
    batches = ClassBatches(train_labels, CLASSES, EACH, STEPS * (1 + doubled), seed=seed)
    kept = fit(net, options.pop("loss"), seen, labels, batches, seed=seed, learning_rate=rate, **options)
    return net, kept


@lru_cache(maxsize=1)
def source_of(base: str, seed: int) -> nn.Module:
    """GAP with its best settings: where relaxed transfer has its labels from."""
    arm = f"GAP, {base}"
    return trained(arm, *searched.chosen(f"{NAME}_search")[arm], seed)[0]


def tries(arm: str) -> list[str]:
    return searched.tries(arm, RATES, [OWN[arm.split(", ")[0]]])


def search(method: str, seed: int) -> dict:
    arm, settings = searched.setting(method)
    source = source_of(arm.split(", ")[1], seed) if arm.split(", ")[0].endswith("transfer") else None
    return trained(arm, *settings, seed, source)[1]


def run(method: str, seed: int) -> dict:
    arm = method.removesuffix(", doubled budget").removesuffix(", lower rate")
    name, base = arm.split(", ")
    rate, own = searched.chosen(f"{NAME}_search")[arm]
    rate = LOWER if "lower rate" in method else rate
    source = source_of(base, seed) if name.endswith("transfer") else None
    net, kept = trained(arm, rate, own, seed, source, doubled="doubled" in method)
    maps, means, labels = world(seed % FOLDS)
    seen = means if name in (*AVERAGED, "GAP + XML") else maps
    metric = "l2" if source is not None else "cosine"
    return measure(net, seen, labels, "test", metric) | kept | {"rate": rate, "own": own}


def costs(base: str = "multi-similarity", steps: int = 10, rounds: int = 5) -> dict[str, dict[str, float]]:
    """Of each method: processor time of a training step on whole maps, as a ratio to GAP's, the median of rounds in
    which all methods take turns; and the numbers that its network needs to embed."""
    maps, _, labels = world(0)
    batches = ClassBatches(labels["train"], CLASSES, EACH, steps, seed=0)
    seconds, numbers = {}, {}
    for _ in range(rounds):
        for method, own in OWN.items():
            source = source_of(base, 0) if method.endswith("transfer") else None
            net, _, seen, options = prepared(f"{method}, {base}", own, 0, source)
            began = time.process_time()
            train(
                net.read if "read" in options else net,
                options["loss"],
                maps["train"],
                seen["train"],
                batches,
                augment=None,
                device="cpu",
                progress=False,
            )
            seconds.setdefault(method, []).append((time.process_time() - began) / steps)
            extra = net.pooling.prototypes.numel() if method.endswith("XML") else 0  # of training only
            numbers[method] = sum(p.numel() for p in net.parameters()) - extra
    middle = {method: sorted(times)[rounds // 2] for method, times in seconds.items()}
    return {m: {"time": middle[m] / middle["GAP"], "numbers": numbers[m]} for m in OWN}


def main() -> None:
    runs = {}
    for base in BASES:  # stored after each
        mine = lambda names: [name for name in names if f", {base}" in name]  # noqa: B023
        arms = sorted(mine(ARMS), key=lambda arm: "transfer" in arm)  # its source is searched before it
        collect(f"{NAME}_search", search, [t for arm in arms for t in tries(arm)], [SEARCH_SEED])
        runs |= collect(NAME, run, mine(ARMS + DOUBLED + LOWERED), SEEDS)
        save(NAME, f"python -m studies.{NAME}", described(runs), runs)


def described(runs: dict) -> dict:
    return SETTINGS | {
        "photographs": "CUB-200-2011, species 1-50 in five folds (forty train, ten validation), 51-100 test "
        "(a public subset of 5,902)",
        "head": f"linear map, {DIM}-d; {CLASSES} classes x {EACH}; sphere",
        "steps": STEPS,
        "fold of a run": "seed mod 5",
        "own settings": {method: own for method, own in OWN.items()},
        "XML, zero-shot loss": "64 prototypes",
        "CCP": "pool 12, strength 2e-4, no selection in the last third",
        "relaxed transfer": "the source is GAP of the same run; searched by distance",
        "chosen on validation": f"rate of three, first fold, seed {SEARCH_SEED}",
        "tried": searched.tried(f"{NAME}_search"),
        "costs": costs(),
        "not run yet": [method for method in ARMS + DOUBLED + LOWERED if method not in runs],
    }


if __name__ == "__main__":
    main()
