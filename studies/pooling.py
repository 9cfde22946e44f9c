"""Poolings on letters under clutter, five paired seeds, on unseen scripts.

python -m studies.pooling     # about 20 minutes on two cores; writes dmlnb/course/results/pooling.json

Two training sets: light clutter (0 to 4 shapes an image, the course's default; the poolings without prototypes are in
`studies.baselines`, with the same seeds) and heavy clutter (6 to 10). Mass and sharpness of GSP were chosen on the
validation script by `studies.pooling_search`.
"""

import functools

import torch
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d

from dmlnb.course.recipes import glyph_baseline
from dmlnb.data import Glyphs
from dmlnb.models import read_all
from dmlnb.pooling import (
    GeneralizedMeanPooling,
    GeneralizedSumPooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
)
from studies.stored import collect, measure, save

STEPS, CLUTTER = 700, {"light": (0, 4), "heavy": (6, 10)}
TEST_CLUTTER = (0, 4, 8, 12)
POOLINGS = {
    "GAP": GlobalAveragePooling,
    "GMP": GlobalMaxPooling,
    "GeM": GeneralizedMeanPooling,
    "GSP": lambda: GeneralizedSumPooling(64, 64, mass=MASS_AND_SHARPNESS[0], sharpness=MASS_AND_SHARPNESS[1]),
    "GSP+GeM": lambda: GeneralizedSumPooling(
        64, 64, mass=GEM_MASS_AND_SHARPNESS[0], sharpness=GEM_MASS_AND_SHARPNESS[1], pooled="gem"
    ),
}
MASS_AND_SHARPNESS, GEM_MASS_AND_SHARPNESS = (0.3, 5.0), (0.5, 10.0)
METHODS = [*(f"{name} | heavy" for name in POOLINGS), "GSP | light", "GSP+GeM | light"]


@functools.cache
def letters(split: str, clutter: int | tuple[int, int], per_class: int | None = None) -> Glyphs:
    return Glyphs(split, clutter=clutter, per_class=per_class)


@torch.no_grad()
def mass_on_letter(net, data) -> dict[str, float]:
    """Share of the weights on the letter, and share of the map that it takes: by ink, and by regions touched."""
    masks = data.masks[:, None].float()
    weights = read_all(net, data.images).weights  # (N, H, W)
    ink = adaptive_avg_pool2d(masks, weights.shape[1:])[:, 0]
    touched = (adaptive_max_pool2d(masks, weights.shape[1:])[:, 0] > 0).float()
    named = {"ink": ink, "touched": touched}
    shares = {f"mass_on_{key}": (weights * part).sum(dim=(1, 2)).mean().item() for key, part in named.items()}
    return shares | {f"area_{key}": part.mean().item() for key, part in named.items()}


def run(method: str, seed: int) -> dict:
    name, clutter = method.split(" | ")
    train_set = letters("train", CLUTTER[clutter])
    torch.manual_seed(seed)
    net, _ = glyph_baseline(POOLINGS[name](), steps=STEPS, seed=seed, train_set=train_set, progress=False)
    row = {}
    for count in TEST_CLUTTER:
        data = letters("test", count, 10)
        row |= {f"{key}_clutter_{count}": value for key, value in measure(net, data).items()}
        if hasattr(net.pooling, "prototypes"):
            row |= {f"{key}_clutter_{count}": value for key, value in mass_on_letter(net, data).items()}
    row |= measure(net, letters("test", CLUTTER[clutter]))
    validation = measure(net, letters("validation", CLUTTER[clutter]))
    return row | {f"validation_{key}": value for key, value in validation.items()}


def main() -> None:
    runs = collect("pooling", run, METHODS, range(5))
    settings = {
        "steps": STEPS,
        "batch": "128 classes x 1",
        "loss": "Proxy-Anchor",
        "clutter": CLUTTER,
        "GSP": f"64 prototypes, mass and sharpness {MASS_AND_SHARPNESS}",
        "GSP+GeM": f"64 prototypes, mass and sharpness {GEM_MASS_AND_SHARPNESS}",
    }
    save("pooling", "python -m studies.pooling", settings, runs)


if __name__ == "__main__":
    main()
