"""How many proxies a class needs where classes have several modes: species of birds merged into families.

    DMLNB_MAPS=data/birds_maps python -m studies.birds_families    # writes dmlnb/course/results/birds_families.json

A family is here the last word of the species' English names, such as gull or bunting; those with two species or more
take part. Families whose first species is among 1 to 50 train, with the family as the only label. Of the others, those
with four species or more test and the rest validate: families never seen, as species are elsewhere. What is retrieved
is the family ("test"); how well species inside are told apart, which no label taught, is stored beside it ("species").

Otherwise as `studies.birds_chance`: multi-similarity alone, with K proxies selected once, and with CCP, K = 1 to 8;
four rates tried in every arm with one seed that is not among the ten.
"""

from functools import cache

import torch

from dmlnb.data import FeatureMaps
from studies import photographs, searched
from studies.birds_chance import POOL, RATES, SEEDS, STEPS, train_all
from studies.photographs import SEARCH_SEED, SETTINGS, Split
from studies.stored import collect, save

LOSS, PROXIES = "multi-similarity", (1, 2, 4, 8)
ARMS = [LOSS, *(f"{LOSS} + {added}, K = {k}" for k in PROXIES for added in ("once", "CCP"))]


def families(names: list[str]) -> dict[str, dict[str, list[int]]]:
    """The families of each split, and the numbers of their species, from 0."""
    found: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        found.setdefault(name.split(".")[-1].split("_")[-1].lower(), []).append(number)
    splits: dict[str, dict[str, list[int]]] = {"train": {}, "validation": {}, "test": {}}
    for family, species in found.items():
        if len(species) > 1:
            split = "train" if species[0] < 50 else "test" if len(species) >= 4 else "validation"
            splits[split][family] = species
    return splits


@cache
def merged(path: str = photographs.MAPS) -> tuple[Split, Split]:
    """Averaged maps as vectors, and family labels, by split; and the test split's species, as labels "species"."""
    stored = FeatureMaps.load(path)
    vectors, labels, scale = {}, {}, 1.0
    for split, parts in families(stored.class_names).items():
        family = {number: i for i, species in enumerate(parts.values()) for number in species}
        rows = torch.tensor([i for i, y in enumerate(stored.labels.tolist()) if y in family])
        maps = stored[rows]
        scale = maps.std().item() if split == "train" else scale
        vectors[split] = maps.mean(dim=(2, 3)) / scale
        labels[split] = torch.tensor([family[y] for y in stored.labels[rows].tolist()])
        if split == "test":
            labels["species"] = stored.labels[rows].unique(return_inverse=True)[1]
    return vectors, labels


def tries(arm: str) -> list[str]:
    return searched.tries(arm, RATES, [1.0])


def trained(arm: str, chosen: list, seeds: list[int]) -> list[dict]:
    name, _, proxies = arm.partition(", K = ")
    return train_all(name, chosen, seeds, STEPS, merged(), **({"proxies": int(proxies)} if proxies else {}))


@cache
def searched_together(arm: str) -> dict[str, dict]:
    settings = [tuple(searched.setting(method)[1]) for method in tries(arm)]
    return dict(zip(tries(arm), trained(arm, settings, [SEARCH_SEED] * len(settings)), strict=True))


def search(method: str, seed: int) -> dict:
    found = searched_together(searched.setting(method)[0])[method]
    return {key: found[key] for key in ("validation_map_at_r", "step")}


@cache
def run_together(arm: str) -> list[dict]:
    rate, proxy_factor = searched.chosen("birds_families_search")[arm]
    rows = trained(arm, [(rate, proxy_factor)] * len(SEEDS), list(SEEDS))
    return [row | {"rate": rate} for row in rows]


def run(method: str, seed: int) -> dict:
    """One row; the first that is asked for trains all seeds of its method."""
    return run_together(method)[SEEDS.index(seed)]


def main() -> None:
    collect("birds_families_search", search, [t for arm in ARMS for t in tries(arm)], [SEARCH_SEED])
    runs = collect("birds_families", run, ARMS, SEEDS)
    names = families(FeatureMaps.load(photographs.MAPS).class_names)
    settings = {k: v for k, v in SETTINGS.items() if k != "photographs"} | {
        "photographs": "a public subset of CUB-200-2011, 100 species, merged into families by their last words",
        "families": {split: {k: len(v) for k, v in parts.items()} for split, parts in names.items()},
        "head, sub-problems": "as in birds_chance",
        "steps": STEPS,
        "proxies": f"K from pools of {POOL}",
        "chosen on validation": f"rate of four, seed {SEARCH_SEED}",
    }
    save("birds_families", "python -m studies.birds_families", settings, runs)


if __name__ == "__main__":
    main()
