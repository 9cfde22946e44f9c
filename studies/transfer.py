"""Embedding transfer on letters: relaxed labels beside their rivals and controls, five paired seeds, unseen scripts.

python -m studies.transfer        # about two hours of one core; writes dmlnb/course/results/transfer.json

All networks but those of "small" have half of the usual widths, so that every method can train for as many steps as its
source. The source of a seed follows the recipe of the GeM baseline (700 steps of 128 images, Proxy-Anchor). Targets
start from new random weights, the same for all methods of a seed, and see the same augmented batches, 700 times 32
classes x 2 images. Names are "setting: method":

64-d, 8-d, 4-d   the source's own architecture, with that many dimensions
8-d, warm        the target starts with the source's weights, but for a new linear map; half as many steps
small            about half of the source's widths, 64-d
no labels        neither source nor target ever sees one; half as many steps each
classifier       accuracy on fresh images of the training classes; the learning rate of the other classifiers

CRD is not among the rivals: it remembers a vector of every training image, and here each is visited less than twice.
"principal axes" trains nothing: the source's unit vectors on the d directions that keep most of their inner products.
"from scratch" has no source, and batches that suit Proxy-Anchor better: 64 classes x 1 image, as many images. Spaces
whose loss looks at plain distances are searched by distance, all others by cosine; both are kept.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from dmlnb.course.recipes import glyph_baseline, glyph_transfer
from dmlnb.data import ClassBatches, Glyphs
from dmlnb.losses import (
    AttentionTransferLoss,
    DarkRankLoss,
    FitNetLoss,
    ProbabilisticTransferLoss,
    ProxyAnchorLoss,
    RelationalAngleLoss,
    RelationalDistanceLoss,
    RelaxedContrastiveLoss,
    relaxed_contrastive_loss,
)
from dmlnb.models import Reading, embed
from dmlnb.pooling import GeneralizedMeanPooling
from dmlnb.retrieval import evaluate
from studies.stored import DEVICE, FINISHED, collect, save

STEPS, SEEDS = 700, range(5)
CLASSIFIER_WEIGHT = 0.1
WIDTHS, SMALL = (8, 12, 24, 32), (6, 8, 12, 16)
STAGES = ("3", "4", "5")  # the residual blocks of `small_resnet`, whose maps are copied
RIVALS = ("binary labels", "RKD", "PKT", "DarkRank", "FitNet", "attention transfer")
CONTROLS = ("from scratch", "principal axes")
ALONE = ("from scratch", "Proxy-Anchor")  # no source
METHODS = [
    "source: source",
    *(f"64-d: {m}" for m in ("relaxed contrastive", *RIVALS)),
    *(f"8-d: {m}" for m in ("relaxed contrastive", *RIVALS[:3], *CONTROLS)),
    *(f"8-d, warm: {m}" for m in ("relaxed contrastive", *RIVALS[:3], "Proxy-Anchor")),
    *(f"4-d: {m}" for m in ("relaxed contrastive", *CONTROLS)),
    *(f"{d}-d: principal axes" for d in (32, 16)),
    *(f"small: {m}" for m in ("relaxed contrastive", "from scratch")),
    *(f"no labels: {m}" for m in ("source", "relaxed contrastive", "source trained on")),
    *(f"classifier: {m}" for m in ("cross-entropy", "with relaxed contrastive")),
]
BY_DISTANCE = ("relaxed contrastive", "binary labels", "RKD")
NOBODY = nn.Flatten()  # a source that nobody asks
glyphs = cache(Glyphs)  # drawn once a process


class ByRow(nn.Module):
    """`loss(reading, index)` from a function of (reading, class labels, index); owns the loss's parameters."""

    def __init__(self, function, labels: Tensor, *modules: nn.Module):
        super().__init__()
        self.function, self.owned = function, nn.ModuleList(modules)
        self.register_buffer("labels", labels, persistent=False)

    def forward(self, reading: Reading, index: Tensor) -> Tensor:
        return self.function(reading, self.labels[index], index)


def of_embeddings(function):
    """A function of (target's embeddings, source's embeddings, class labels) as one of a reading."""
    return lambda reading, y, index: function(reading.embeddings, reading.source.embeddings, y)


def make_loss(
    name: str, dim: int, widths: tuple[int, ...], labels: Tensor
) -> tuple[nn.Module, nn.Module | None]:
    """The loss of a method, and its helper: layers that learn beside the target, as fast as it does."""
    if name in ("FitNet", "attention transfer"):
        own = FitNetLoss(widths[1:], WIDTHS[1:]) if name == "FitNet" else AttentionTransferLoss()
        proxy = ProxyAnchorLoss(int(labels.max()) + 1, dim)

        def with_proxies(reading, y, index):
            maps, source_maps = ([seen.maps[stage] for stage in STAGES] for seen in (reading, reading.source))
            return own(maps, source_maps) + proxy(reading.embeddings, y)

        return ByRow(with_proxies, labels, proxy), own
    if name in ALONE:
        proxy = ProxyAnchorLoss(int(labels.max()) + 1, dim)
        return ByRow(of_embeddings(lambda t, s, y: proxy(t, y)), labels, proxy), None
    relaxed = RelaxedContrastiveLoss()
    distance, angle = RelationalDistanceLoss(), RelationalAngleLoss()
    probable, ranked = ProbabilisticTransferLoss(), DarkRankLoss()
    functions = {
        "relaxed contrastive": lambda t, s, y: relaxed(t, s),
        "binary labels": lambda t, s, y: relaxed_contrastive_loss(t, y[:, None] == y),
        "RKD": lambda t, s, y: distance(t, s) + 2 * angle(t, s),
        "PKT": lambda t, s, y: probable(t, s),
        "DarkRank": ranked,
    }
    return ByRow(of_embeddings(functions[name]), labels), None


def get_source(seed: int) -> nn.Module:
    file = FINISHED / f"transfer-source-{seed}.safetensors"
    return glyph_baseline(
        GeneralizedMeanPooling(),
        widths=WIDTHS,
        seed=seed,
        train_set=glyphs("train"),
        checkpoint=file,
        progress=False,
    )[0]


class PrincipalAxes(nn.Module):
    """A network whose unit vectors are seen along their first d singular directions on the training images."""

    def __init__(self, net: nn.Module, dim: int):
        super().__init__()
        self.net = net
        unit = normalize(embed(net, glyphs("train").images), dim=1)  # (N, d_s)
        self.register_buffer("axes", torch.linalg.eigh(unit.T @ unit)[1][:, -dim:])  # (d_s, d)

    def forward(self, images: Tensor) -> Tensor:
        return normalize(self.net(images), dim=1) @ self.axes


def simclr(reading: Reading, index: Tensor, temperature: float = 0.1) -> Tensor:
    """Two views of an image find each other among all views of the batch; the source is not used."""
    views = normalize(reading.embeddings, dim=1)  # (2 B, d), stacked view after view
    similarity = (views @ views.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(len(views), device=views.device).roll(len(views) // 2)
    return cross_entropy(similarity, partner)


def without_labels(steps: int, seed: int) -> ClassBatches:
    """Batches of 32 images from all, whatever their class."""
    return ClassBatches(torch.zeros(len(glyphs("train").labels), dtype=torch.int64), 1, 32, steps, seed=seed)


def unlabelled(name: str, seed: int) -> dict:
    half = STEPS // 2
    steps = STEPS if name == "source trained on" else half
    options = {"views": 2, "widths": WIDTHS, "train_set": glyphs("train"), "progress": False}
    net, _ = glyph_transfer(NOBODY, simclr, seed=seed, batches=without_labels(steps, seed), **options)
    if name == "relaxed contrastive":
        relaxed, batches = RelaxedContrastiveLoss(), without_labels(half, seed + 100)
        net, _ = glyph_transfer(
            net,
            lambda reading, index: relaxed(reading.embeddings, reading.source.embeddings),
            seed=seed + 100,
            batches=batches,
            **options,
        )
    return measure(net, "test", name)


def classifier(name: str, seed: int, fresh_seed: int = 1) -> dict:
    data, fresh = glyphs("train"), glyphs("train", per_class=20, seed=fresh_seed)
    torch.manual_seed(seed)
    head, relaxed = nn.Linear(64, data.num_classes), RelaxedContrastiveLoss()
    weight = CLASSIFIER_WEIGHT if name == "with relaxed contrastive" else 0.0

    def both(t, s, y):
        return cross_entropy(head(t), y) + (weight * relaxed(t, s) if weight else 0.0)

    loss = ByRow(of_embeddings(both), data.labels, head)
    net, _ = glyph_transfer(
        get_source(seed),
        loss,
        steps=STEPS,
        widths=WIDTHS,
        seed=seed,
        train_set=data,
        learning_rate=0.01,
        proxy_factor=1,
        progress=False,
    )
    with torch.no_grad():
        found = head.to(DEVICE)(embed(net, fresh.images, batch_size=500).to(DEVICE)).argmax(dim=1).cpu()
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
    warm, size = setting.endswith(", warm"), setting.removesuffix(", warm")
    dim = int(size.removesuffix("-d")) if size.endswith("-d") else 64
    if name == "principal axes":
        net = PrincipalAxes(source, dim).to(DEVICE).eval()
        return measure(net, "test", name) | measure(net, "validation", name)
    widths = SMALL if setting == "small" else WIDTHS
    labels = glyphs("train").labels
    torch.manual_seed(seed)
    loss, helper = make_loss(name, dim, widths, labels)
    alone = name in ALONE
    batch = (64, 1) if alone else (32, 2)  # classes, images of each
    net, history = glyph_transfer(
        NOBODY if alone else source,
        loss,
        start=source if warm else None,
        seed=seed,
        helper=helper,
        dim=dim,
        widths=widths,
        train_set=glyphs("train"),
        batches=ClassBatches(labels, *batch, STEPS // (2 if warm else 1), seed=seed),
        validate=lambda both: {"recall": measure(both.net, "validation", name)["validation_recall_at_1"]},
        validate_every=100,
        progress=False,
    )
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
        "source": f"GeM baseline of widths {WIDTHS}, 64-d, {STEPS} steps of 128 images, Proxy-Anchor",
        "steps": f"{STEPS} batches of 32 classes x 2 images; from scratch: 64 classes x 1",
        "no labels": f"SimCLR source, {STEPS // 2} steps of 32 images x 2 views; target as many",
        "target": f"as the source; small: widths {SMALL}; new random weights; warm: those of the source",
        "sigma, delta": "1, 1",
        "with Proxy-Anchor added": "FitNet, attention transfer",
        "rates": "proxies learn 10 times faster than the network; FitNet's regressors as fast as the network",
        "with labels": "binary labels, from scratch, DarkRank (triplet loss)",
        "classifier": f"{STEPS} steps, learning rate 0.01, + {CLASSIFIER_WEIGHT} x relaxed contrastive",
        "chosen on validation": "the weight 0.1, from 0.1 and 1, on other fresh images; nothing else was tuned",
        "curve": "R@1 on validation classes after each 100 steps",
    }
    save("transfer", "python -m studies.transfer", settings, runs)


if __name__ == "__main__":
    main()
