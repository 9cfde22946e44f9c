"""Does cross-batch regularisation carry over to unseen scripts? Five paired seeds, and the search before them.

python -m studies.cross_batch search gap    # validation classes only, about 15 minutes on one core
python -m studies.cross_batch search gsp    # about 5 minutes
python -m studies.cross_batch               # about 25 minutes; writes dmlnb/course/results/cross_batch.json

The search changes one setting at a time and is stored, whole, with the results.
"""

import json
import sys

import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb.course.recipes import glyph_with_attributes
from dmlnb.data import Glyphs
from dmlnb.geometry import clip_to_ball, normalize
from dmlnb.losses import CrossBatchLoss, class_halves, ridge_predictor
from dmlnb.models import EmbeddingNet, embed, read_all
from dmlnb.pooling import GeneralizedSumPooling, HistogramPooling
from dmlnb.retrieval import evaluate
from studies.stored import FINISHED, collect, measure, save

CLASSES, DIM = 253, 64
SEEDS = range(5)
DEFAULT = {"head": "gap", "loss": "cross-batch", "weight": 0.1, "ridge": 0.05, "m": 64, "sharpness": 10.0}
DEFAULT |= {"cost": "inner", "project": "before"}
GAP_SEARCH = {
    "GAP": {"weight": 0.0},
    "default": {},
    "weight 0.02": {"weight": 0.02},
    "weight 0.5": {"weight": 0.5},
    "ridge 0.005": {"ridge": 0.005},
    "ridge 0.0005": {"ridge": 0.0005},
    "sharpness 3": {"sharpness": 3.0},
    "sharpness 30": {"sharpness": 30.0},
    "16 prototypes": {"m": 16},
    "256 prototypes": {"m": 256},
    "on backbone features": {"project": "after"},
    "Euclidean costs": {"cost": "euclidean"},
    "weight 0.5, ridge 0.0005": {"weight": 0.5, "ridge": 0.0005},
    "same-batch classifier": {"loss": "same-batch"},
}
GSP = {"head": "gsp", "sharpness": 5.0}
GSP_SEARCH = {
    "GSP": GSP | {"weight": 0.0},
    "GSP, default": GSP,
    "GSP, weight 0.02": GSP | {"weight": 0.02},
    "GSP, weight 0.5": GSP | {"weight": 0.5},
    "GSP, ridge 0.0005": GSP | {"ridge": 0.0005},
    "GSP, weight 0.5, ridge 0.0005": GSP | {"weight": 0.5, "ridge": 0.0005},
}
SEARCH = GAP_SEARCH | GSP_SEARCH
SEARCH_STEPS, SEARCH_SEEDS = 300, range(2)

STEPS = 700
METHODS = {
    "GAP": {"weight": 0.0},
    "XML": {},  # the released settings are the best of the search
    "same-batch classifier": {"loss": "same-batch"},
    "GSP": GSP | {"weight": 0.0},
    "GSP, zero-shot loss": GSP | {"ridge": 0.0005},  # the best of the search that has the loss
    "GSP, zero-shot, released": GSP,
}


class SameBatchLoss(nn.Module):
    """The control: the same classifier of class codes, with a trained map in place of the one fitted to a half."""

    def __init__(self, m: int, num_classes: int, dim: int, scale: float = 9.5):
        super().__init__()
        self.map = nn.Parameter(torch.randn(m, dim) * (2 / m) ** 0.5)
        self.class_codes = nn.Parameter(torch.randn(num_classes, dim) * (2 / num_classes) ** 0.5)
        self.scale = scale

    def forward(self, attributes: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(self.scale * attributes @ self.map @ self.class_codes.T, labels)


def fit(settings: dict, seed: int, steps: int, validate=None) -> tuple[EmbeddingNet, list[dict]]:
    chosen = DEFAULT | settings
    torch.manual_seed(
        1000 + seed
    )  # of head and auxiliary loss; the recipe seeds network, batches, augmentation
    if chosen["head"] == "gap":
        head = HistogramPooling(DIM, chosen["m"], chosen["sharpness"], cost=chosen["cost"])
    else:  # as in the paper's code: mass 0.3, prototypes chosen from a memory of 1024 images
        head = GeneralizedSumPooling(DIM, chosen["m"], 0.3, chosen["sharpness"], memory_size=1024)
    if chosen["loss"] == "cross-batch":
        loss = CrossBatchLoss(CLASSES, DIM, chosen["ridge"])
    else:
        loss = SameBatchLoss(chosen["m"], CLASSES, DIM)
    return glyph_with_attributes(
        head,
        loss,
        weight=chosen["weight"],
        steps=steps,
        project=chosen["project"],
        seed=seed,
        validate=validate,
        progress=False,
    )


def explained(z: Tensor, x: Tensor, first: Tensor, second: Tensor) -> tuple[float, Tensor]:
    """Fit prototypes on `first`, explain `second`: share of its spread that is left, and what is predicted for it.

    The ridge is a thousandth of the attributes' variance, so that no scaling of them matters; the spread is round the
    mean of `first`.
    """
    ridge = 1e-3 * float((z[first] - z[first].mean(dim=0)).square().sum()) / z.shape[1]
    predicted = z[second] @ ridge_predictor(z[first], x[first], ridge)
    left = (x[second] - predicted).square().sum() / (x[second] - x[first].mean(dim=0)).square().sum()
    return float(left), predicted


def transfer(net: EmbeddingNet, data: Glyphs) -> dict[str, float]:
    """How well prototypes that are fitted on some classes explain embeddings of other classes, and of the same."""
    return transfer_of(read_all(net, data.images).attributes, embed(net, data.images), data.labels)


def transfer_of(z: Tensor, x: Tensor, labels: Tensor) -> dict[str, float]:
    z, x = z.double(), normalize(x.double())
    first, second = class_halves(labels)
    rows = torch.arange(len(labels))
    even, odd = rows[rows % 2 == 0], rows[rows % 2 == 1]  # halves of the same classes
    there, predicted = explained(z, x, first, second)
    back, predicted_back = explained(z, x, second, first)
    report = evaluate(torch.cat([predicted, predicted_back]), labels[torch.cat([second, first])])
    same = (explained(z, x, even, odd)[0] + explained(z, x, odd, even)[0]) / 2
    codes = torch.stack(
        [x[labels == c].mean(dim=0) for c in labels.unique()]
    )  # (C, d); unseen classes have no others
    targets = codes[labels]
    hits = [
        torch.cdist(explained(z, targets, *halves)[1], codes).argmin(dim=1) == labels[halves[1]]
        for halves in ((first, second), (second, first))
    ]
    return {
        "error_other_classes": (there + back) / 2,
        "error_same_classes": same,
        "zero_shot_accuracy": float(torch.cat(hits).double().mean()),
        "explained_map_at_r": report.map_at_r,
        "explained_recall_at_1": report.recall_at[1],
    }


def kmeans_attributes(net: EmbeddingNet, data: Glyphs, m: int) -> Tensor:
    """Attributes over prototypes that nobody trained: k-means of the regions of train classes."""
    tokens = lambda images: clip_to_ball(embed(net.features, images).flatten(2).mT)  # (N, n, d)
    pool = tokens(Glyphs("train", per_class=4).images).flatten(0, 1)
    pool = pool[torch.randperm(len(pool), generator=torch.Generator().manual_seed(0))[:8000]]
    head = HistogramPooling(pool.shape[1], m, sharpness=10.0, cost="euclidean")
    centres = KMeans(m, n_init=1, random_state=0).fit(pool.numpy()).cluster_centers_
    head.prototypes.data = torch.from_numpy(centres).float()
    with torch.inference_mode():
        return torch.cat([head.pool(embed(net.features, part)).attributes for part in data.images.split(512)])


def run_search(method: str, seed: int) -> dict:
    data = Glyphs("validation", clutter=4, per_class=60, seed=1)
    net, history = fit(SEARCH[method], seed, SEARCH_STEPS)
    return measure(net, data) | transfer(net, data) | {"loss": history[-1]["loss"]}


def run(method: str, seed: int) -> dict:
    """One network of the study: test classes read once, at the end; validation classes along the way."""
    greek = Glyphs("validation", clutter=4, seed=1)
    net, history = fit(
        METHODS[method], seed, STEPS, validate=lambda net: {"map": measure(net, greek)["map_at_r"]}
    )
    test = Glyphs("test")
    row = measure(net, test) | transfer(net, test)
    if method == "GAP":  # prototypes that were fitted afterwards, without labels
        attributes = kmeans_attributes(net, test, DEFAULT["m"])
        found = transfer_of(attributes, embed(net, test.images), test.labels)
        row |= {f"{key}_kmeans": value for key, value in found.items()}
    return row | {"validation_map_at_r_by_step": [entry["map"] for entry in history if "map" in entry]}


def search_rows() -> list[dict]:
    """All regimes that were tried, averaged over the seeds of the search."""
    rows = []
    for part in ("gap", "gsp"):
        lines = (FINISHED / f"cross_batch_search_{part}.jsonl").read_text().splitlines()
        tried = [json.loads(line) for line in lines]
        for method in dict.fromkeys(row["method"] for row in tried):
            own = [row for row in tried if row["method"] == method]
            mean = {
                key: sum(row[key] for row in own) / len(own)
                for key in own[0]
                if key not in ("method", "seed")
            }
            rows.append({"method": method, "seeds": len(own)} | mean)
    return rows


def main() -> None:
    runs = collect("cross_batch", run, list(METHODS), SEEDS)
    settings = {
        "steps": STEPS,
        "batch": "128 classes x 1",
        "loss": "Proxy-Anchor, and a loss on attributes",
        "rates": "proxies, class codes and the control's map learn 10 times faster than the network",
        "methods": {method: DEFAULT | chosen for method, chosen in METHODS.items()},
        "search": {"steps": SEARCH_STEPS, "data": "validation classes, clutter 4", "rows": search_rows()},
    }
    save("cross_batch", "python -m studies.cross_batch", settings, runs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["search"]:
        part = GAP_SEARCH if sys.argv[2] == "gap" else GSP_SEARCH
        collect(f"cross_batch_search_{sys.argv[2]}", run_search, list(part), SEARCH_SEEDS)
    else:
        main()
