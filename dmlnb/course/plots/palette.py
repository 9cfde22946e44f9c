"""One colour and one marker a method, through the whole course."""

import difflib
import zlib

from dmlnb.explore.figures import class_hue

# One colour a method, through the whole course. From the palettes of Okabe & Ito and of Paul Tol, which readers with
# colour-vision deficiency can tell apart; METHOD_MARKERS tells neighbours apart without any colour.
METHOD_COLORS = {
    "random network": "#A6A6A6",
    "raw pixels": "#5E5E5E",
    "GAP": "#0072B2",
    "GMP": "#56B4E9",
    "GeM": "#009E73",
    "GSP": "#D55E00",
    "GSP+GeM": "#E69F00",
    "XML": "#CC79A7",
    "CCP": "#882255",
    "template matching": "#44AA99",
    "letKD": "#117733",
    "relaxed contrastive": "#AA4499",
    "source": "#222222",
    "contrastive": "#332288",
    "triplet": "#6699CC",
    "multi-similarity": "#999933",
    "Proxy-Anchor": "#AA4466",
    "Proxy-NCA": "#997700",
    "SoftTriple": "#88CCAA",
    "KD": "#DDAA33",
    "FitNet": "#774411",
    "attention transfer": "#BB7755",
    "RKD": "#4477AA",
    "PKT": "#66CCEE",
    "DarkRank": "#BBAA44",
    "cosine contrastive": "#A63078",
    "SupCon": "#CC3311",
    "ArcFace": "#009988",
}
METHOD_MARKERS = dict(zip(METHOD_COLORS, "XPos^Dvpd<>h8*" * 2, strict=False))
# Other names of controls and splits, with the looks of their kind.
METHOD_COLORS |= {
    "untrained network": "#A6A6A6",
    "unseen, untrained network": "#A6A6A6",
    "train classes": "#0072B2",
    "unseen classes": "#D55E00",
    "mixture of prototypes": "#228833",
    "histogram": "#CCBB44",
    "fitted vectors": "#EE7733",
    "learned prototypes": "#CC79A7",
    "memoryless": "#7A7A7A",
    "proximal": "#56B4E9",
    "full": "#882255",
    "forgetting": "#D55E00",
    "mixture, from test classes": "#5E5E5E",
    "binary labels": "#EE7733",
    "principal axes": "#5E5E5E",
    "from scratch": "#0072B2",
}
METHOD_MARKERS |= {
    "untrained network": "X",
    "unseen, untrained network": "X",
    "train classes": "o",
    "unseen classes": "D",
    "mixture of prototypes": "s",
    "histogram": "^",
    "fitted vectors": "D",
    "learned prototypes": "P",
    "memoryless": "X",
    "proximal": "s",
    "full": "o",
    "forgetting": "D",
    "mixture, from test classes": "X",
    "binary labels": "s",
    "principal axes": "X",
    "from scratch": "o",
}
SPLIT_COLORS = {"train": "#0072B2", "validation": "#009E73", "test": "#D55E00"}
METRIC_COLORS = {"map_at_r": "#0072B2", "recall_at_1": "#D55E00", "precision_at_r": "#009E73"}


def method_color(name: str, *, other: bool = False) -> str:
    """The colour of a method, split or metric.

    Args:
        name: as in METHOD_COLORS, SPLIT_COLORS or METRIC_COLORS; `"name: words"` is a case of it in the same colour.
        other: give any other name a colour too, one that depends on the name only.

    Returns:
        As #rrggbb.

    Raises:
        ValueError: for a name that is not known; says which are near.
    """
    known = METHOD_COLORS | SPLIT_COLORS | METRIC_COLORS
    name = name if name in known else name.split(":")[0]
    if name in known:
        return known[name]
    if other:
        return class_hue(zlib.crc32(name.encode()) / 2**32, 0.42)
    near = difflib.get_close_matches(name, known, n=3) or [k for k in known if k.lower() in name.lower()][:3]
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise ValueError(f"name: expected a name of the palette, got {name!r}; {hint}other=True takes any name")


def method_marker(name: str) -> str:
    """The marker of a method; `"o"` for a name that is not in METHOD_MARKERS."""
    return METHOD_MARKERS.get(name, "o")
