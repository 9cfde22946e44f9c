"""Template blocks taught by labels: against the plain network and against the same block without teaching.

python -m studies.templates        # about half an hour on one core; writes dmlnb/course/results/templates.json

All methods share the seed of the weights, the batches and the augmentation. Three things are measured: how well new
images of the trained letters are classified (nearest proxy), retrieval on unseen scripts, and whether single regions of
collages know the letter of their own half.
"""

import torch

from dmlnb.data import ClassBatches, Collages, Glyphs
from dmlnb.geometry import inner_products, normalize
from dmlnb.losses import ProxyAnchorLoss, TemplateSupervision
from dmlnb.models import EmbeddingNet, TemplateBlock, embed, small_resnet
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import train
from studies.stored import DEVICE, collect, measure, save

STEPS, DIM = 700, 64
# The size of what the block adds was chosen on validation letters: 1 trains badly, 0.02 as well as 0.1 or better.
ADDED = dict(value_ratio=0.02)
# block: options of the TemplateBlock behind the last stage; None for no block.
# supervision: options of TemplateSupervision; value_path: whether the vectors of the matches are added.
METHODS = {
    "no block": dict(block=None),
    "block, not taught": dict(block=ADDED, supervision=dict(weight=0.0)),
    "block, dense": dict(block=ADDED, supervision=dict(variant="dense")),
    "block, pooled": dict(block=ADDED, supervision=dict(variant="pooled")),
    "taught, not added": dict(block=ADDED, supervision=dict(variant="pooled"), value_path=False),
}
SEEDS = range(5)


def fit(seed, block=None, supervision=None, value_path=True, *, steps=STEPS, base=ProxyAnchorLoss):
    """A trained network in evaluation mode, its loss (with the proxies) and its block or None."""
    data = Glyphs("train")
    torch.manual_seed(seed)
    net = EmbeddingNet(small_resnet(), GlobalAveragePooling(), DIM)
    loss = classifier = base(data.num_classes, DIM)
    if block is not None:  # made last: all methods of one seed start from the same network
        made = TemplateBlock(net.backbone.out_channels, data.num_classes, **({"cosine": True} | block))
        made.vectors.requires_grad_(value_path)  # they are zero at the start, and then stay zero
        net.backbone.append(made)
        loss = TemplateSupervision(classifier, **supervision)
    batches = ClassBatches(data.labels, 128, 1, steps, seed=seed)
    train(
        net if block is None else net.read, loss, data.images, data.labels, batches, seed=seed, progress=False
    )
    return net.eval(), classifier, None if block is None else made


def accuracy(net, classifier, data) -> float:
    """Share of images whose nearest proxy is that of their class."""
    proxies = classifier.proxies.detach().cpu()
    scores = inner_products(normalize(embed(net, data.images)), normalize(proxies))
    return (scores.argmax(dim=1) == data.labels).double().mean().item()


def collage_shares(net, classifier, block, collages) -> dict[str, float]:
    """Of the regions on ink: the share that names the class of its own half, and that of the other half.

    `map`: the nearest proxy of the region's own embedding; `template`: the best template of the block.
    """
    maps = embed(net.features, collages.images).to(DEVICE)  # (N, C, H, W)
    ways = {
        "map": (normalize(net.linear(maps.movedim(1, 3))) @ normalize(classifier.proxies).T).movedim(3, 1)
    }
    if block is not None:
        before = embed(net.backbone[:-1], collages.images).to(DEVICE)
        ways["template"] = block.templates(before)
    own = collages.region_labels(*maps.shape[2:])
    other = own.flip(2)  # halves swapped
    ink = collages.region_masks(*maps.shape[2:])
    shares = {}
    for name, scores in ways.items():
        winner = scores.argmax(dim=1).cpu()  # (N, H, W)
        shares[f"own_half_by_{name}"] = (winner == own)[ink].double().mean().item()
        shares[f"other_half_by_{name}"] = (winner == other)[ink].double().mean().item()
    return shares


@torch.no_grad()
def active_shares(net, block, collages) -> dict[str, float]:
    """The share of the templates that fire at a region, on ink and elsewhere."""
    before = embed(net.backbone[:-1], collages.images).to(DEVICE)
    active = (block.match(before).assignment > 0).double().mean(dim=1).cpu()  # (N, H, W)
    ink = collages.region_masks(*before.shape[2:])
    return {"active_on_ink": active[ink].mean().item(), "active_elsewhere": active[~ink].mean().item()}


def run(method: str, seed: int) -> dict:
    net, classifier, block = fit(seed, **METHODS[method])
    row = measure(net, Glyphs("test"))
    row["accuracy"] = accuracy(net, classifier, Glyphs("train", per_class=20, seed=2))
    collages = Collages("train", number=500, seed=2)
    with torch.no_grad():
        row |= collage_shares(net, classifier, block, collages)
    if block is not None:
        row |= active_shares(net, block, collages)
    row["parameters"] = sum(p.numel() for p in net.parameters())
    return row


def main() -> None:
    runs = collect("templates", run, list(METHODS), SEEDS)
    settings = {
        "steps": STEPS,
        "batch": "128 classes x 1",
        "dim": DIM,
        "loss": "Proxy-Anchor",
        "pooling": "GAP",
        "templates": "one a class, cosine, behind the last stage",
        "weight": 1.0,
        "value_ratio": ADDED["value_ratio"],
        "clutter": "0 to 4",
        "new images": "20 a letter, seed 2",
        "collages": "500, seed 2",
    }
    save("templates", "python -m studies.templates", settings, runs)


if __name__ == "__main__":
    main()
