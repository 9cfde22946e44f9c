"""Poolings on bags of tokens whose nuisance is known, five paired seeds, on unseen combinations of attributes.

python -m studies.bags        # about 8 minutes on two cores; writes dmlnb/course/results/bags.json

Each seed is another world: other centres, classes, bags, weights and batches.
"""

import torch

from dmlnb.course.recipes import bag_baseline
from dmlnb.data import TokenBags
from dmlnb.pooling import AttentionPooling, GeneralizedSumPooling, GlobalAveragePooling, GlobalMaxPooling
from dmlnb.retrieval import evaluate
from studies.stored import collect, save

MASSES, SHARPNESSES, NUISANCES = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9), (5.0, 20.0), (0.3, 0.7)
POOLINGS = {"GAP": GlobalAveragePooling, "GMP": GlobalMaxPooling}
POOLINGS |= {f"attention γ={g:g}": lambda g=g: AttentionPooling(8, 16, g) for g in SHARPNESSES}
POOLINGS |= {
    f"GSP μ={m:g} γ={g:g}": lambda m=m, g=g: GeneralizedSumPooling(8, 16, m, g)
    for g in SHARPNESSES
    for m in MASSES
}
METHODS = [f"{name} | nuisance {share:g}" for share in NUISANCES for name in POOLINGS]
METHODS += [f"{name}, hidden layer | nuisance 0.7" for name in ("GAP", "GMP", "GSP μ=0.3 γ=20")]


def run(method: str, seed: int) -> dict:
    name, share = method.split(" | nuisance ")
    name, *hidden = name.split(", hidden")
    torch.manual_seed(seed)
    net = bag_baseline(
        POOLINGS[name](), hidden=32 if hidden else 0, nuisance=float(share), seed=seed, progress=False
    )
    row = {}
    for split in ("validation", "test"):
        bags = TokenBags(split, nuisance=float(share), seed=seed)
        maps = bags.tokens.mT[..., None]
        with torch.no_grad():
            report = evaluate(net(maps), bags.labels)
            row |= {f"{split}_map_at_r": report.map_at_r, f"{split}_recall_at_1": report.recall_at[1]}
            if split == "test" and hasattr(net[1], "prototypes"):
                weights = net[1].pool(net[0](maps)).weights[..., 0]  # (N, n)
                row["mass_on_own"] = (weights * ~bags.nuisance).sum(dim=1).mean().item()
            length = net[0](maps).norm(dim=1)[..., 0]  # (N, n), of the test bags
    row["length_own"], row["length_nuisance"] = (
        length[p].mean().item() for p in (~bags.nuisance, bags.nuisance)
    )
    return row | {"own_tokens": (~bags.nuisance).float().mean().item()}


def main() -> None:
    runs = collect("bags", run, METHODS, range(5))
    settings = {"steps": 1500, "batch": "10 classes x 4", "loss": "contrastive (cosine)", "prototypes": 16}
    save("bags", "python -m studies.bags", settings, runs)


if __name__ == "__main__":
    main()
