"""TokenBags: a toy world in which it is known which tokens matter.

An image is a bag of vectors. Some are drawn round the attributes of its class, the others round nuisance centres that
all classes share. Classes are combinations of attributes; unseen classes are combinations that training did not use.
"""

import itertools

import numpy as np
import torch

from dmlnb._inputs import is_whole, require_not_negative, require_shares

_SPLITS = ("train", "validation", "test")


class TokenBags(torch.utils.data.Dataset):
    """Bags of tokens with known nuisance.

    Args:
        split: `"train"`, `"validation"` or `"test"`; their classes are disjoint combinations of the same attributes.
        num_classes: classes of each split; 3 * num_classes <= 220.
        per_class: bags a class.
        bag_size: n, tokens a bag.
        nuisance: mean share of nuisance tokens; it varies from bag to bag with standard deviation 0.1.
        noise: standard deviation of a token round its centre, per coordinate.
        dim: d, coordinates of a token.
        seed: of the world; the same seed gives the same centres and classes for every split.

    Attributes:
        tokens: `(N, n, d)` float32.
        labels: `(N,)` int64.
        nuisance: `(N, n)` bool, True for tokens that carry nothing of the class.
        attributes: `(C, 3)` the attributes of each class.
        num_classes: C.

    Raises:
        ValueError: for arguments out of range.

    Source: the setting follows the token corpus released with [gurbuz2023gsp], with unseen combinations in place of
    unseen tokens. Taught in notebook 02.
    """

    def __init__(
        self,
        split: str = "train",
        *,
        num_classes: int = 30,
        per_class: int = 20,
        bag_size: int = 24,
        nuisance: float = 0.7,
        noise: float = 0.1,
        dim: int = 8,
        seed: int = 0,
    ):
        if split not in _SPLITS:
            raise ValueError(f"split: expected one of {', '.join(_SPLITS)}, got {split!r}")
        combinations = np.array(list(itertools.combinations(range(12), 3)))  # 220 of them
        whole = {
            "per_class": per_class,
            "bag_size": bag_size,
            "dim": dim,
            "num_classes": num_classes,
            "seed": seed,
        }
        for name, value in whole.items():
            if not is_whole(value):
                raise ValueError(f"{name}: expected a whole number, got {value}")
        num_classes, per_class, bag_size, dim, seed = map(int, (num_classes, per_class, bag_size, dim, seed))
        if not 1 <= num_classes <= len(combinations) // 3:
            raise ValueError(f"num_classes: expected 1 .. {len(combinations) // 3}, got {num_classes}")
        require_shares(nuisance=nuisance)
        require_not_negative(noise=noise)
        if min(per_class, bag_size, dim) < 1 or seed < 0:
            raise ValueError("per_class, bag_size, dim, seed: out of range")
        world = np.random.default_rng([seed, 0])
        centres = world.normal(size=(18, dim))  # 12 attributes, 6 nuisance
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        order = world.permutation(len(combinations))
        place = _SPLITS.index(split)
        self.attributes = torch.from_numpy(
            combinations[order[place * num_classes : (place + 1) * num_classes]]
        )
        self.num_classes = num_classes
        self.labels = torch.arange(num_classes).repeat_interleave(per_class)

        rng = np.random.default_rng([seed, 1 + place])
        number = len(self.labels)
        share = np.clip(nuisance + 0.1 * rng.normal(size=number), 0, 1)
        amount = np.round(share * bag_size)  # nuisance tokens of each bag
        is_nuisance = np.arange(bag_size) < amount[:, None]
        is_nuisance = rng.permuted(is_nuisance, axis=1)
        own = self.attributes.numpy()[self.labels.numpy()[:, None], rng.integers(3, size=(number, bag_size))]
        centre = np.where(is_nuisance, 12 + rng.integers(6, size=(number, bag_size)), own)
        tokens = centres[centre] + noise * rng.normal(size=(number, bag_size, dim))
        self.tokens = torch.from_numpy(tokens).float()
        self.nuisance = torch.from_numpy(is_nuisance)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple:
        return self.tokens[index], int(self.labels[index]), self.nuisance[index]
