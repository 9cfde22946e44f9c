"""Embedding transfer on letters: relaxed labels beside their rivals and controls, five paired seeds, unseen scripts.

python -m benchmarks.study_transfer        # about an hour of one core; writes dmlnb/results/transfer.json

The source of a seed is the GeM baseline of that seed (700 steps of 128 images, Proxy-Anchor). Targets start from new
random weights, the same for all methods of a seed, and see the same augmented batches. Names are "setting: method":

full self, full 8-d   as many images as the source has had: 700 batches of 64 classes x 2 images (from scratch: the
                      source's own recipe, 128 classes x 1); same network, 64-d and 8-d
self, 32-d .. 4-d     the same networks after a short run, 300 batches of 32 classes x 2 images: who learns fast?
small                 short run, half the widths, 64-d
no labels             neither source nor target ever sees one
classifier            accuracy on fresh images of the training classes

Spaces whose loss looks at plain distances are searched by distance, all others by cosine; both are kept.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from benchmarks.studies import FINISHED, collect, save
from dmlnb.data import ClassBatches, Glyphs, to_float
from dmlnb.losses import (
    AttentionTransferLoss,
    ContrastiveRepresentationLoss,
    DarkRankLoss,
    FitNetLoss,
    ProbabilisticTransferLoss,
    ProxyAnchorLoss,
    RelationalAngleLoss,
    RelationalDistanceLoss,
    RelaxedContrastiveLoss,
    RelaxedMultiSimilarityLoss,
    relaxed_contrastive_loss,
)
from dmlnb.models import embed, trace
from dmlnb.pooling import GeneralizedMeanPooling
from dmlnb.recipes import glyph_baseline, glyph_transfer
from dmlnb.retrieval import evaluate

STEPS, SEEDS = 300, range(5)
CLASSIFIER_STEPS, CLASSIFIER_WEIGHT = 1200, 0.1
SMALL = (8, 12, 24, 32)
RIVALS = (
    "relaxed contrastive",
    "binary labels",
    "RKD",
    "PKT",
    "DarkRank",
    "FitNet",
    "attention transfer",
    "CRD",
)
METHODS = [
    "source: source",
    *(f"full self: {m}" for m in ("relaxed contrastive", "binary labels", "PKT")),
    *(f"full 8-d: {m}" for m in ("relaxed contrastive", "binary labels", "from scratch")),
    *(f"self: {m}" for m in (*RIVALS, "relaxed multi-similarity", "from scratch")),
    *(f"8-d: {m}" for m in ("relaxed contrastive", "binary labels", "PKT", "from scratch")),
    *(f"{d}-d: relaxed contrastive" for d in (32, 16, 4)),
    *(f"small: {m}" for m in ("relaxed contrastive", "PKT", "from scratch")),
    *(f"no labels: {m}" for m in ("source", "relaxed contrastive", "source trained on")),
    *(f"classifier: {m}" for m in ("cross-entropy", "with relaxed contrastive")),
]  # fmt: skip
BY_DISTANCE = ("relaxed contrastive", "relaxed multi-similarity", "binary labels", "RKD")
NOBODY = nn.Flatten()  # a source that nobody asks
glyphs = cache(Glyphs)  # drawn once a process


class ByRow(nn.Module):
    """`loss(pair, index)` from a function of (target, source, class labels, index); owns the loss's parameters."""

    def __init__(self, function, labels: Tensor, *modules: nn.Module):
        super().__init__()
        self.function, self.labels, self.owned = function, labels, nn.ModuleList(modules)

    def forward(self, pair, index: Tensor) -> Tensor:
        return self.function(*pair, self.labels[index], index)


def make_loss(name: str, dim: int, widths: tuple[int, ...], labels: Tensor) -> tuple[nn.Module, object]:
    """The loss of a method, and what it reads of the two networks (None for their embeddings)."""
    if name in ("FitNet", "attention transfer", "CRD"):
        own = {
            "FitNet": lambda: FitNetLoss(widths[1:], (24, 48, 64)),
            "attention transfer": AttentionTransferLoss,
            "CRD": lambda: ContrastiveRepresentationLoss(widths[-1], 64, labels, negatives=512),
        }[name]()
        proxy = ProxyAnchorLoss(int(labels.max()) + 1, dim)

        def with_proxies(t, s, y, index):
            extra = own(t.pooled, s.pooled, index) if name == "CRD" else own(t.maps, s.maps)
            return extra + proxy(t.embedding, y)

        return ByRow(with_proxies, labels, own, proxy), trace
    if name == "from scratch":
        proxy = ProxyAnchorLoss(int(labels.max()) + 1, dim)
        return ByRow(lambda t, s, y, index: proxy(t, y), labels, proxy), None
    relaxed, similar = RelaxedContrastiveLoss(), RelaxedMultiSimilarityLoss()
    distance, angle = RelationalDistanceLoss(), RelationalAngleLoss()
    probable, ranked = ProbabilisticTransferLoss(), DarkRankLoss()
    functions = {
        "relaxed contrastive": lambda t, s, y, index: relaxed(t, s),
        "relaxed multi-similarity": lambda t, s, y, index: similar(t, s, views=1),
        "binary labels": lambda t, s, y, index: relaxed_contrastive_loss(t, y[:, None] == y),
        "RKD": lambda t, s, y, index: distance(t, s) + 2 * angle(t, s),
        "PKT": lambda t, s, y, index: probable(t, s),
        "DarkRank": ranked,
    }
    if name == "DarkRank":
        return ByRow(lambda t, s, y, index: ranked(t, s, y), labels), None
    return ByRow(functions[name], labels), None


def get_source(seed: int) -> nn.Module:
    file = FINISHED / f"transfer-source-{seed}.safetensors"
    return glyph_baseline(
        GeneralizedMeanPooling(), seed=seed, train_set=glyphs("train"), checkpoint=file, progress=False
    )[0]


def simclr(pair, index: Tensor, temperature: float = 0.1) -> Tensor:
    """Two views of an image find each other among all views of the batch; the source is not used."""
    views = normalize(pair[0], dim=1)  # (2 B, d), stacked view after view
    similarity = (views @ views.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(len(views)).roll(len(views) // 2)
    return cross_entropy(similarity, partner)


def without_labels(steps: int, seed: int) -> ClassBatches:
    """Batches of 32 images from all, whatever their class."""
    return ClassBatches(torch.zeros(len(glyphs("train").labels), dtype=torch.int64), 1, 32, steps, seed=seed)


def unlabelled(name: str, seed: int) -> dict:
    steps = STEPS * (2 if name == "source trained on" else 1)
    options = {"views": 2, "train_set": glyphs("train"), "progress": False}
    net, _ = glyph_transfer(NOBODY, simclr, seed=seed, batches=without_labels(steps, seed), **options)
    if name == "relaxed contrastive":
        relaxed, batches = RelaxedContrastiveLoss(), without_labels(STEPS, seed + 100)
        net, _ = glyph_transfer(
            net, lambda pair, index: relaxed(*pair), seed=seed + 100, batches=batches, **options
        )
    return measure(net, "test", name)


def classifier(name: str, seed: int, fresh_seed: int = 1) -> dict:
    data, fresh = glyphs("train"), glyphs("train", per_class=20, seed=fresh_seed)
    torch.manual_seed(seed)
    head, relaxed = nn.Linear(64, data.num_classes), RelaxedContrastiveLoss()
    weight = CLASSIFIER_WEIGHT if name == "with relaxed contrastive" else 0.0

    def both(t, s, y, index):
        return cross_entropy(head(t), y) + (weight * relaxed(t, s) if weight else 0.0)

    loss = ByRow(both, data.labels, head)
    net, _ = glyph_transfer(
        get_source(seed), loss, steps=STEPS, widths=SMALL, seed=seed, progress=False, proxy_factor=1
    )
    with torch.inference_mode():
        found = torch.cat([head(net(to_float(part))).argmax(dim=1) for part in fresh.images.split(500)])
    return {"accuracy": (found == fresh.labels).float().mean().item()}


def run(method: str, seed: int) -> dict:
    setting, name = method.split(": ")
    if setting == "no labels":
        return unlabelled(name, seed)
    if setting == "classifier":
        return classifier(name, seed)
    source = get_source(seed)
    if setting == "source":
        return measure(source, "test", name) | measure(source, "validation", name)
    full, size = setting.startswith("full"), setting.removeprefix("full ")
    dim = int(size.removesuffix("-d")) if size.endswith("-d") else 64
    if full and name == "from scratch":
        net, _ = glyph_baseline(
            GeneralizedMeanPooling(), dim=dim, seed=seed, train_set=glyphs("train"), progress=False
        )
        return measure(net, "test", name) | measure(net, "validation", name)
    widths = SMALL if setting == "small" else (16, 24, 48, 64)
    steps, classes = (700, 64) if full else (STEPS, 32)
    labels = glyphs("train").labels
    torch.manual_seed(seed)
    loss, read = make_loss(name, dim, widths, labels)
    options = {"dim": dim, "widths": widths, "train_set": glyphs("train"), "progress": False}
    options["batches"] = ClassBatches(labels, classes, 2, steps, seed=seed)
    options["validate"] = lambda both: {
        "recall": measure(both.target, "validation", name)["validation_recall_at_1"]
    }
    options["validate_every"] = steps // (7 if full else 6)
    beside = NOBODY if name == "from scratch" else source
    net, history = glyph_transfer(beside, loss, seed=seed, read=read, **options)
    curve = {"validation_curve": [entry["recall"] for entry in history if "recall" in entry]}
    return measure(net, "test", name) | measure(net, "validation", name) | curve


def measure(net: nn.Module, split: str, name: str) -> dict[str, float]:
    """R@1 and MAP@R by the metric that suits the method's loss, and R@1 by either."""
    data = glyphs(split)
    embeddings = embed(net, data.images)
    reports = {metric: evaluate(embeddings, data.labels, metric=metric) for metric in ("l2", "cosine")}
    own = reports["l2" if name in BY_DISTANCE else "cosine"]
    row = {"recall_at_1": own.recall_at[1], "map_at_r": own.map_at_r}
    row |= {f"recall_at_1_{metric}": report.recall_at[1] for metric, report in reports.items()}
    return row if split == "test" else {f"{split}_{key}": value for key, value in row.items()}


def main() -> None:
    runs = collect("transfer", run, METHODS, SEEDS)
    settings = {
        "source": "GeM baseline, 64-d, 700 steps of 128 images, Proxy-Anchor",
        "short": f"{STEPS} batches of 32 classes x 2 images",
        "full": "700 batches of 64 classes x 2 images; from scratch: 128 classes x 1",
        "no labels": f"SimCLR source, {STEPS} steps of 32 images x 2 views; target as many",
        "target": "GeM network of widths 16, 24, 48, 64; small: 8, 12, 24, 32; new random weights",
        "sigma, delta": "1, 1",
        "with Proxy-Anchor added": "FitNet, attention transfer, CRD (512 negatives)",
        "with labels": "binary labels, from scratch, DarkRank (triplet loss)",
        "classifier": f"small network, {CLASSIFIER_STEPS} steps, + {CLASSIFIER_WEIGHT} x relaxed contrastive",
        "chosen on validation": "the weight 0.1, from 0.1 and 1, on other fresh images; nothing else was tuned",
        "curve": "R@1 on validation classes after each 50 steps (short) or 100 steps (full)",
    }
    save("transfer", "python -m benchmarks.study_transfer", settings, runs)


if __name__ == "__main__":
    main()
