"""The six letters that the course keeps asking for, and what the network of each method answers.

    python -m studies.queries        # about 10 minutes on one core; writes dmlnb/course/results/queries.json

Which six is a rule, applied once to the network with GAP: of each script of the test, the query with the median
MAP@R among those whose nearest neighbour is right, and the one among those whose nearest neighbour is wrong.

Whoever comes second looks better on queries that were taken because the first was wrong. So the control is the network
with GAP again, from another seed; and stored beside the pictures is how many of all the first's misses each one finds.
"""

import torch

from dmlnb.course.recipes import glyph_baseline, glyph_with_attributes
from dmlnb.data import Glyphs
from dmlnb.losses import CrossBatchLoss
from dmlnb.models import embed
from dmlnb.pooling import GeneralizedSumPooling, GlobalAveragePooling, HistogramPooling
from dmlnb.retrieval import nearest
from studies.stored import collect, save

SCRIPTS, SHOWN = ("Armenian", "Georgian", "Lao"), 8


def gap(seed):
    return glyph_baseline(GlobalAveragePooling(), seed=seed, progress=False)[0]


def gsp(seed):
    return glyph_baseline(
        GeneralizedSumPooling(64, mass=0.3, sharpness=5.0), project="before", seed=seed, progress=False
    )[0]


def xml(seed):
    auxiliary = CrossBatchLoss(253, 64)
    return glyph_with_attributes(HistogramPooling(64), auxiliary, seed=seed, progress=False)[0]


NETWORKS = {"GAP": gap, "GAP, another seed": lambda seed: gap(seed + 1), "GSP": gsp, "XML": xml}


def pick(index: torch.Tensor, test: Glyphs) -> torch.Tensor:
    """The six rows of the test; `index (N, R)` are the R neighbours of each image, nearest first."""
    hits = (test.labels[index] == test.labels[:, None]).double()
    precision = hits.cumsum(1) / torch.arange(1, index.shape[1] + 1)
    average = (hits * precision).mean(dim=1)
    script = [test.scripts[c] for c in test.labels]
    rows = []
    for name in SCRIPTS:
        of_script = torch.tensor([other == name for other in script])
        for right in (True, False):
            group = (of_script & (hits[:, 0].bool() == right)).nonzero()[:, 0]
            rows.append(group[average[group].argsort(stable=True)][len(group) // 2])
    return torch.stack(rows)


def run(method: str, seed: int) -> dict:
    test = Glyphs("test")
    index, _ = nearest(embed(NETWORKS[method](seed), test.images), k=19)  # 20 images of each letter
    found = {"neighbours": index.tolist()}
    return found | ({"queries": pick(index, test).tolist()} if method == "GAP" else {})


def right(row: dict, labels: torch.Tensor) -> torch.Tensor:
    """`(N,)` bool: whether the nearest neighbour of each image of the test is of its class."""
    return labels[torch.tensor(row["neighbours"])[:, 0]] == labels


def main() -> None:
    runs = collect("queries", run, list(NETWORKS), [0])
    queries, labels = runs["GAP"][0]["queries"], Glyphs("test").labels
    first = right(runs["GAP"][0], labels)
    shown = {}
    for method, (row,) in runs.items():
        hits = right(row, labels).double()
        shown[method] = [
            {
                "seed": 0,
                "recall_at_1": float(hits.mean()),
                "right_where_gap_is_wrong": float(hits[~first].mean()),
                "right_where_gap_is_right": float(hits[first].mean()),
                "neighbours": [row["neighbours"][q][:SHOWN] for q in queries],
            }
        ]
    settings = {"queries": queries, "chosen": "by the rule that the program states, with the network of GAP"}
    save("queries", "python -m studies.queries", settings, shown)


if __name__ == "__main__":
    main()
