"""The page of results: one question a figure, drawn when the site is built, from the stored studies."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from site_notebooks import small

LETTERS, BIRDS = "letters", "photographs of birds"
POOLINGS = {
    "GMP": "GMP, 64-d, after",
    "GeM": "GeM, 64-d, after",
    "attention": "attention, 64-d, before",
    "GSP": "GSP, 64-d, before",
}
MAP = "MAP@R on unseen classes"


@dataclass(frozen=True)
class Result:
    """A question, the figure that answers it, and where it is told.

    Attributes:
        slug: of its file and its target.
        notebook: its number.
        studies: names in `dmlnb/course/results`.
        read: how to read the figure, without its numbers.
        alt: what is drawn.
        draw: `(studies by name) -> matplotlib figure`.
    """

    slug: str
    title: str
    notebook: str
    studies: tuple[str, ...]
    read: str
    alt: str
    draw: Callable[[dict], object]


def gain(study, method, baseline, metric="test_map_at_r"):
    from dmlnb.course import results

    return results.differences(study, method, baseline, metric)


def trained(studies):
    from dmlnb.course import plots

    names = ("GAP", "GMP", "GeM")
    letters = {n: gain(studies["baselines"], n, "untrained network", "map_at_r") for n in names}
    birds = {n: gain(studies["birds"], f"{n}, 64-d, after", "untrained, GAP") for n in names}
    return plots.draw_worlds({LETTERS: letters, BIRDS: birds}, "MAP@R: trained minus untrained, points")


def mixtures(studies):
    from dmlnb.course import plots

    runs, numbers = studies["mixtures"]["runs"], (2, 8, 32, 128, 512)
    curves = {
        "mixture of prototypes": ("prototypes", "mixture"),
        "histogram": ("prototypes", "histogram"),
        "mixture, from test classes": ("prototypes of the test classes", "mixture"),
    }
    value = lambda world, m, kind, what: [r[f"{what}_map_at_r"] for r in runs[f"{world} | {m} {kind}"]]
    worlds = {
        world: {name: {m: value(world, m, *keys) for m in numbers} for name, keys in curves.items()}
        for world in ("letters", "photographs")
    }
    gap = {world: runs[f"{world} | 2 prototypes"][0]["gap_map_at_r"] for world in worlds}
    return plots.draw_mixtures(worlds, gap, MAP)


def poolings(studies):
    from dmlnb.course import plots

    letters = {
        n: gain(studies["pooling"], f"{n} | heavy", "GAP | heavy", "map_at_r")
        for n in ("GMP", "GeM", "GSP", "GSP+GeM")
    }
    narrow = {n: gain(studies["birds"], arm, "GAP, 64-d, after") for n, arm in POOLINGS.items()}
    wide = {
        n: gain(studies["birds_widths"], f"{n}, 320-d, after", "GAP, 320-d, after")
        for n in ("GMP", "attention", "GSP")
    }
    worlds = {"letters, heavy clutter": letters, "birds, 64-d": narrow, "birds, 320-d": wide}
    return plots.draw_worlds(worlds, "MAP@R minus that of GAP, points", other=True)


def collages(studies):
    from dmlnb.course import plots

    runs = studies["birds_collages"]["runs"]
    arms = {n: f"{n}, 64-d, after" for n in ("GAP", "GMP", "attention", "GSP")}
    arms["GAP, twice the steps"] = "GAP, 64-d, after, doubled budget"
    arms["GAP of that quarter"] = "GAP, 64-d, after, of the quarter that counts"
    values = {n: np.array([run["test_map_at_r"] for run in runs[arm]]) for n, arm in arms.items()}
    return plots.method_bars(values, "MAP@R on collages, unseen species", percent=True, other=True)


def cross_batch(studies):
    from dmlnb.course import plots

    letters, birds, gsp = (studies[n] for n in ("cross_batch", "birds_cross_batch", "birds_zero_shot"))
    first = {
        "Proxy-Anchor": gain(letters, "XML", "GAP", "map_at_r"),
        "GSP": gain(letters, "GSP, zero-shot loss", "GSP", "map_at_r"),
    }
    losses = ("contrastive", "multi-similarity", "Proxy-Anchor")
    second = {loss: gain(birds, f"{loss} + XML", loss) for loss in losses}
    second["GSP"] = gain(gsp, "GSP, zero-shot loss", "GSP")
    return plots.draw_worlds(
        {LETTERS: first, BIRDS: second}, "MAP@R: with the second loss minus without, points"
    )


def chance(studies):
    from dmlnb.course import plots

    names = (
        "contrastive",
        "cosine contrastive",
        "triplet",
        "multi-similarity",
        "Proxy-Anchor",
        "Proxy-NCA",
        "SoftTriple",
    )
    worlds = {}
    for world, study in {LETTERS: studies["letters_chance"], BIRDS: studies["birds_chance"]}.items():
        pairs = {n: (f"{n} + CCP", n) for n in names if {f"{n} + CCP", n} <= study["runs"].keys()}
        metric = {
            n: next(k for k in ("test_map_at_r", "map_at_r") if k in study["runs"][n][0]) for n in pairs
        }
        worlds[world] = {n: gain(study, *pair, metric[n]) for n, pair in pairs.items()}
    return plots.draw_worlds(worlds, "MAP@R: CCP minus the loss alone, points")


def templates(studies):
    from dmlnb.course import plots

    def curve(study, start, weights):
        return {w: gain(study, f"{start}, λ {w}", "no block", "test_accuracy") for w in weights}

    letters, birds = studies["letters_templates"], studies["birds_templates"]
    product = curve(birds, "inner product, pooled", [0.0]) | curve(birds, "inner product, best", [0.1])
    worlds = {
        LETTERS: {
            "pooled": curve(letters, "cosine, pooled", (0.0, 0.1, 0.3, 1.0)),
            "best": curve(letters, "cosine, best", (0.1, 1.0)),
            "inner product, best": curve(letters, "inner product, best", [0.1]),
            "pooled, inside": curve(letters, "inside, cosine, pooled", (0.0, 0.1, 1.0)),
        },
        BIRDS: {
            "pooled": curve(birds, "cosine, pooled", (0.0, 0.1, 0.3, 1.0)),
            "best": curve(birds, "cosine, best", (0.1, 0.3, 1.0)),
            "inner product, best": product,
        },
    }
    return plots.draw_doses(
        worlds, "weight λ of the templates' loss", "accuracy: difference to no block, points"
    )


def student(studies):
    from dmlnb.course import plots

    controls = {
        "student alone": "student alone",
        "same layer, no teacher": "one layer, no supervision",
        "α = 0": "QuEST (α = 0)",
        "KD": "KD",
    }
    worlds = {
        world: {
            f"letKD: vs {n}": gain(studies[name], "letKD-1", c, "test_accuracy") for n, c in controls.items()
        }
        for world, name in ((LETTERS, "letters_distill"), (BIRDS, "birds_distill"))
    }
    return plots.draw_worlds(worlds, "letKD-1 minus a control, accuracy, points")


def transfer(studies):
    from dmlnb.course import plots

    sizes = ("8-d", "16-d", "32-d", "64-d", "128-d", "small")
    methods = ("relaxed contrastive", "binary labels", "RKD", "PKT", "DarkRank", "FitNet", "principal axes")
    worlds = {}
    metric = "test_map_at_r"
    for world, name in {LETTERS: "letters_transfer", BIRDS: "birds_transfer"}.items():
        runs = studies[name]["runs"]
        there = lambda s, m, runs=runs: {f"{s}: {m}", f"{s}: from scratch"} <= runs.keys()
        worlds[world] = {
            m: {
                s: gain(studies[name], f"{s}: {m}", f"{s}: from scratch", metric)
                for s in sizes
                if there(s, m)
            }
            for m in methods
        }
    return plots.draw_sizes(worlds, sizes, "MAP@R − from scratch, points", apart=["small"])


def losses(studies):
    from dmlnb.course import plots

    study = studies["birds_losses"]
    names = [name.removesuffix(", centre") for name in study["runs"] if name.endswith(", centre")]
    rows = {
        name: gain(study, f"{name}, centre", "Proxy-Anchor, centre", "test_map_at_r")
        for name in names
        if name != "Proxy-Anchor"
    }
    return plots.draw_differences(rows, "MAP@R: difference to Proxy-Anchor, points", other=True)


ZERO = "Right of the line is a gain. A dot is a seed; the thick line is the 95 % interval of the mean difference."
RESULTS = (
    Result("trained", "What does training add?", "00", ("baselines", "birds"), ZERO,
           "Gain of training in MAP@R for GAP, GMP and GeM, a dot a seed, on letters and on photographs", trained),
    Result("mixtures", "How many prototypes stand for an average?", "01", ("mixtures",),
           "The dashed line is GAP itself; a curve that reaches it has lost nothing.",
           "MAP@R on unseen classes against the number of prototypes, letters and photographs, GAP as a dashed line",
           mixtures),
    Result("poolings", "Which pooling gains over the average?", "02", ("pooling", "birds", "birds_widths"), ZERO,
           "Paired differences of MAP@R to average pooling for other poolings, on letters and on birds at two widths",
           poolings),
    Result("collages", "Who finds the quarter that counts?", "02", ("birds_collages",),
           "Three quarters of each collage are nuisance; the last row is told which quarter counts.",
           "MAP@R on collages of birds for six heads, a dot for each seed", collages),
    Result("cross-batch", "Does a second loss, across batches, help?", "03",
           ("cross_batch", "birds_cross_batch", "birds_zero_shot"), ZERO,
           "Paired differences of MAP@R with and without the cross-batch loss, on letters and photographs",
           cross_batch),
    Result("chance", "Do chance constraints improve each loss?", "04", ("letters_chance", "birds_chance"),
           ZERO + " The notebook also shows what proxies that are selected once gain.",
           "Paired differences of MAP@R, CCP minus the loss alone, for seven losses on photographs and two on letters",
           chance),
    Result("templates", "What do labels do to a block of templates?", "05",
           ("letters_templates", "birds_templates"),
           "Below zero is a loss. λ = 0 is the block that nobody taught.",
           "Differences of accuracy to no block, against the weight of the added loss, letters and photographs",
           templates),
    Result("student", "What does a student gain that decides for itself?", "06",
           ("letters_distill", "birds_distill"), ZERO,
           "Differences of accuracy, letters and photographs, letKD-1 minus each of four controls, a dot a seed",
           student),
    Result("transfer", "What do another network's similarities teach?", "07", ("letters_transfer", "birds_transfer"),
           "Above zero is a gain over the same network trained from scratch.",
           "Differences of MAP@R to training from scratch, at each size of the target, letters and photographs",
           transfer),
    Result("losses", "How much does the choice of the loss matter?", "09", ("birds_losses",), ZERO,
           "Paired differences of MAP@R on birds, ten losses minus Proxy-Anchor, a dot a seed", losses),
)  # fmt: skip


def seeds(study: dict) -> int:
    """The largest number of runs of a method."""
    return max(len(runs) for runs in study["runs"].values())


def page(folder: Path, notebooks: dict[str, str], repository: str) -> str:
    """The page's Markdown; writes its figures into the folder."""
    from dmlnb.course import plots, results

    folder.mkdir(parents=True, exist_ok=True)
    out = [
        "# Results\n",
        "Each figure answers one question of the course. It is drawn, when this site is built, from the stored studies:"
        " paired seeds, choices made on validation classes with equal tries for every arm, test classes read once."
        " The [claims ledger](../notebooks/CLAIMS.md) says what each result means for the papers' claims, and"
        " [the list of studies](../studies/README.md) how to run them again.\n",
    ]
    for result in RESULTS:
        studies = {name: results.load(name) for name in result.studies}
        (folder / f"{result.slug}.png").write_bytes(small(plots.png_bytes(result.draw(studies)), 1400))
        name = notebooks[result.notebook]
        where = [
            f"[`{n}`]({repository}/dmlnb/course/results/{n}.json) ({seeds(study)} seeds, {study['date']})"
            for n, study in studies.items()
        ]
        out += [
            f"({result.slug})=\n## {result.title}\n",
            f"![{result.alt}]({folder.name}/{result.slug}.png)\n",
            f"{result.read}\n",
            f"Told in notebook [{result.notebook}](../notebooks/{name}.ipynb) · stored as {', '.join(where)}\n",
        ]
    return "\n".join(out)
