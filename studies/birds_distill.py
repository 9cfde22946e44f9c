"""letKD on photographs of birds: a small convolutional student of a frozen ImageNet network, and its controls.

    export DMLNB_MAPS=data/birds_maps DMLNB_EARLY_MAPS=data/birds_maps_112 DMLNB_CUB=data/CUB_200_2011
    python -m studies.birds_distill information   # seconds: how much the decision targets say, before any training
    python -m studies.birds_distill search        # about 20 minutes on one core
    python -m studies.birds_distill               # about 60 minutes; writes dmlnb/course/results/birds_distill.json

The teacher is EfficientNet-Lite0 with a linear classifier of 50 species on its last averaged map, 320 x 7 x 7. The
student sees what the teacher has after eleven blocks, 112 x 14 x 14, and replaces the other five by three residual
blocks. CUB's own split by image: the train part learns, but for a fifth of it that chooses rates and steps; the test
part of the 50 species is classified once, and the 50 other species, never seen, are retrieved. Three teachers: the
classifiers of seeds 0, 1 and 2, and a codebook each; student s learns from teacher s mod 3.
"""

import os
import sys
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmlnb.data import ClassBatches, FeatureMaps
from dmlnb.distill import Codebook, DecisionTemplates, LetKDLoss, hinton_kd
from dmlnb.models import KDLayer, Reading, StagedClassifier, Stages, read_all
from dmlnb.models.backbones import ResidualBlock
from dmlnb.retrieval import evaluate
from dmlnb.training import train
from studies import searched
from studies.photographs import MAPS, SEARCH_SEED, fifths, learned_by_image
from studies.stored import collect, save

EARLY = os.environ.get("DMLNB_EARLY_MAPS", "data/birds_maps_112")
SPECIES, WIDTH, STEPS, EVERY, SEEDS = 50, 24, 400, 40, range(10)
RATES, DECAYS = (3e-3, 1e-2, 3e-2), (1e-4,)
MIDDLE, LAST, SUBCLASSES = "1", "2", 8
BOTH = (MIDDLE, LAST)
# codes; value ratio; stages with a layer; those whose templates the teacher supervises; weight of its softened logits
METHODS = {
    "student alone": (0, 0.0, (), (), 0.0),
    "KD": (0, 0.0, (), (), 1.0),
    "one layer, no supervision": (256, 1.0, (LAST,), (), 0.0),
    "QuEST (α = 0)": (256, 0.0, (LAST,), (LAST,), 0.0),
    "letKD-1, 64 codes": (64, 1.0, (LAST,), (LAST,), 0.0),
    "letKD-1": (256, 1.0, (LAST,), (LAST,), 0.0),
    "letKD-1, 1024 codes": (1024, 1.0, (LAST,), (LAST,), 0.0),
    "letKD-1 + KD": (256, 1.0, (LAST,), (LAST,), 1.0),
    "two layers, last supervised": (256, 1.0, BOTH, (LAST,), 0.0),
    "letKD-2": (256, 1.0, BOTH, BOTH, 0.0),
}
DOUBLED = [f"{arm}, doubled budget" for arm in ("student alone", "letKD-1")]


@lru_cache
def photographs() -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Early maps, late maps and species by split, in units of their standard deviations over the train part."""
    late, early = FeatureMaps.load(MAPS).view(0), FeatureMaps.load(EARLY).view(0)
    if not torch.equal(late.labels, early.labels):
        raise ValueError(f"DMLNB_EARLY_MAPS: expected maps of the photographs of {MAPS}, in their order")
    for_training, known = learned_by_image(), late.labels < SPECIES
    rows = (for_training & known).nonzero()[:, 0]
    chooses = fifths(late.labels[rows])
    parts = {
        "train": rows[~chooses],
        "validation": rows[chooses],
        "test": (~for_training & known).nonzero()[:, 0],
        "unseen": (~known).nonzero()[:, 0],
    }
    scales = [maps[parts["train"]].std() for maps in (early, late)]
    return {k: (early[i] / scales[0], late[i] / scales[1], late.labels[i]) for k, i in parts.items()}


@lru_cache
def teacher(number: int) -> tuple[nn.Linear, dict[str, float]]:
    """A linear classifier of the averaged late maps, and its accuracy."""
    parts = photographs()
    torch.manual_seed(1000 + number)
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(parts["train"][1].shape[1], SPECIES))
    train(
        net,
        cross_entropy,
        parts["train"][1].mean(dim=(2, 3), keepdim=True),
        parts["train"][2],
        ClassBatches(parts["train"][2], 32, 2, 400, seed=1000 + number),
        learning_rate=1e-3,
        augment=None,
        seed=1000 + number,
        device="cpu",
        progress=False,
    )
    right = net(parts["test"][1]).argmax(dim=1) == parts["test"][2]
    return net.eval(), {"teacher_accuracy": right.double().mean().item()}


def regions(maps: Tensor) -> Tensor:  # (N, D, H, W) -> (N H W, D)
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


@lru_cache
def codebook(number: int, codes: int) -> Codebook:
    return Codebook.fit(regions(photographs()["train"][1]), codes, seed=number)


@lru_cache
def decisions(number: int, subclasses: int = SUBCLASSES, early: bool = False) -> DecisionTemplates:
    first, late, labels = photographs()["train"]
    maps = nn.functional.avg_pool2d(first, 2) if early else late
    return DecisionTemplates.fit(
        regions(maps), labels.repeat_interleave(maps[0, 0].numel()), subclasses, seed=number
    )


def information(targets: DecisionTemplates, maps: Tensor, labels: Tensor) -> float:
    """Nats by which the targets of all regions differ from the belief that is their mean: mean KL(target || mean)."""
    table = targets.decisions.double()
    counts = targets.subclass(maps, labels).flatten().bincount(minlength=len(table)).double()
    shares = counts / counts.sum()
    mean = shares @ table
    return (shares @ (torch.special.xlogy(table, table) - torch.special.xlogy(table, mean)).sum(dim=1)).item()


class ByRow(nn.Module):
    """`loss(reading, rows)`: the teacher's late map and logits are looked up by row."""

    def __init__(self, method: str, number: int):
        super().__init__()
        codes, _, _, supervised, self.logits_weight = METHODS[method]
        _, self.maps, self.labels = photographs()["train"]
        net = teacher(number)[0]  # trained in its first call
        with torch.no_grad():
            self.logits = net(self.maps)
        targets = {LAST: codebook(number, codes)} if LAST in supervised else {}
        if MIDDLE in supervised:
            targets[MIDDLE] = decisions(number)
        self.letkd = LetKDLoss(targets) if targets else None

    def forward(self, reading: Reading, rows: Tensor) -> Tensor:
        labels = self.labels[rows]
        maps = {stage: self.maps[rows] for stage in (MIDDLE, LAST)}
        seen = reading._replace(source=Reading(self.logits[rows], maps=maps))
        loss = self.letkd(seen, labels) if self.letkd else cross_entropy(reading.logits, labels)
        if self.logits_weight:
            loss = loss + self.logits_weight * hinton_kd(reading.logits, self.logits[rows])
        return loss


def make_student(method: str, seed: int, channels: int) -> StagedClassifier:
    codes, ratio, stages_with, _, _ = METHODS[method]
    torch.manual_seed(seed)
    blocks = [
        ResidualBlock(channels, WIDTH, 2),
        ResidualBlock(WIDTH, WIDTH),
        ResidualBlock(WIDTH, WIDTH),
    ]  # first, so that they start alike with every method
    linear = nn.Linear(WIDTH, SPECIES)
    sizes = {MIDDLE: SPECIES * SUBCLASSES, LAST: codes}
    layers = {stage: KDLayer(WIDTH, sizes[stage], ratio) for stage in stages_with}
    student = StagedClassifier(Stages(*blocks), SPECIES, layers)
    student.linear = linear
    return student


def learn(method: str, rate: float, decay: float, seed: int, *, doubled: bool = False):
    maps, _, labels = photographs()["train"]
    student = make_student(method, seed, maps.shape[1])
    history = train(
        student.read,
        ByRow(method, seed % 3),
        maps,
        torch.arange(len(labels)),
        ClassBatches(labels, 32, 2, STEPS * (1 + doubled), seed=seed),
        learning_rate=rate,
        weight_decay=decay,
        augment=None,
        validate=lambda net: {"accuracy": accuracy(net, "validation")},
        validate_every=EVERY,
        keep_best="accuracy",
        seed=seed,
        device="cpu",
        progress=False,
    )
    step = history[-1]["best_step"]
    return student.eval(), {"validation_accuracy": history[step]["accuracy"], "step": step}


def accuracy(net: nn.Module, split: str) -> float:
    maps, _, labels = photographs()[split]
    return (read_all(net, maps).logits.argmax(dim=1) == labels).double().mean().item()


def probe(net: StagedClassifier) -> dict[str, float]:
    """Accuracy of linear discriminants on the averaged middle map, before its layer and behind it, on test images."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    seen = {}
    for split in ("train", "test"):
        maps, _, labels = photographs()[split]
        before = read_all(net, maps, maps=(MIDDLE,)).maps[MIDDLE]
        with torch.no_grad():
            behind = net.kd_layers[MIDDLE](before)[0]
        seen[split] = before.mean(dim=(2, 3)).numpy(), behind.mean(dim=(2, 3)).numpy(), labels.numpy()
    *taught, labels = seen["train"]
    *asked, wanted = seen["test"]
    names = ("probe_before", "probe_behind")
    models = (LinearDiscriminantAnalysis().fit(x, labels) for x in taught)
    return {name: model.score(x, wanted) for name, model, x in zip(names, models, asked, strict=True)}


def search(method: str, seed: int) -> dict:
    arm, settings = searched.setting(method)
    kept = learn(arm, *settings, seed)[1]
    return kept | {"validation_map_at_r": kept["validation_accuracy"]}  # what the search compares


def run(method: str, seed: int) -> dict:
    arm = method.removesuffix(", doubled budget")
    rate, decay = searched.chosen("birds_distill_search")[arm]
    net, kept = learn(arm, rate, decay, seed, doubled=arm != method)
    maps, _, labels = photographs()["unseen"]
    report = evaluate(read_all(net, maps).vector, labels)
    row = {"test_accuracy": accuracy(net, "test"), "unseen_recall_at_1": report.recall_at[1]}
    row |= {"unseen_map_at_r": report.map_at_r, "parameters": sum(p.numel() for p in net.parameters())}
    row |= probe(net) if MIDDLE in net.kd_layers else {}
    return row | kept | teacher(seed % 3)[1] | {"rate": rate}


def targets_say() -> dict[str, float]:
    """Nats in the decision tables, by layer and number of sub-classes; ln of their size is the most there could be."""
    early, late, labels = photographs()["train"]
    maps = {"early": nn.functional.avg_pool2d(early, 2), "late": late}
    return {
        f"{name} maps, {k} sub-classes": information(decisions(0, k, name == "early"), maps[name], labels)
        for name in maps
        for k in (1, 2, 4, 8)
    }


def main(mode: str) -> None:
    if mode == "information":
        print(targets_say())
        return
    if mode == "search":
        tries = [t for arm in METHODS for t in searched.tries(arm, RATES, DECAYS)]
        collect("birds_distill_search", search, tries, [SEARCH_SEED])
        return
    runs = collect("birds_distill", run, [*METHODS, *DOUBLED], SEEDS)
    settings = {
        "photographs": "CUB-200-2011, species 1-50 by its own split of images; species 51-100 retrieved",
        "teacher": "EfficientNet-Lite0, frozen, with a linear classifier; three of them",
        "student": f"blocks 12 to 16 replaced by three residual blocks of {WIDTH} channels",
        "steps": f"{STEPS} of 32 species x 2",
        "kept": f"the best of every {EVERY} steps by accuracy on a fifth of the training photographs, in every arm",
        "chosen there too": f"rate of three, seed {SEARCH_SEED}",
        "nats in decision targets": targets_say(),
    }
    save("birds_distill", "python -m studies.birds_distill", settings, runs)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "")
