"""Which loss, with which settings, when? On photographs of birds, over batches and wrong labels: ten paired seeds.

    DMLNB_MAPS=data/birds_maps python -m studies.birds_losses    # writes dmlnb/course/results/birds_losses.json

Linear heads on averaged ImageNet maps (`studies.photographs`). One thing is changed at a time, from a centre: the size
of the batch, the classes in it, the share of wrong labels. Every arm, a loss under a condition, makes nine tries on
validation species, with one seed that is not among the ten: three learning rates, times three values of the loss's own
setting. All arms see as many images. Wrong labels are drawn once a seed, uniformly among the other species; those of
validation and test species are right.
"""

from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.func import grad, vmap

from dmlnb.data import ClassBatches
from dmlnb.losses import (
    ArcFaceLoss,
    ProxyAnchorLoss,
    ProxyNCALoss,
    SoftTripleLoss,
    contrastive_loss,
    cosine_contrastive_loss,
    multi_similarity_loss,
    supcon_loss,
    triplet_loss,
)
from studies import searched
from studies.birds_chance import vectors_of_birds
from studies.heads import Heads, fit_together, retrieval
from studies.photographs import SEARCH_SEED, SETTINGS
from studies.stored import collect, save

SEEDS, DIM, IMAGES, READINGS = range(10), 128, 6_400, 5
RATES, PROXY_FACTOR, MEMORY = (3e-4, 1e-3, 3e-3), 10.0, 1024
# what a setting makes of a loss (of classes and dimensions, where it has proxies), and its three values
PAIRS = {
    "contrastive": (lambda own: partial(contrastive_loss, negative_margin=own), (0.5, 0.75, 1.0)),
    "contrastive + XBM": (lambda own: partial(contrastive_loss, negative_margin=own), (0.5, 0.75, 1.0)),
    "cosine contrastive": (lambda own: partial(cosine_contrastive_loss, margin=own), (0.3, 0.5, 0.7)),
    "triplet": (lambda own: partial(triplet_loss, margin=own), (0.05, 0.1, 0.2)),
    "semi-hard triplet": (lambda own: partial(triplet_loss, margin=own, mined="semi-hard"), (0.05, 0.1, 0.2)),
    "multi-similarity": (lambda own: partial(multi_similarity_loss, base=own), (0.3, 0.5, 0.7)),
    "SupCon": (lambda own: partial(supcon_loss, temperature=own), (0.05, 0.1, 0.2)),
}
PROXIES = {
    "Proxy-NCA": (lambda own, c, d: ProxyNCALoss(c, d, temperature=own), (0.05, 0.1, 0.2)),
    "ArcFace": (lambda own, c, d: ArcFaceLoss(c, d, margin=own, scale=16.0), (0.1, 0.3, 0.5)),
    "SoftTriple": (
        lambda own, c, d: SoftTripleLoss(c, d, 4, scale=own, gamma=0.1, tau=0.2, margin=0.01),
        (10.0, 20.0, 40.0),
    ),
    "Proxy-Anchor": (lambda own, c, d: ProxyAnchorLoss(c, d, alpha=own), (8.0, 16.0, 32.0)),
}
LOSSES = PAIRS | PROXIES
CENTRE = (16, 4, 0.0)  # classes in a batch, images of each, share of wrong labels
CONDITIONS = {
    "centre": CENTRE,
    "30 % wrong labels": (16, 4, 0.3),
    "batches of 16": (4, 4, 0.0),
    "4 classes x 16": (4, 16, 0.0),
    "10 % wrong labels": (16, 4, 0.1),
    "batches of 160": (40, 4, 0.0),
    "32 classes x 2": (32, 2, 0.0),
}
ARMS = [f"{loss}, {condition}" for condition in CONDITIONS for loss in LOSSES]
DOUBLED = [f"{loss}, centre, doubled budget" for loss in LOSSES]
CONTROL = "untrained"


class Remembering(Heads):
    """Heads whose loss is `CrossBatchMemory`'s: the batch with itself, and with the last rows of earlier batches."""

    remembered = 0

    def __init__(self, *arguments, size: int = MEMORY):
        super().__init__(*arguments)
        self.memory = torch.zeros(len(self.heads), size, DIM)
        self.memory_labels = torch.zeros(len(self.heads), size, dtype=torch.int64)

    def both(self, weights: tuple, x: Tensor, labels: Tensor, rows: Tensor, row_labels: Tensor) -> Tensor:
        embeddings = nn.functional.linear(x, *weights[:2])
        more = self.base[0](embeddings, labels, references=rows, reference_labels=row_labels)
        return self.base[0](embeddings, labels) + more

    @torch.no_grad()
    def gradients(self, x: Tensor, labels: Tensor) -> list[Tensor]:
        size, weights = self.memory.shape[1], tuple(self.stacked)
        filled = min(self.remembered, size)
        remembered = self.memory[:, :filled], self.memory_labels[:, :filled]
        if filled:
            slopes = vmap(grad(self.both))(weights, x, labels, *remembered)
        else:
            slopes = self.slope(weights, x, labels)
        place = (self.remembered + torch.arange(x.shape[1])) % size
        self.memory[:, place] = torch.baddbmm(weights[1][:, None], x, weights[0].mT)
        self.memory_labels[:, place] = labels
        self.remembered += x.shape[1]
        return [*slopes]


def wrong(labels: Tensor, share: float, seed: int) -> Tensor:
    """The labels, of which a share was replaced by another class, each as likely."""
    generator = torch.Generator().manual_seed(seed)
    classes = int(labels.max()) + 1
    other = (labels + torch.randint(1, classes, labels.shape, generator=generator)) % classes
    return torch.where(torch.rand(labels.shape, generator=generator) < share, other, labels)


def train_all(
    arm: str, own: float, rates: list[float], seeds: list[int], doubled: bool = False
) -> list[tuple[nn.Linear, dict]]:
    """Train the heads of some rates and seeds side by side; each with its step and validation, in their order."""
    name, condition = arm.split(", ")
    classes, each, share = CONDITIONS[condition]
    vectors, labels = vectors_of_birds()
    steps = IMAGES * (1 + doubled) // (classes * each)
    heads, losses = [], []
    for seed in seeds:
        torch.manual_seed(seed)
        heads.append(nn.Linear(vectors["train"].shape[1], DIM))
        make = LOSSES[name][0]
        sizes = (int(labels["train"].max()) + 1, DIM) if name in PROXIES else ()
        losses.append(make(own, *sizes))
    taught = torch.stack([wrong(labels["train"], share, seed) for seed in seeds])
    batches = [
        ClassBatches(y, classes, each, steps, seed=seed) for y, seed in zip(taught, seeds, strict=True)
    ]
    tables = torch.stack([torch.stack([*batch]) for batch in batches])
    kind = Remembering if "XBM" in name else Heads
    together = kind(heads, losses, rates, [PROXY_FACTOR] * len(seeds))
    every = max(1, steps // (READINGS * (1 + doubled)))
    kept = fit_together(together, vectors, labels, tables, every=every, taught=taught)
    return list(zip(heads, kept, strict=True))


@torch.no_grad()
def measured(head: Callable[[Tensor], Tensor]) -> dict[str, float]:
    vectors, labels = vectors_of_birds()
    seen = retrieval(head(vectors["test"]), labels["test"])
    return dict(zip(("test_recall_at_1", "test_map_at_r"), seen, strict=True))


def tries(arm: str) -> list[str]:
    return searched.tries(arm, RATES, LOSSES[arm.split(", ")[0]][1])


@cache
def searched_together(arm: str) -> dict[str, dict]:
    found = {}
    for own in LOSSES[arm.split(", ")[0]][1]:
        rows = [kept for _, kept in train_all(arm, own, list(RATES), [SEARCH_SEED] * len(RATES))]
        found |= dict(zip(searched.tries(arm, RATES, [own]), rows, strict=True))
    return found


def search(method: str, seed: int) -> dict:
    """One try; its arm's tries are trained together, with the only seed of a search."""
    return searched_together(searched.setting(method)[0])[method]


@cache
def run_together(method: str) -> list[dict]:
    arm = method.removesuffix(", doubled budget")
    rate, own = searched.chosen("birds_losses_search")[arm]
    trained = train_all(arm, own, [rate] * len(SEEDS), list(SEEDS), doubled=arm != method)
    return [kept | measured(head) | {"rate": rate, "own": own} for head, kept in trained]


def run(method: str, seed: int) -> dict:
    """One row; the first that is asked for trains all seeds of its method."""
    return measured(nn.Identity()) if method == CONTROL else run_together(method)[SEEDS.index(seed)]


def main() -> None:
    runs = {}
    for condition in CONDITIONS:  # stored after each
        arms = [arm for arm in ARMS if arm.endswith(f", {condition}")]
        for arm in arms:  # whose tries, and then seeds, are trained together
            collect("birds_losses_search", search, tries(arm), [SEARCH_SEED])
        for method in [CONTROL, *arms, *(DOUBLED if condition == "centre" else [])]:
            runs |= collect("birds_losses", run, [method], SEEDS)
        save("birds_losses", "python -m studies.birds_losses", described(runs), runs)


def described(runs: dict) -> dict:
    return SETTINGS | {
        "head": f"linear map 320 -> {DIM} after averaging; on the sphere; constant rate, clip 10",
        "proxies": f"learn {PROXY_FACTOR:g} times as fast as the head",
        "conditions": {name: list(condition) for name, condition in CONDITIONS.items()},
        "images": IMAGES,
        "kept": f"the best of {READINGS} readings of MAP@R on validation species, in every arm",
        "memory": f"{MEMORY} rows",
        "not run yet": [arm for arm in (*ARMS, *DOUBLED) if arm not in runs],
        "chosen on validation": f"rate of three, times the loss's own setting of three, seed {SEARCH_SEED}",
    }


if __name__ == "__main__":
    main()
