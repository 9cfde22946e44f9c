"""How many prototypes does GAP need? Mixtures of prototypes and histograms in its place, on classes never seen.

    DMLNB_MAPS=data/birds_maps python -m studies.mixtures    # writes dmlnb/course/results/mixtures.json

Nothing is trained here: letters come from the course's network with GAP, photographs from frozen ImageNet maps.
Prototypes are k-means centres of regions of training classes. Each image of the test is then described by the mixture
of its regions' nearest prototypes, or by the histogram alone, and retrieved.

Two controls: prototypes of the test classes themselves, which no new class can ask for, part what is lost by rounding
from what is lost because classes are new; and twice as many regions for k-means show that its pool is large enough.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from dmlnb.course.recipes import glyph_baseline, kept
from dmlnb.data import Glyphs
from dmlnb.geometry import pairwise_distances
from dmlnb.models import embed
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.retrieval import evaluate
from studies.photographs import SETTINGS, birds
from studies.stored import collect, save

SEEDS = range(10)
NUMBERS = (2, 8, 32, 128, 512)
POOL = 10_000  # regions that k-means sees
WORLDS = ("letters", "photographs")
OF_TEST, DOUBLED = "prototypes of the test classes", "128 prototypes of a doubled pool"


class World(NamedTuple):
    """Regions `(N, n, C)` of training and of test classes, labels of the latter, and the linear map behind pooling."""

    train: Tensor
    test: Tensor
    labels: Tensor
    linear: torch.nn.Module


@lru_cache(maxsize=1)
def world(name: str) -> World:
    if name == "photographs":
        maps, labels = birds()
        return World(
            *(maps[split].flatten(2).mT for split in ("train", "test")), labels["test"], torch.nn.Identity()
        )
    net, _ = glyph_baseline(GlobalAveragePooling(), checkpoint=kept("glyphs_gap"), progress=False)
    train, test = Glyphs("train", per_class=10), Glyphs("test")
    regions = (embed(net.features, data.images).flatten(2).mT for data in (train, test))
    return World(*regions, test.labels, net.linear.cpu())


def fit_prototypes(regions: Tensor, m: int, seed: int, pool: int = POOL) -> Tensor:
    """k-means centres `(m, C)` of a random sample of the regions `(N, n, C)`."""
    regions = regions.flatten(0, 1)
    sample = torch.randperm(len(regions), generator=torch.Generator().manual_seed(seed))[:pool]
    return torch.from_numpy(
        KMeans(m, n_init=1, random_state=seed).fit(regions[sample].numpy()).cluster_centers_
    )


def describe(regions: Tensor, prototypes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Histogram `(N, m)`, mixture `(N, C)` and cover radius `(N,)` of each image, by nearest prototypes."""
    parts = []
    for some in regions.split(100):
        distance, winner = pairwise_distances(some, prototypes.expand(len(some), -1, -1)).min(dim=2)
        histogram = torch.nn.functional.one_hot(winner, len(prototypes)).float().mean(dim=1)
        parts.append((histogram, histogram @ prototypes, distance.amax(dim=1)))
    histogram, mixture, radius = (torch.cat(values) for values in zip(*parts, strict=True))
    return histogram, mixture, radius


def errors(regions: Tensor, mixture: Tensor, radius: Tensor) -> dict[str, float]:
    """How far mixtures are from GAP: in units of the spread of GAP over images, and as a share of the cover radius."""
    gap = regions.mean(dim=1)
    error = (mixture - gap).norm(dim=1)
    spread = (gap - gap.mean(dim=0)).norm(dim=1).mean()
    return {
        "relative_error": (error.mean() / spread).item(),
        "share_of_bound": (error / radius).mean().item(),
    }


@torch.no_grad()
def run(method: str, seed: int) -> dict[str, float]:
    name, prototypes = method.split(" | ")
    here, m = world(name), int(prototypes.split()[0])
    regions = here.test if prototypes.endswith(OF_TEST) else here.train
    centres = fit_prototypes(regions, m, seed, POOL * (2 if prototypes == DOUBLED else 1))
    histogram, mixture, radius = describe(here.test, centres)
    row = errors(here.test, mixture, radius)
    vectors = {
        "gap": here.linear(here.test.mean(dim=1)),
        "mixture": here.linear(mixture),
        "histogram": histogram.sqrt(),  # the cosine of square roots: Bhattacharyya's coefficient
    }
    for what, embeddings in vectors.items():
        report = evaluate(embeddings, here.labels)
        row |= {f"{what}_recall_at_1": report.recall_at[1], f"{what}_map_at_r": report.map_at_r}
    return row


def methods(name: str) -> list[str]:
    numbers = [f"{m} {what}" for what in ("prototypes", OF_TEST) for m in NUMBERS]
    return [f"{name} | {prototypes}" for prototypes in (*numbers, DOUBLED)]


def main() -> None:
    settings = SETTINGS | {
        "letters": "network with GAP of the course (700 steps, seed 0); 253 letters train, 139 letters test",
        "prototypes": f"k-means of {POOL} regions of training classes; the seed draws the regions and the start",
        "histogram": "compared by the cosine of square roots",
        "kept": "nothing is trained and nothing is chosen in this study",
    }
    runs = {}
    for name in WORLDS:  # one after the other, so that each is loaded once
        runs |= collect("mixtures", run, methods(name), SEEDS)
    save("mixtures", "python -m studies.mixtures", settings, runs)


if __name__ == "__main__":
    main()
