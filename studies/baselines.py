"""The baseline recipe with each simple pooling, five paired seeds, on unseen scripts.

python -m studies.baselines        # about 20 minutes on two cores; writes dmlnb/course/results/baselines.json
"""

from dmlnb.course.recipes import glyph_baseline
from dmlnb.data import Glyphs
from dmlnb.pooling import GeneralizedMeanPooling, GlobalAveragePooling, GlobalMaxPooling
from studies.stored import collect, measure, save

METHODS = {
    "untrained network": (GeneralizedMeanPooling, 0),
    "GAP": (GlobalAveragePooling, 700),
    "GMP": (GlobalMaxPooling, 700),
    "GeM": (GeneralizedMeanPooling, 700),
}
SEEDS = range(5)


def run(method: str, seed: int) -> dict:
    pooling, steps = METHODS[method]
    net, _ = glyph_baseline(pooling(), steps=steps, seed=seed, progress=False)
    on_validation = {f"validation_{key}": value for key, value in measure(net, Glyphs("validation")).items()}
    return measure(net, Glyphs("test")) | on_validation


def main() -> None:
    runs = collect("baselines", run, list(METHODS), SEEDS)
    settings = {
        "steps": 700,
        "batch": "128 classes x 1",
        "dim": 64,
        "loss": "Proxy-Anchor",
        "clutter": "0 to 4",
    }
    save("baselines", "python -m studies.baselines", settings, runs)


if __name__ == "__main__":
    main()
