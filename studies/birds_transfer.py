"""Embedding transfer on photographs of birds: relaxed labels, their rivals and their controls, on species never seen.

    export DMLNB_MAPS=data/birds_maps DMLNB_VIEWS=data/birds_maps_mirrored
    python -m studies.birds_transfer search   # about 10 minutes on one core
    python -m studies.birds_transfer          # about 25 minutes; writes dmlnb/course/results/birds_transfer.json

The vectors are averaged ImageNet maps (`studies.photographs`) of each photograph and of its mirror image
(`FeatureMaps.compute(..., views=(mirrored,))`). What is compared, and how, stands in `studies.transferred`.
"""

import sys
from functools import partial

from studies import transferred
from studies.photographs import SETTINGS, averaged, mirrored_train

WORLD = transferred.World("birds_transfer", averaged, mirrored_train, dims=(128, 64, 32, 16, 8), steps=200)

run = partial(transferred.run, WORLD)

if __name__ == "__main__":
    transferred.main(WORLD, SETTINGS, sys.argv[1:] == ["search"], run)
