"""One colour and one marker a method, through the whole course."""

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
}
METHOD_MARKERS = dict(zip(METHOD_COLORS, "XPos^Dvpd<>h8*" * 2, strict=False))
# Other names of controls and splits, with the looks of their kind.
METHOD_COLORS |= {
    "untrained network": "#A6A6A6",
    "unseen, untrained network": "#A6A6A6",
    "train classes": "#0072B2",
    "unseen classes": "#D55E00",
}
METHOD_MARKERS |= {
    "untrained network": "X",
    "unseen, untrained network": "X",
    "train classes": "o",
    "unseen classes": "D",
}
SPLIT_COLORS = {"train": "#0072B2", "validation": "#009E73", "test": "#D55E00"}
METRIC_COLORS = {"map_at_r": "#0072B2", "recall_at_1": "#D55E00", "precision_at_r": "#009E73"}


def method_color(name: str) -> str:
    """The colour of a method, split or metric; any other name gets one that depends on the name only."""
    return (METHOD_COLORS | SPLIT_COLORS | METRIC_COLORS).get(name) or class_hue(
        zlib.crc32(name.encode()) / 2**32, 0.42
    )


def method_marker(name: str) -> str:
    """The marker of a method; `"o"` for a name that is not in METHOD_MARKERS."""
    return METHOD_MARKERS.get(name, "o")
