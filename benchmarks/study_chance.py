"""Seven base losses with and without chance constraints, five paired seeds, and smaller sweeps, on unseen scripts.

python -m benchmarks.study_chance        # about 30 minutes on one core; writes dmlnb/results/chance.json

All methods of a seed start from one network, trained a little with multi-similarity, as the paper starts from one that
knows ImageNet. Then each trains for the same number of steps on the same batches: the base loss alone, or the base loss
between samples and proxies, with projections (CCP).
"""

from functools import partial

import torch

from benchmarks.studies import FINISHED, collect, measure, save
from dmlnb import geometry
from dmlnb.covering import interclass_distance, k_center_profile, proxy_cover, proxy_spread
from dmlnb.data import ClassBatches, Glyphs
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

DIM, STEPS_BEFORE, STEPS, OBSERVE_EVERY = 64, 150, 450, 50
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
    "SoftTriple": (partial(SoftTripleLoss, **soft_triple), partial(soft_triple_loss, **soft_triple)),
}
LOSSES = [*PAIR_LOSSES, *PROXY_LOSSES]
METHODS = [
    *[method for name in LOSSES for method in (name, f"{name} + CCP")],
    "contrastive + proxies",  # K free proxies, selected once, never again
    "multi-similarity + proxies",
    "contrastive + CCP, K = 1",
    "contrastive + CCP, K = 8",
    *[f"multi-similarity{ccp}, batch {size}" for size in (16, 32) for ccp in ("", " + CCP")],
]


def start(seed: int, data: Glyphs) -> EmbeddingNet:
    """The network that all methods of a seed begin with."""
    torch.manual_seed(seed)
    net = EmbeddingNet(small_resnet(), GlobalAveragePooling(), DIM)
    batches = ClassBatches(data.labels, 16, 4, STEPS_BEFORE, seed=1000 + seed)
    file = FINISHED / f"chance_start_{seed}.safetensors"
    train(net, multi_similarity_loss, data.images, data.labels, batches, seed=1000 + seed, checkpoint=file,
          progress=False)  # fmt: skip
    return net


def make_loss(net: EmbeddingNet, method: str, data: Glyphs, seed: int):
    """The loss of a method, and how much faster its proxies learn than the network."""
    name = method.split(",")[0].split(" + ")[0]
    if " + " not in method:
        if name in PAIR_LOSSES:
            return PAIR_LOSSES[name], 10.0
        return PROXY_LOSSES[name][0](data.num_classes, DIM), 10.0
    base = PAIR_LOSSES[name] if name in PAIR_LOSSES else PROXY_LOSSES[name][1]
    per_class = int(method.split("K = ")[1]) if "K = " in method else 4
    loss = ChanceConstrainedLoss(
        base, data.num_classes, DIM, proxies_per_class=per_class, normalize="sphere", **SETTINGS["loss"]
    )
    ccp = AlternatingProjection(
        net, loss, lambda index: embed(net, data.images[index]), data.labels, seed=seed, **SETTINGS["projection"]
    )
    ccp.select()
    return ccp, SETTINGS["proxy_factor"]


SETTINGS = {"loss": {"pair_weight": 0.0}, "projection": {"pool": 12, "longest": 2}, "proxy_factor": 1.0}


def run(method: str, seed: int, split: str = "test") -> dict:
    data, validation = Glyphs("train"), Glyphs("validation", per_class=60, seed=1)
    net = start(seed, data)
    torch.manual_seed(seed)
    loss, proxy_factor = make_loss(net, method, data, seed)
    projects = isinstance(loss, AlternatingProjection) and "proxies" not in method
    size = int(method.split("batch ")[1]) if "batch" in method else 64
    batches = ClassBatches(data.labels, size // 4, 4, STEPS, seed=seed)

    calls = iter(range(1, STEPS // OBSERVE_EVERY))  # not after the last step: new proxies would stay untrained

    def validate(net):
        if projects and next(calls, None):
            return {"switched": float(loss.observe(measure(net, validation)["map_at_r"]))}
        return {}

    train(net, loss, data.images, data.labels, batches, seed=seed, validate=validate, proxy_factor=proxy_factor,
          validate_every=OBSERVE_EVERY, progress=False)  # fmt: skip
    net.eval()
    row = measure(net, Glyphs(split)) if split == "test" else {}
    row |= {f"validation_{key}": value for key, value in measure(net, validation).items()}
    return row | diagnose(net, loss)


def diagnose(net, loss) -> dict:
    """Cover and spread on train classes; distances and k-center radii on validation classes."""
    data, validation = Glyphs("train", per_class=10), Glyphs("validation")
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
        proxies = geometry.normalize(loss.loss.proxies.detach())
        x = geometry.normalize(embed(net, data.images))
        found["cover"] = proxy_cover(x, data.labels, proxies).mean().item()
        found["spread"] = proxy_spread(proxies).mean().item()
        found["projections"] = int(loss.projections)
    return found


def main() -> None:
    runs = collect("chance", run, METHODS, SEEDS)
    settings = {"steps": f"{STEPS_BEFORE} + {STEPS}", "batch": "16 classes x 4", "dim": DIM, "K": 4, **SETTINGS}
    save("chance", "python -m benchmarks.study_chance", settings, runs)


if __name__ == "__main__":
    main()
