"""Where do the poolings put their weight on photographs, and do those regions matter? A look, with one seed.

    DMLNB_MAPS=data/birds_maps DMLNB_BIRDS=data/birds python -m studies.birds_weights    # about 3 minutes on one core

Writes results/birds_weights.json. Heads are those of `studies.birds`, 64-d, with their chosen settings and half their
steps. Two questions.

- *The same object, the same weights?* A photograph is cut out twice, one region (32 pixels) further down and to the
  right, and mirrored. The weights of the regions that both views show are compared: overlap (the sum of the smaller of
  two weights; 1 if equal) and correlation. The control is the other view of another photograph, since birds
  are mostly in the middle.
- *Do they matter?* The ten regions of largest weight are silenced (set to the map's mean), ten at random, and the ten
  of least weight: by how much does the embedding turn, and how many neighbours are still right?

DMLNB_BIRDS is the folder of the photographs, in the layout of CUB-200-2011; only numbers are stored.
"""

import functools
import os
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from dmlnb.data import LITE0, FeatureMaps, ImageFiles, photo_transforms
from dmlnb.models import EmbeddingNet, embed, lite0_backbone, read_all
from dmlnb.retrieval import evaluate
from studies import birds as heads
from studies import searched
from studies.photographs import MAPS, SETTINGS, SPECIES, birds
from studies.stored import collect, save

PHOTOGRAPHS = os.environ.get("DMLNB_BIRDS", "data/birds")
SEEDS, STEPS, ONE_IN, SILENCED, REGION = range(1), 200, 20, 10, 32
ARMS = ["attention, 64-d, after", "GSP, 64-d, after"]


def photographs(folder: str = PHOTOGRAPHS) -> ImageFiles:
    """Every twentieth photograph of the test species, 256 x 256 pixels."""
    folder = Path(folder)
    files, labels = (
        [line.split()[1] for line in (folder / name).read_text().splitlines()]
        for name in ("images.txt", "image_class_labels.txt")
    )
    low, high = SPECIES["test"]
    rows = [
        (folder / "images" / f, int(y)) for f, y in zip(files, labels, strict=True) if low < int(y) <= high
    ]
    transform = photo_transforms(224, **LITE0)
    del transform.transforms[1]  # the cut-out; it is made below
    return ImageFiles(rows[::ONE_IN], "test", transform)


@functools.lru_cache
def views() -> dict[str, Tensor]:
    """Maps of each photograph as it is, one region further, and mirrored: `(N, 320, 7, 7)`, in the units of `birds`."""
    stored = FeatureMaps.load(MAPS)
    low, high = SPECIES["train"]
    scale = stored[((stored.labels >= low) & (stored.labels < high)).nonzero()[:, 0]].std()
    backbone, images = lite0_backbone().eval(), photographs()
    pixels = torch.stack([images[i][0] for i in range(len(images))])  # (N, 3, 256, 256)
    first = pixels[:, :, :-REGION, :-REGION]
    cut = {"first": first, "shifted": pixels[:, :, REGION:, REGION:], "mirrored": first.flip(3)}
    return {name: embed(backbone, part, batch_size=32) / scale for name, part in cut.items()}


def common(weights: dict[str, Tensor], view: str) -> tuple[Tensor, Tensor]:
    """Weights `(N, n)` of the regions that the first view and another one show, each summing to 1."""
    first, other = weights["first"], weights[view]
    if view == "shifted":
        first, other = first[:, 1:, 1:], other[:, :-1, :-1]
    else:
        other = other.flip(2)
    return tuple(part.flatten(1) / part.flatten(1).sum(dim=1, keepdim=True) for part in (first, other))


def agreement(first: Tensor, other: Tensor) -> tuple[float, float]:
    """Mean overlap and mean correlation of two weightings `(N, n)`."""
    overlap = torch.minimum(first, other).sum(dim=1)
    centred = [part - part.mean(dim=1, keepdim=True) for part in (first, other)]
    return overlap.mean().item(), cosine_similarity(*centred, dim=1).mean().item()


def silence(maps: Tensor, regions: Tensor) -> Tensor:
    """The maps `(N, C, H, W)`, the named regions `(N, k)` of each set to its mean."""
    tokens, where = maps.flatten(2), regions[:, None].expand(-1, maps.shape[1], -1)
    mean = tokens.mean(dim=2, keepdim=True).expand_as(where)
    return tokens.scatter(2, where, mean).unflatten(2, maps.shape[2:])


def occlusion(net: EmbeddingNet, maps: Tensor, labels: Tensor, seed: int) -> dict[str, float]:
    """What silencing regions does to embeddings: 1 - cosine, and R@1 among silenced images."""
    before, weights = embed(net, maps), read_all(net, maps).weights.flatten(1)  # (N, d), (N, n)
    chance = torch.rand(weights.shape, generator=torch.Generator().manual_seed(seed))
    row = {"recall_at_1": evaluate(before, labels).recall_at[1]}
    for name, order in {"highest": -weights, "random": chance, "lowest": weights}.items():
        regions = order.argsort(dim=1)[:, : min(SILENCED, weights.shape[1])]
        after = embed(net, silence(maps, regions))
        row[f"turn_{name}"] = (1 - cosine_similarity(before, after)).mean().item()
        row[f"recall_at_1_without_{name}"] = evaluate(after, labels).recall_at[1]
    row["weight_highest"] = (
        weights.topk(min(SILENCED, weights.shape[1]), dim=1).values.sum(dim=1).mean().item()
    )
    return row


def run(method: str, seed: int) -> dict:
    maps, labels = birds()
    rate, own = searched.chosen("birds_search")[method]
    net, kept = heads.head(method, rate, own, seed, steps=STEPS)
    weights = {name: read_all(net, view).weights for name, view in views().items()}
    row = kept | {"rate": rate, "own": own}
    for view in ("shifted", "mirrored"):
        first, other = common(weights, view)
        for name, seen in {view: other, f"{view}_control": other.roll(1 + len(other) // 3, dims=0)}.items():
            row[f"overlap_{name}"], row[f"correlation_{name}"] = agreement(first, seen)
    return row | occlusion(net, maps["test"], labels["test"], seed)


def main() -> None:
    runs = collect("birds_weights", run, ARMS, SEEDS)
    settings = SETTINGS | {
        "head": "64-d, linear map after pooling; Proxy-Anchor, 16 classes x 4",
        "steps": STEPS,
        "views": "every twentieth test photograph: a cut-out, one a region further, mirrored; control: another one",
        "silenced": f"{SILENCED} of 49 regions, set to the map's mean; all test photographs",
    }
    save("birds_weights", "python -m studies.birds_weights", settings, runs)


if __name__ == "__main__":
    main()
