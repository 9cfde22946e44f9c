"""Mass and sharpness of GSP on the validation script, heavy clutter: two seeds, short runs.

python -m studies.pooling_search     # about 6 minutes on two cores; writes dmlnb/course/results/pooling_search.json
"""

import torch

from dmlnb.course.recipes import glyph_baseline
from dmlnb.pooling import GeneralizedSumPooling
from studies.pooling import CLUTTER, letters
from studies.stored import collect, measure, save

STEPS = 400
SETTINGS = ((0.3, 5.0), (0.3, 20.0), (0.5, 10.0), (0.7, 20.0))
METHODS = [f"{name} μ={m:g} γ={g:g}" for name in ("GSP", "GSP+GeM") for m, g in SETTINGS]


def run(method: str, seed: int) -> dict:
    name, mass, sharpness = method.split()
    pooled = "gem" if "GeM" in name else "mean"
    torch.manual_seed(seed)
    pooling = GeneralizedSumPooling(64, 64, float(mass[2:]), float(sharpness[2:]), pooled=pooled)
    net, _ = glyph_baseline(
        pooling, steps=STEPS, seed=seed, train_set=letters("train", CLUTTER["heavy"]), progress=False
    )
    return measure(net, letters("validation", CLUTTER["heavy"], 60))


def main() -> None:
    runs = collect("pooling_search", run, METHODS, range(2))
    save(
        "pooling_search",
        "python -m studies.pooling_search",
        {"steps": STEPS, "clutter": CLUTTER},
        runs,
    )


if __name__ == "__main__":
    main()
