"""The papers' setting on the four public benchmarks: an ImageNet network, fine-tuned on class folds by one method.

    python -m studies.benchmark cub200 --root ~/data/CUB_200_2011 --method gsp --loss multi_similarity
    torchrun --nproc-per-node=8 -m studies.benchmark cub200 --root ...     # the same on eight GPUs
    python -m studies.benchmark cub200 --root ... --smoke                  # does all of it run? Minutes on one core

The training classes are cut into folds. Each fold has a network of 128 dimensions that learns the classes of the other
folds, BatchNorm frozen, and keeps the step of largest MAP@R on the fold's own. Test classes are read once: the mean of
the folds' networks, and their embeddings side by side, each of length 1 [musgrave2020reality]. The settings are no
one's choice for a data set: choose rate and steps on the folds.

A run goes on where it stopped: each fold has a checkpoint in --out, beside result.json. Batches are the same for any
number of processes, so --classes times --each must be a multiple of it.

gap    average pooling and the loss                  xml    the loss, and prototypes that must explain other classes
gsp    GSP behind the linear map, and the same       ccp    alternating projections, with eight proxies per class
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from dmlnb import data, losses
from dmlnb.data import LITE0, ClassBatches, ImageFiles, class_folds, photo_transforms
from dmlnb.geometry import normalize
from dmlnb.models import EmbeddingNet, lite0_backbone, timm_backbone, torchvision_backbone
from dmlnb.pooling import GeneralizedSumPooling, GlobalAveragePooling, HistogramPooling
from dmlnb.retrieval import RetrievalReport, evaluate_shards
from dmlnb.training import train
from dmlnb.training.distributed import embed_together, part_of, start

DATASETS = ("cub200", "cars196", "online_products", "in_shop")
METHODS = ("gap", "gsp", "xml", "ccp")
PAIRS = ("contrastive", "cosine_contrastive", "triplet", "multi_similarity")
PROXIES = {"proxy_anchor": losses.ProxyAnchorLoss, "proxy_nca": losses.ProxyNCALoss}
PROTOTYPES, SHARPNESS, BESIDE, RIDGE = (
    64,
    10.0,
    0.1,
    0.05,
)  # of GSP and XML; weight and ridge of what is beside the loss
PER_CLASS, STRENGTH = 8, 2e-4  # of CCP
SMOKE = {
    "backbone": "lite0",
    "steps": 4,
    "every": 2,
    "size": 96,
    "classes": 8,
    "each": 2,
    "workers": 0,
    "per_class": 4,
}


def arguments(line: list[str] | None = None) -> argparse.Namespace:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("dataset", choices=DATASETS)
    words.add_argument("--root", required=True, help="folder of the data set, as data/README.md lists it")
    words.add_argument("--method", choices=METHODS, default="gap")
    words.add_argument("--loss", choices=[*PAIRS, *PROXIES], default="multi_similarity")
    words.add_argument(
        "--backbone", default="torchvision:resnet50", help="lite0, torchvision:NAME or timm:NAME"
    )
    words.add_argument("--out", help="folder of checkpoints and result.json")
    words.add_argument("--smoke", action="store_true", help="a few images of each class, a few steps")
    numbers = {"folds": 4, "dim": 128, "steps": 4000, "every": 200, "size": 224, "classes": 8, "each": 4}
    for name, value in (numbers | {"workers": 4, "seed": 0, "per_class": 0}).items():
        words.add_argument(f"--{name}", type=int, default=value)
    words.add_argument(
        "--rate", type=float, default=3e-4, help="of the linear map; the backbone learns at a tenth"
    )
    if words.parse_known_args(line)[0].smoke:
        words.set_defaults(**SMOKE)
    asked = words.parse_args(line)
    asked.out = Path(asked.out or f"build/benchmark/{asked.dataset}_{asked.method}_{asked.loss}").expanduser()
    return asked


def read(dataset: str, root: str, per_class: int = 0) -> tuple[ImageFiles, ImageFiles, ImageFiles | None]:
    """Images to learn, to ask for, and to search in (None: those asked for); some of each class, or 0 for all."""
    if dataset == "cub200":  # by halves of the species, so that a part of CUB is read as well
        whole = data.cub200(root)
        parts = [whole.of_classes(half) for half in torch.arange(whole.num_classes).tensor_split(2)]
    else:
        names = ("train", "query", "gallery") if dataset == "in_shop" else ("train", "test")
        parts = [getattr(data, dataset)(root, name) for name in names]
    parts = [few(part, per_class) if per_class else part for part in parts]
    return (*parts, None)[:3]


def few(images: ImageFiles, number: int) -> ImageFiles:
    """The first images of each class."""
    seen, rows = [0] * images.num_classes, []
    for path, label in zip(images.paths, images.labels.tolist(), strict=True):
        seen[label] += 1
        rows += [(path, label)] if seen[label] <= number else []
    return ImageFiles(rows, images.split, images.transform, range(images.num_classes))


def backbone_of(name: str) -> nn.Module:
    """A network with ImageNet weights."""
    library, _, model = name.partition(":")
    if name == "lite0":
        return lite0_backbone()
    if library == "torchvision":
        return torchvision_backbone(model, "DEFAULT")
    if library == "timm":
        return timm_backbone(model, "pretrained")
    raise ValueError(f"backbone: expected lite0, torchvision:NAME or timm:NAME, got {name!r}")


def transform(asked: argparse.Namespace, train: bool = False) -> Callable:
    """What makes a photograph the backbone's input."""
    return photo_transforms(asked.size, train, **(LITE0 if asked.backbone == "lite0" else {}))


def network(method: str, backbone: nn.Module, dim: int, smoke: bool = False) -> EmbeddingNet:
    if method == "gsp":
        memory = 2 * PROTOTYPES // 4 if smoke else 1024  # training images that choose the first prototypes
        pooling = GeneralizedSumPooling(dim, PROTOTYPES // (4 if smoke else 1), memory_size=memory)
        return EmbeddingNet(backbone, pooling, dim, project="before")
    if method == "xml":
        return EmbeddingNet(backbone, HistogramPooling(dim, PROTOTYPES, SHARPNESS), dim, project="before")
    return EmbeddingNet(backbone, GlobalAveragePooling(), dim)


def objective(
    method: str, loss: str, net: EmbeddingNet, images: ImageFiles, seed: int, **options
) -> nn.Module:
    """What is minimised: of embeddings, or, for gsp and xml, of readings. Options are those of `embed`."""
    classes, dim = images.num_classes, net.linear.weight.shape[0]
    if method == "ccp":
        base = getattr(losses, f"{loss}_loss")
        chance = losses.ChanceConstrainedLoss(
            base, classes, dim, proxies_per_class=PER_CLASS, pair_weight=0.1 if loss in PAIRS else 0.0
        )
        rows = partial(embed_together, net, images, **options)  # by their numbers
        projection = losses.AlternatingProjection(
            net, chance, rows, images.labels, strength=STRENGTH, include_start=True, seed=seed
        )
        projection.select()
        return projection
    base = PROXIES[loss](classes, dim) if loss in PROXIES else getattr(losses, f"{loss}_loss")
    if method == "gap":
        return base
    return losses.JointLoss(base, losses.CrossBatchLoss(classes, dim, RIDGE), BESIDE)


def report(queries: tuple[Tensor, Tensor], gallery: tuple[Tensor, Tensor] | None = None) -> RetrievalReport:
    """Of embeddings and labels, which all ranks have, each rank searching its part."""
    mine = [x[part_of(len(x))] for x in queries]
    if gallery is None:
        return evaluate_shards(*mine, ks=(1,))
    rest = {name: x[part_of(len(x))] for name, x in zip(("gallery", "gallery_labels"), gallery, strict=True)}
    return evaluate_shards(*mine, **rest, ks=(1,))


def fit(
    asked: argparse.Namespace, fold: int, known: ImageFiles, held: ImageFiles
) -> tuple[EmbeddingNet, list[dict]]:
    """Train the network of a fold; it and the history."""
    torch.manual_seed(asked.seed + fold)
    net, options = (
        network(asked.method, backbone_of(asked.backbone), asked.dim, asked.smoke),
        {"workers": asked.workers},
    )
    still, moving = transform(asked), transform(asked, train=True)
    net.to("cuda" if torch.cuda.is_available() else "cpu")
    loss = objective(asked.method, asked.loss, net, known.with_transform(still), asked.seed + fold, **options)

    def validate(net: nn.Module) -> dict[str, float]:
        found = report((embed_together(net, held.with_transform(still), **options), held.labels))
        numbers = {"map_at_r": found.map_at_r, "recall_at_1": found.recall_at[1]}
        return numbers | ({"switched": loss.observe(found.map_at_r)} if asked.method == "ccp" else {})

    history = train(
        net.read if asked.method in ("gsp", "xml") else net,
        loss,
        known.with_transform(moving),
        known.labels,
        ClassBatches(known.labels, asked.classes, asked.each, asked.steps, seed=asked.seed + fold),
        learning_rate=asked.rate,
        rates={"backbone": 0.1},
        freeze_batchnorm=True,
        clip=10.0,
        workers=asked.workers,
        validate=validate,
        validate_every=asked.every,
        keep_best="map_at_r",
        renew="switched" if asked.method == "ccp" else None,
        checkpoint=asked.out / f"fold{fold}.safetensors",
        checkpoint_every=asked.every,
        seed=asked.seed + fold,
    )
    return net, history


def main(line: list[str] | None = None) -> dict:
    """Train all folds, read the test classes; rank 0 prints and stores what came out."""
    asked, began = arguments(line), time.perf_counter()
    rank, size = start()
    train_on, queries, gallery = read(asked.dataset, asked.root, asked.per_class)
    rows, seen = [], []
    for fold, (others, own) in enumerate(class_folds(train_on.labels, asked.folds, seed=asked.seed)):
        net, history = fit(asked, fold, train_on.of_classes(others), train_on.of_classes(own))
        tests = [part.with_transform(transform(asked)) for part in (queries, gallery) if part is not None]
        seen.append([(normalize(embed_together(net, p, workers=asked.workers)), p.labels) for p in tests])
        best, found = history[-1]["best_step"], report(*seen[-1])
        speed = sorted(entry["images_per_second"] for entry in history)[len(history) // 2]
        rows.append(
            {
                "best_step": best,
                "validation_map_at_r": history[best]["map_at_r"],
                "images_per_second": round(speed, 1),
            }
            | {"map_at_r": found.map_at_r, "recall_at_1": found.recall_at[1]}
        )
        if rank == 0:
            print(f"fold {fold}: {rows[-1]}", flush=True)
    sides = [(torch.cat([x for x, _ in side], dim=1), side[0][1]) for side in zip(*seen, strict=True)]
    together = report(*sides)
    result = {
        "settings": {k: str(v) if isinstance(v, Path) else v for k, v in vars(asked).items()}
        | {"processes": size},
        "folds": rows,
        "mean of folds": {k: sum(row[k] for row in rows) / len(rows) for k in ("map_at_r", "recall_at_1")},
        "concatenated": {"map_at_r": together.map_at_r, "recall_at_1": together.recall_at[1]},
        "seconds": round(time.perf_counter() - began, 1),
    }
    if rank == 0:
        for name in ("mean of folds", "concatenated"):
            print(f"{name}: MAP@R {result[name]['map_at_r']:.4f}, R@1 {result[name]['recall_at_1']:.4f}")
        (asked.out / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"{result['seconds']:.0f} s in {size} process{'es' * (size > 1)}; {asked.out / 'result.json'}")
    return result


if __name__ == "__main__":
    main()
