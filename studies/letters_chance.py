"""CCP on letters by the protocol of `studies.birds_chance`, from a network that has converged: ten paired seeds.

    python -m studies.letters_chance    # writes dmlnb/course/results/letters_chance.json

Each seed starts from the course's baseline (700 steps of Proxy-Anchor, R@1 about 90) with frozen batch normalisation,
as the paper starts from ImageNet. Two of the paper's losses, and three of the arms of `studies.birds_chance`; all make
three tries, three learning rates, with one seed that is not among the ten. The best step on validation letters is kept
in every arm, the start among the candidates.
"""

from functools import lru_cache, partial

import torch

from dmlnb import geometry
from dmlnb.course.recipes import glyph_baseline
from dmlnb.data import ClassBatches, Glyphs
from dmlnb.geometry import proxy_cover, proxy_spread
from dmlnb.models import EmbeddingNet, embed
from dmlnb.pooling import GlobalAveragePooling
from dmlnb.training import constant, train
from studies import searched, stored
from studies.birds_chance import POOL, PROXIES, STRENGTH, make_loss
from studies.photographs import SEARCH_SEED
from studies.stored import collect, save

SEEDS, STEPS, EVERY, START = range(10), 160, 20, 700
RATES = (3e-5, 1e-4, 3e-4)
LOSSES, ADDED = ("multi-similarity", "contrastive"), ("", " + once", " + CCP")
ARMS = [name + added for name in LOSSES for added in ADDED]
letters = lru_cache(Glyphs)  # drawn once a process


def start(seed: int) -> EmbeddingNet:
    """The network that all arms of a seed begin with."""
    file = stored.FINISHED / f"letters_chance_start_{seed}.safetensors"
    return glyph_baseline(
        GlobalAveragePooling(),
        steps=START,
        seed=seed,
        checkpoint=file,
        progress=False,
        train_set=letters("train"),
    )[0]


def measure(net: EmbeddingNet, split: str, **options) -> dict[str, float]:
    """R@1 and MAP@R on a split, as `{split}_recall_at_1` and `{split}_map_at_r`."""
    found = stored.measure(net, letters(split, **options))
    return {f"{split}_{key}": found[key] for key in ("recall_at_1", "map_at_r")}


def refine(method: str, rate: float, seed: int) -> tuple[EmbeddingNet, dict]:
    """Train one arm; the best step on validation letters is kept, of which step 0 is the start."""
    net, data = start(seed), letters("train")
    name, _, added = method.partition(" + ")
    validation = lambda: measure(net, "validation", per_class=60, seed=1)["validation_map_at_r"]
    first, weights = validation(), {key: value.clone() for key, value in net.state_dict().items()}
    torch.manual_seed(seed)
    rows = lambda index: embed(net, data.images[index])
    dim = net.linear.out_features
    loss = make_loss(name, added, net, rows, data.labels, seed, dim=dim)
    noted = {"projections": 0}
    if "CCP" in added:
        loss.observe(first)
    calls = iter(range(2 * STEPS // (3 * EVERY)))  # none later: new proxies would stay untrained

    def validate(net: EmbeddingNet) -> dict[str, float]:
        found = validation()
        if "CCP" in added and next(calls, None) is not None:
            noted["projections"] += loss.observe(found)
        return {"validation_map_at_r": found}

    history = train(
        net, loss, data.images, data.labels, ClassBatches(data.labels, 8, 4, STEPS, seed=seed), seed=seed,
        learning_rate=rate, proxy_factor=1.0, clip=10.0, schedule=constant, freeze_batchnorm=True,
        validate=validate, validate_every=EVERY, keep_best="validation_map_at_r", progress=False,
    )  # fmt: skip
    step = history[-1]["best_step"]
    kept = {"validation_map_at_r": history[step]["validation_map_at_r"], "step": step + 1}
    if kept["validation_map_at_r"] <= first:
        net.load_state_dict(weights)
        kept = {"validation_map_at_r": first, "step": 0}
    if added:
        some = letters("train", per_class=20)
        x = geometry.normalize(embed(net, some.images), "ball")
        proxies = geometry.normalize(loss.loss.proxies.detach().cpu(), "ball")
        kept["cover"] = proxy_cover(x, some.labels, proxies).mean().item()
        kept["spread"] = proxy_spread(proxies).mean().item()
    return net, kept | (noted if "CCP" in added else {})


tries = partial(searched.tries, rates=RATES, own=[1.0])


def search(method: str, seed: int) -> dict:
    arm, (rate, _) = searched.setting(method)
    kept = refine(arm, rate, seed)[1]
    return {key: kept[key] for key in ("validation_map_at_r", "step")}


def run(method: str, seed: int) -> dict:
    if method == "start":
        net = start(seed)
        return measure(net, "test") | measure(net, "validation", per_class=60, seed=1)
    rate, _ = searched.chosen("letters_chance_search")[method]
    net, kept = refine(method, rate, seed)
    return measure(net, "test") | kept | {"rate": rate}


def main() -> None:
    collect("letters_chance_search", search, [t for arm in ARMS for t in tries(arm)], [SEARCH_SEED])
    runs = collect("letters_chance", run, ["start", *ARMS], SEEDS)
    settings = {
        "start": f"{START} steps of Proxy-Anchor, 128 classes x 1",
        "steps": STEPS,
        "batch": "8 classes x 4, constant rate, clip 10, batch normalisation frozen",
        "proxies": f"K = {PROXIES} from pools of {POOL}, as fast as the network; pairs weigh .1 beside them",
        "strength": STRENGTH,
        "kept": f"the best of every {EVERY} steps by MAP@R on validation letters, the start among them",
        "chosen on validation": f"rate of three, seed {SEARCH_SEED}",
    }
    save("letters_chance", "python -m studies.letters_chance", settings, runs)


if __name__ == "__main__":
    main()
