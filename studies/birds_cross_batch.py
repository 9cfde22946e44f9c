"""Do prototypes that must explain other classes (XML) help three losses on birds never seen, and what do they explain?

    export DMLNB_MAPS=data/birds_maps
    python -m studies.birds_cross_batch screening     # on validation species; a minute on one idle core
    python -m studies.birds_cross_batch search        # on validation species; 4 minutes
    python -m studies.birds_cross_batch               # ten seeds; 10 minutes; writes birds_cross_batch.json
    python -m studies.birds_cross_batch folds         # other divisions of species; birds_cross_batch_folds.json
    python -m studies.birds_cross_batch rates         # each rate, start settings; birds_cross_batch_rates.json

The screening moves one setting of XML at a time, with one loss, rate and seed (three settings at a lower rate too, as
stored). Three of its better ones are searched for every loss. Each arm makes nine tries: three rates, times three
weight decays of the base, or times these three settings. So XML saw the validation species more often than its base.
"""

import copy
import json
import sys

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from dmlnb import losses
from dmlnb.data import ClassBatches, class_folds
from dmlnb.geometry import clip_to_ball, normalize
from dmlnb.models import CachedBackbone, EmbeddingNet, embed, read_all
from dmlnb.pooling import GlobalAveragePooling, HistogramPooling
from studies import searched, stored
from studies.cross_batch import transfer_of
from studies.photographs import (
    RATES,
    SEARCH_SEED,
    SETTINGS,
    SPECIES,
    STEPS,
    Split,
    averaged,
    birds,
    fit,
    measure,
)
from studies.stored import collect, save

NAME, DIM, SHARPNESS, SEEDS = "birds_cross_batch", 64, 10.0, range(10)
CLASSES, EACH = 8, 4  # of a batch: 16 rows a half
LOSSES = {
    "contrastive": lambda classes: losses.contrastive_loss,
    "multi-similarity": lambda classes: losses.multi_similarity_loss,
    "Proxy-Anchor": lambda classes: losses.ProxyAnchorLoss(classes, DIM),
}
DECAYS = (1e-4, 1e-2, 1e-1)
START = {"weight": 0.1, "ridge": 0.0005, "m": 64, "cost": "euclidean"}
SCREENING = {
    "start": {},
    "weight 0.05": {"weight": 0.05},
    "weight 0.3": {"weight": 0.3},
    "ridge 0.005": {"ridge": 0.005},
    "ridge 0.05": {"ridge": 0.05},
    "16 prototypes": {"m": 16},
    "256 prototypes": {"m": 256},
    "inner costs": {"cost": "inner"},
    "as released": {"cost": "inner", "ridge": 0.05, "m": 32},
}
SCREENED = "contrastive", 1e-3, 1e-4  # loss, rate, decay
OWN = ((0.05, 0.0005), (0.1, 0.0005), (0.1, 0.05))  # weight and ridge; the start is the second
FOLDS, FEW_SEEDS = 4, {"folds": range(1), "rates": range(1)}

ARMS = [arm for loss in LOSSES for arm in (loss, f"{loss} + XML")]
METHODS = [*ARMS, *(f"{arm}, doubled budget" for arm in (*LOSSES, "contrastive + XML"))]
FOLD_METHODS = [f"multi-similarity{xml}, fold {k + 1}" for k in range(FOLDS) for xml in ("", " + XML")]
AT_RATES = [f"{arm}, rate {rate:g}" for arm in ARMS for rate in RATES]  # XML with the settings of the start
ROWS_AGAINST = (4, 8, 16, 32, 64, 256)  # random prototypes, for 16 rows a half


def world(fold: int | None, folds: int = FOLDS) -> tuple[Split, Split, Split]:
    """Maps, the same averaged, and labels by split; a fold divides species 1 to 50 anew, test stays."""
    (maps, labels), (means, _) = birds(), averaged()
    if fold is None:
        return maps, means, labels
    species = torch.cat([labels["train"], labels["validation"] + SPECIES["validation"][0]])
    parts = zip(("train", "validation"), class_folds(species, folds)[fold], strict=True)
    rows = {part: torch.isin(species, classes) for part, classes in parts}

    def cut(whole: Split) -> Split:
        both = torch.cat([whole["train"], whole["validation"]])
        return {"test": whole["test"]} | {part: both[chosen] for part, chosen in rows.items()}

    numbers = {part: species[chosen].unique(return_inverse=True)[1] for part, chosen in rows.items()}
    return cut(maps), cut(means), {"test": labels["test"]} | numbers


def trained(loss: str, rate: float, decay: float, xml: dict, seed: int, steps: int, fold: int | None = None):
    """The network of the best step, that of the last, and MAP@R on validation species at both.

    Weight 0 is the base, with prototypes that stay as they began. The map and the proxies begin alike in all arms.
    """
    maps, means, labels = world(fold)
    classes = int(labels["train"].max()) + 1
    torch.manual_seed(seed)
    net = EmbeddingNet(CachedBackbone(maps["train"].shape[1]), GlobalAveragePooling(), DIM, project="before")
    objective = LOSSES[loss](classes)
    net.pooling = HistogramPooling(DIM, xml["m"], SHARPNESS, cost=xml["cost"])
    if xml["weight"]:
        objective = losses.JointLoss(
            objective, losses.CrossBatchLoss(classes, DIM, xml["ridge"]), xml["weight"]
        )
    ended = {}
    kept = fit(
        net,
        objective,
        {"train": (maps if xml["weight"] else means)["train"], "validation": means["validation"]},
        labels,
        ClassBatches(labels["train"], CLASSES, EACH, steps, seed=seed),
        seed=seed,
        read=bool(xml["weight"]),
        each_validation=lambda value: ended.update(net=copy.deepcopy(net), value=value) or {},
        learning_rate=rate,
        weight_decay=decay,
    )
    return net, ended["net"], kept | {"last_validation_map_at_r": ended["value"]}


def results(net: EmbeddingNet, last: EmbeddingNet) -> dict[str, float]:
    """R@1 and MAP@R on test species of the kept network and, to see overfitting, of the last."""
    _, means, labels = world(None)
    ending = {f"last_{key}": value for key, value in measure(last, means, labels, "test").items()}
    return measure(net, means, labels, "test") | ending


def explaining(net: EmbeddingNet) -> dict[str, float]:
    """How well prototypes fitted on test species explain the embeddings of other test species."""
    maps, means, labels = world(None)
    z, x, y = read_all(net, maps["test"]).attributes, embed(net, means["test"]), labels["test"]
    return transfer_of(z, x, y) | {
        "batch_error": batch_error(z, x, y, START["ridge"]),
        "batch_error_no_ridge": batch_error(z, x, y, 1e-6),
    }


def batch_error(z: Tensor, x: Tensor, labels: Tensor, ridge: float) -> float:
    """Fit on half a batch, explain the other: share of the spread that is left; mean of 50 batches as in training."""
    z, x, left = z.double(), normalize(x.double()), []
    for rows in ClassBatches(labels, CLASSES, EACH, 50, seed=0):
        halves = [rows[half] for half in losses.class_halves(labels[rows])]
        for fitted, other in (halves, halves[::-1]):
            predicted = z[other] @ losses.ridge_predictor(z[fitted], x[fitted], ridge)
            left.append(
                (x[other] - predicted).square().sum() / (x[other] - x[fitted].mean(dim=0)).square().sum()
            )
    return float(torch.stack(left).mean())


def untrained_prototypes(net: EmbeddingNet, m: int, seed: int) -> dict:
    """What prototypes explain that no loss trained: k-means of training regions; and random ones, m against 16 rows."""
    maps, means, labels = world(None)
    net = copy.deepcopy(net)
    features = embed(net.features, maps["train"][::8]).flatten(2).mT.flatten(0, 1)
    regions = clip_to_ball(features)[::3].numpy()
    means_of = KMeans(min(m, len(regions)), n_init=1, max_iter=30, random_state=0).fit(regions)
    centres = torch.from_numpy(means_of.cluster_centers_).float()
    net.pooling = HistogramPooling(DIM, len(centres), SHARPNESS, cost="euclidean")
    net.pooling.prototypes.data = centres
    row = {f"{key}_kmeans": value for key, value in explaining(net).items()}
    x, y, by_m = embed(net, means["test"]), labels["test"], []
    torch.manual_seed(seed)
    for number in ROWS_AGAINST:
        net.pooling = HistogramPooling(DIM, number, SHARPNESS, cost="euclidean")
        by_m.append(batch_error(read_all(net, maps["test"]).attributes, x, y, 1e-6))
    return row | {"batch_error_no_ridge_by_m": by_m}


def found(part: str) -> list[dict]:
    """All tries of the screening or the search."""
    return [json.loads(line) for line in (stored.FINISHED / f"{NAME}_{part}.jsonl").read_text().splitlines()]


def tries(arm: str) -> list[str]:
    return searched.tries(arm, RATES, OWN if arm.endswith("XML") else DECAYS)


def settled(arm: str, rate: float, own) -> tuple[str, float, float, dict]:
    """Loss, rate, decay and settings of XML of a try; weight 0 is the base."""
    if not arm.endswith("XML"):
        return arm, rate, own, START | {"weight": 0.0}
    return arm.split(" + ")[0], rate, DECAYS[0], START | {"weight": own[0], "ridge": own[1]}


def setting(method: str) -> tuple[str, float, float, dict]:
    """The same of a method of the study: what is best for its arm on validation species."""
    arm = method.split(",")[0]
    if method in AT_RATES:
        return settled(arm, float(method.split()[-1]), OWN[1] if arm.endswith("XML") else DECAYS[0])
    return settled(arm, *searched.chosen(f"{NAME}_search")[arm])


def screen(name: str, seed: int) -> dict:
    return trained(*SCREENED, START | SCREENING[name], seed, STEPS)[2]


def search(method: str, seed: int) -> dict:
    arm, values = searched.setting(method)
    return trained(*settled(arm, *values), seed, STEPS)[2]


def run(method: str, seed: int) -> dict:
    loss, rate, decay, xml = setting(method)
    steps = STEPS * (1 + method.endswith("doubled budget"))
    net, last, kept = trained(loss, rate, decay, xml, seed, steps)
    row = results(net, last) | kept
    if method in ARMS:
        row |= explaining(net)
    if method == "multi-similarity":
        row |= untrained_prototypes(net, xml["m"], seed)
    return row


def run_fold(method: str, seed: int) -> dict:
    arm, fold = method.split(", fold ")
    net, last, kept = trained(*setting(arm), seed, STEPS, int(fold) - 1)
    return results(net, last) | kept


def main(part: str) -> None:
    if part in ("screening", "search"):
        names = list(SCREENING) if part == "screening" else [name for arm in ARMS for name in tries(arm)]
        collect(f"{NAME}_{part}", screen if part == "screening" else search, names, [SEARCH_SEED])
        return
    name = f"{NAME}_{part}".removesuffix("_")
    methods = {"": METHODS, "folds": FOLD_METHODS, "rates": AT_RATES}[part]
    runs = collect(name, run_fold if part == "folds" else run, methods, FEW_SEEDS.get(part, SEEDS))
    settings = SETTINGS | {
        "head": f"linear map before GAP, {DIM}-d; {CLASSES} classes x {EACH}; sharpness {SHARPNESS:g}",
        "steps": STEPS,
        "rate, decay, XML": {method: setting(method.split(", fold")[0])[1:] for method in runs},
    }
    if part == "":
        settings |= {part: found(part) for part in ("screening", "search")}
        settings["random prototypes"] = list(ROWS_AGAINST)
    if part == "folds":
        settings["folds"] = f"{FOLDS} of species 1-50: three train, one keeps the step; settings as in {NAME}"
    save(name, f"python -m studies.{NAME} {part}".strip(), settings, runs)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
