"""What do GSP's three settings do on photographs? A map of mass, sharpness and number of prototypes; nothing is chosen.

    DMLNB_MAPS=data/birds_maps python -m studies.birds_settings    # writes results/birds_settings.json

Only validation species are looked at. All heads have one learning rate and one seed, that of the searches: a
difference of less than a point between neighbours means nothing. About 5 minutes on one core.
"""

import itertools

from studies import birds as heads
from studies.photographs import SEARCH_SEED, SETTINGS
from studies.stored import collect, save

STEPS, RATE, ARM = 200, 1e-3, "GSP, 64-d, after"
MASSES, SHARPNESSES, PROTOTYPES = (0.15, 0.3, 0.6), (5.0, 20.0), (16, 64, 256)
CELLS = {
    f"mass {mass}, sharpness {sharpness:g}, {number} prototypes": (mass, sharpness, number)
    for mass, sharpness, number in itertools.product(MASSES, SHARPNESSES, PROTOTYPES)
}


def run(method: str, seed: int) -> dict:
    mass, sharpness, number = CELLS[method]
    kept = heads.head(ARM, RATE, CELLS[method], seed, steps=STEPS)[1]
    return kept | {"mass": mass, "sharpness": sharpness, "prototypes": number}


def main() -> None:
    runs = collect("birds_settings", run, list(CELLS), [SEARCH_SEED])
    settings = SETTINGS | {
        "head": "linear map after pooling; Proxy-Anchor, 16 classes x 4",
        "steps": STEPS,
        "rate": RATE,
        "read": "MAP@R on validation species only, of the best step",
    }
    save("birds_settings", "python -m studies.birds_settings", settings, runs)


if __name__ == "__main__":
    main()
