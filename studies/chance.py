"""Seven base losses with and without chance constraints, five paired seeds, and smaller sweeps, on unseen scripts.

python -m studies.chance        # about 30 minutes on one core; writes dmlnb/course/results/chance.json

All methods of a seed start from one network, trained with multi-similarity until it retrieves well, as the paper starts
from one that knows ImageNet ("early": after 150 steps, when it has only begun). Then each trains for the same number of
steps on the same batches: the base loss alone, or the base loss between samples and proxies, with projections (CCP).
"""

from functools import lru_cache, partial

import torch

from dmlnb import geometry
from dmlnb.data import ClassBatches, Glyphs
from dmlnb.geometry import interclass_distance, k_center_profile, proxy_cover, proxy_spread
from dmlnb.losses import (
    AlternatingProjection,
    ChanceConstrainedLoss,
    ProxyAnchorLoss,
    ProxyNCALoss,
    SoftTripleLoss,
    contrastive_loss,
    cosine_contrastive_loss,
    multi_similarity_loss,
    proxy_anchor_loss,
    proxy_nca_loss,
    soft_triple_loss,
    triplet_loss,
)
from dmlnb.models import EmbeddingNet, embed, small_resnet
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import train
from studies.stored import FINISHED, collect, measure, save

DIM, STEPS, OBSERVE_EVERY = 64, 200, 25
POOL = 12  # samples of each class that proxies begin at, or are selected from
# steps before, and the learning rate after: a network that retrieves well is only refined
STARTS = {"converged": (400, 1e-3), "early": (150, 3e-3)}
SEEDS = range(5)
PAIR_LOSSES = {
    "contrastive": contrastive_loss,
    "cosine contrastive": cosine_contrastive_loss,
    "triplet": triplet_loss,
    "multi-similarity": multi_similarity_loss,
}
soft_triple = dict(scale=20.0, gamma=0.1, tau=0.2, margin=0.01)  # as its authors have it
PROXY_LOSSES = {  # the loss as it is used alone, and its function of proxies
    "Proxy-Anchor": (ProxyAnchorLoss, proxy_anchor_loss),
    "Proxy-NCA": (ProxyNCALoss, proxy_nca_loss),
    "SoftTriple": (
        partial(SoftTripleLoss, centers_per_class=4, **soft_triple),
        partial(soft_triple_loss, **soft_triple),
    ),
}
LOSSES = [*PAIR_LOSSES, *PROXY_LOSSES]
METHODS = [method for name in LOSSES for method in (name, f"{name} + CCP")]
SWEEPS = [
    "multi-similarity + proxies",  # K free proxies, selected once, never again
    "Proxy-Anchor + proxies",
    "Proxy-Anchor + CCP, K = 1",
    "multi-similarity + CCP, K = 1",
    "multi-similarity + CCP, pair weight 1",
    *[f"multi-similarity{ccp}, batch {size}" for size in (16, 32) for ccp in ("", " + CCP")],
    *[f"{name}{ccp}, early" for name in ("multi-similarity", "Proxy-Anchor") for ccp in ("", " + CCP")],
]


letters = lru_cache(Glyphs)  # drawn once a process


def start(seed: int, data: Glyphs, when: str) -> EmbeddingNet:
    """The network that all methods of a seed begin with."""
    torch.manual_seed(seed)
    steps, _ = STARTS[when]
    net = EmbeddingNet(small_resnet(), GlobalAveragePooling(), DIM)
    batches = ClassBatches(data.labels, 16, 4, steps, seed=1000 + seed)
    file = FINISHED / f"chance_{when}_{seed}.safetensors"
    train(net, multi_similarity_loss, data.images, data.labels, batches, seed=1000 + seed, checkpoint=file,
          progress=False)  # fmt: skip
    return net


def make_loss(net: EmbeddingNet, method: str, data: Glyphs, seed: int):
    """The loss of a method; whatever proxies it has begin at embeddings of samples."""
    name = method.split(",")[0].split(" + ")[0]
    if " + " not in method:
        if name in PAIR_LOSSES:
            return PAIR_LOSSES[name]
        loss = PROXY_LOSSES[name][0](data.num_classes, DIM)
        rows = geometry.normalize(embed(net, letters("train", per_class=POOL).images)).view(
            data.num_classes, POOL, DIM
        )
        with torch.no_grad():  # class means, or K samples
            loss.proxies.copy_(
                rows[:, : loss.proxies.shape[1]] if loss.proxies.ndim == 3 else rows.mean(dim=1)
            )
        return loss
    base = PAIR_LOSSES[name] if name in PAIR_LOSSES else PROXY_LOSSES[name][1]
    per_class = int(method.split("K = ")[1]) if "K = " in method else 4
    pair_weight = 1.0 if "pair weight" in method else 0.0
    loss = ChanceConstrainedLoss(
        base, data.num_classes, DIM, proxies_per_class=per_class, normalize="sphere", pair_weight=pair_weight
    )
    ccp = AlternatingProjection(
        net, loss, lambda index: embed(net, data.images[index]), data.labels, seed=seed, pool=POOL, longest=3
    )
    ccp.select()
    return ccp


def run(method: str, seed: int) -> dict:
    data, validation = letters("train"), letters("validation", per_class=60, seed=1)
    when = "early" if "early" in method else "converged"
    net = start(seed, data, when)
    torch.manual_seed(seed)
    loss = make_loss(net, method, data, seed)
    projects = isinstance(loss, AlternatingProjection) and "proxies" not in method
    size = int(method.split("batch ")[1]) if "batch" in method else 64
    batches = ClassBatches(data.labels, size // 4, 4, STEPS, seed=seed)

    # not after the last step: new proxies would stay untrained
    calls = iter(range(1, STEPS // OBSERVE_EVERY))

    def validate(net):
        if projects and next(calls, None):
            return {"switched": float(loss.observe(measure(net, validation)["map_at_r"]))}
        return {}

    train(net, loss, data.images, data.labels, batches, seed=seed, validate=validate,
          validate_every=OBSERVE_EVERY, learning_rate=STARTS[when][1], progress=False)  # fmt: skip
    net.eval()
    row = measure(net, letters("test"))
    row |= {f"validation_{key}": value for key, value in measure(net, validation).items()}
    return row | diagnose(net, loss)


def diagnose(net, loss) -> dict:
    """Cover and spread on train classes; distances and k-center radii on validation classes."""
    data, validation = letters("train", per_class=10), letters("validation")
    x = geometry.normalize(embed(net, validation.images))
    found = {
        "interclass_distance": interclass_distance(x, validation.labels).item(),
        "k_center_radius": torch.stack(
            [k_center_profile(x[validation.labels == c]).mean() for c in range(validation.num_classes)]
        )
        .mean()
        .item(),
    }
    if isinstance(loss, AlternatingProjection):
        proxies = geometry.normalize(loss.loss.proxies.detach().cpu())
        x = geometry.normalize(embed(net, data.images))
        found["cover"] = proxy_cover(x, data.labels, proxies).mean().item()
        found["spread"] = proxy_spread(proxies).mean().item()
        found["projections"] = int(loss.projections)
    return found


def main() -> None:
    runs = collect("chance", run, METHODS, SEEDS) | collect("chance_sweeps", run, SWEEPS, SEEDS)
    settings = {
        "starts (steps before, learning rate after)": STARTS,
        "steps": STEPS,
        "batch": "16 classes x 4",
        "dim": DIM,
        "proxies": "K = 4 from pools of 12, selected at steps 0, 75 and 150; all proxies learn 10 times faster",
        "strength": 2e-4,
        "choices": "made on validation classes with seed 0",
    }
    save("chance", "python -m studies.chance", settings, runs)


if __name__ == "__main__":
    main()
