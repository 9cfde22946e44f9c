"""CCP on photographs of birds, as released: what a loss gains by proxies, and what by selecting them again.

    DMLNB_MAPS=data/birds_maps python -m studies.birds_chance    # writes dmlnb/course/results/birds_chance.json

Linear heads on averaged ImageNet maps (`studies.photographs`), ten paired seeds, species never seen. Arms of each loss:

LOSS                 the loss between the samples of a batch, or, of a proxy loss, with proxies that start at random
LOSS + once          with K proxies a class that start at a k-center of samples and are never selected again
LOSS + random        the same, but K samples at random
LOSS + CCP, K = 1    alternating projections with one proxy a class
LOSS + CCP           alternating projections with K

The paper applies CCP to the first four losses; the three proxy losses are an extension of this course. Every arm makes
four tries on validation species, with one seed that is not among the ten: four learning rates, or, for a proxy loss
alone, two times two rates of its proxies.
"""

from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor, nn

from dmlnb import geometry
from dmlnb.data import ClassBatches
from dmlnb.geometry import proxy_cover, proxy_spread
from dmlnb.losses import (
    AlternatingProjection,
    ChanceConstrainedLoss,
    contrastive_loss,
    cosine_contrastive_loss,
    multi_similarity_loss,
    proxy_anchor_loss,
    proxy_nca_loss,
    soft_triple_loss,
    triplet_loss,
)
from studies import searched
from studies.heads import Heads, fit_together, retrieval
from studies.photographs import EVERY, SEARCH_SEED, SETTINGS, Split, averaged
from studies.stored import collect, save

SEEDS, STEPS, DIM = range(10), 400, 128
PROXIES, POOL, STRENGTH = 8, 12, 2e-4  # K, b and λ as released
RATES = (1e-4, 3e-4, 1e-3, 3e-3)
PAPER = {
    "multi-similarity": multi_similarity_loss,
    "contrastive": contrastive_loss,
    "cosine contrastive": cosine_contrastive_loss,
    "triplet": triplet_loss,
}
EXTENSION = {
    "Proxy-Anchor": proxy_anchor_loss,
    "Proxy-NCA": proxy_nca_loss,
    "SoftTriple": partial(
        soft_triple_loss, scale=20.0, gamma=0.1, tau=0.2, margin=0.01
    ),  # as its authors have it
}
LOSSES = PAPER | EXTENSION
ADDED = ("", " + once", " + random", " + CCP, K = 1", " + CCP")
ARMS = [name + added for name in LOSSES for added in ADDED]
DOUBLED = [f"{name}{added}, doubled budget" for name in LOSSES for added in ("", " + once", " + CCP")]
SWEEP = [f"{name} + CCP, strength {value}" for name in PAPER for value in (0.0, 0.03, 0.3)]  # beside STRENGTH


def make_loss(
    name: str,
    added: str,
    net: nn.Module,
    rows: Callable[[Tensor], Tensor],
    labels: Tensor,
    seed: int,
    *,
    dim: int = DIM,
    proxies: int = PROXIES,
    **options,
):
    """The loss of an arm; what is added is `once`, `random`, `CCP`, `CCP, K = 1` or nothing.

    `rows(index)` gives embeddings of training samples with the present weights.
    """
    base, classes = LOSSES[name], int(labels.max()) + 1
    if not added and name in PAPER:
        return partial(base, normalize="ball")
    one = added.endswith("K = 1") or (not added and name != "SoftTriple")
    loss = ChanceConstrainedLoss(
        base,
        classes,
        dim,
        proxies_per_class=1 if one else proxies,
        pair_weight=0.1 if name in PAPER else 0.0,
    )
    if not added:
        return loss
    options = {"pool": 1 if added == "random" else POOL, "strength": STRENGTH} | options
    ccp = AlternatingProjection(net, loss, rows, labels, seed=seed, include_start=True, **options)
    if "CCP" not in added:
        ccp.anchor.set_strength(0.0)  # no sub-problem, no proximal term
    ccp.select()
    return ccp


def rows_of(head: nn.Linear, vectors: Tensor, index: Tensor) -> Tensor:
    return head(vectors[index])


def train_all(
    method: str, chosen: list[tuple[float, float]], seeds: list[int], steps: int, world=None, **options
) -> list[dict]:
    """Train the heads of some (rate, proxies' rate) and seeds side by side; what is known of each, in their order."""
    vectors, labels = world or vectors_of_birds()
    x, y = vectors["train"], labels["train"]
    name, _, added = method.partition(" + ")
    heads, losses = [], []
    for seed in seeds:
        torch.manual_seed(seed)
        heads.append(nn.Linear(x.shape[1], DIM))
        rows = partial(rows_of, heads[-1], x)
        losses.append(make_loss(name, added, heads[-1], rows, y, seed, **options))
    together = Heads(heads, losses, *zip(*chosen, strict=True))
    tables = torch.stack([torch.stack([*ClassBatches(y, 8, 4, steps, seed=seed)]) for seed in seeds])
    noted = [{"projections": 0, "pull": [], "gradient": []} for _ in seeds]
    last = 2 * steps // (3 * EVERY)  # no selection later: new proxies would stay untrained

    def observe(i: int, metric: float) -> None:
        note, ccp = noted[i], losses[i]
        if len(note["pull"]) == last:
            return
        if i == 0:  # all heads at once
            slopes = together.gradients(x[tables[:, 0]], y[tables[:, 0]])[:2]
            norms = torch.cat([slope.flatten(1) for slope in slopes], dim=1).norm(dim=1)
            for each, norm in zip(noted, norms.tolist(), strict=True):
                each["gradient"].append(norm)
        note["pull"].append(ccp.anchor.strength.item() * ccp.anchor.distance())
        note["projections"] += ccp.observe(metric)

    kept = fit_together(
        together, vectors, labels, tables, every=EVERY, observe=observe if "CCP" in added else None
    )
    for found, note, head, loss in zip(kept, noted, heads, together.base, strict=True):
        with torch.no_grad():
            for key in labels.keys() - {"train", "validation"}:  # "test", and other labels of the same images
                seen = retrieval(head(vectors["test"]), labels[key])
                found |= dict(zip((f"{key}_recall_at_1", f"{key}_map_at_r"), seen, strict=True))
            if isinstance(loss, nn.Module):
                proxies = geometry.normalize(loss.proxies.detach(), "ball")
                found["cover"] = proxy_cover(geometry.normalize(head(x), "ball"), y, proxies).mean().item()
                found["spread"] = proxy_spread(proxies).mean().item()
        if note["pull"]:
            found |= {"projections": note["projections"]}
            found |= {k: sum(note[k]) / len(note[k]) for k in ("pull", "gradient")}
    return kept


def vectors_of_birds() -> tuple[Split, Split]:
    """Averaged maps as vectors `(N, 320)`, and labels, by split."""
    means, labels = averaged()
    return {split: x.flatten(1) for split, x in means.items()}, labels


def tries(arm: str) -> list[str]:
    """Proxies that start at random need a rate of their own, those that start at samples learn as the head does."""
    return (
        searched.tries(arm, RATES[1:3], (10.0, 100.0))
        if arm in EXTENSION
        else searched.tries(arm, RATES, [1.0])
    )


@cache
def searched_together(arm: str) -> dict[str, dict]:
    settings = [tuple(searched.setting(method)[1]) for method in tries(arm)]
    return dict(zip(tries(arm), train_all(arm, settings, [SEARCH_SEED] * len(settings), STEPS), strict=True))


def search(method: str, seed: int) -> dict:
    """One try; its arm's tries are trained together, with the only seed of a search."""
    found = searched_together(searched.setting(method)[0])[method]
    return {key: found[key] for key in ("validation_map_at_r", "step")}


@cache
def run_together(method: str) -> list[dict]:
    arm, _, strength = method.removesuffix(", doubled budget").partition(", strength ")
    rate, proxy_factor = searched.chosen("birds_chance_search")[arm]
    options = {"strength": float(strength)} if strength else {}
    steps = 2 * STEPS if method in DOUBLED else STEPS
    rows = train_all(arm, [(rate, proxy_factor)] * len(SEEDS), list(SEEDS), steps, **options)
    return [row | {"rate": rate, "proxy_factor": proxy_factor} for row in rows]


def run(method: str, seed: int) -> dict:
    """One row; the first that is asked for trains all seeds of its method."""
    return run_together(method)[SEEDS.index(seed)]


def main() -> None:
    runs = {}
    for name in LOSSES:  # stored after each part
        arms = [name + added for added in ADDED]
        collect("birds_chance_search", search, [t for arm in arms for t in tries(arm)], [SEARCH_SEED])
        runs |= collect("birds_chance", run, arms, SEEDS)
        save("birds_chance", "python -m studies.birds_chance", described(runs), runs)
    for methods in (DOUBLED, SWEEP):
        runs |= collect("birds_chance", run, methods, SEEDS)
        save("birds_chance", "python -m studies.birds_chance", described(runs), runs)


def described(runs: dict) -> dict:
    return SETTINGS | {
        "head": f"linear map 320 -> {DIM} after averaging; ball normaliser; 8 classes x 4; constant rate, clip 10",
        "steps": STEPS,
        "proxies": f"K = {PROXIES} from pools of {POOL}, as fast as the head; pairs of the batch weigh .1 beside them "
        "(pair losses)",
        "sub-problems": "end after 3 observations without a gain, go back to their best weights, the start among them; "
        "none begins in the last third of the steps",
        "strength": STRENGTH,
        "pull, gradient": "norms of the proximal term's gradient and of the loss's, means over the observations",
        "the paper's losses": list(PAPER),
        "our extension": list(EXTENSION),
        "chosen on validation": "rate of four (a proxy loss alone: two, times two rates of its proxies), "
        f"seed {SEARCH_SEED}",
        "not run yet": [method for method in (*ARMS, *DOUBLED, *SWEEP) if method not in runs],
    }


if __name__ == "__main__":
    main()
