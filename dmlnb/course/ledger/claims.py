"""The table of claims. A new study is one `Row` more; its number and its verdict are computed.

The wording of the claims is ours, from the abstracts; what the papers report is from the sources named in
`SOURCES`. Ours is always method minus baseline.
"""

from functools import partial

from dmlnb.course.ledger.effects import Claim, Effect, Range, Row

UNREACHED = "tables not reachable"
SOURCES = {
    "gurbuz2024ccp": "supplement: MAP@R of four networks of 128 numbers put side by side, trained by class folds",
    "gorgun2023letkd": "supplement: CIFAR-100 top-1, ResNet-56 to ResNet-20",
    "kim2021relaxed": "README of the authors' code: R@1, source with 512 numbers",
}

Plain = partial(Effect, trained=False)
Bags = partial(Effect, "bags")
Mixtures = partial(Plain, "mixtures", metric="mixture_map_at_r", against="gap_map_at_r")
Explained = partial(Effect, metric="error_other_classes", less=True, of="points of the spread explained")
Letters = partial(Effect, metric="map_at_r")
Chance = partial(Effect, "birds_chance")
Students = partial(Effect, "letters_distill", metric="test_accuracy", of="accuracy")
Photographed = partial(Effect, "birds_distill", metric="test_accuracy", of="accuracy")


def inside(method: str, metric: str, against: str, of: str = "", study: str = "letters_distill") -> Effect:
    """Two measures of the same networks."""
    return Effect(study, method, method, metric, of=of, against=against)


def tuned(method: str, baseline: str, metric: str = "test_accuracy") -> Effect:
    """Two students of photographs, both of a fine-tuned teacher."""
    names = (f"{name}, fine-tuned teacher" for name in (method, baseline))
    return Photographed(*names, metric=metric, of="accuracy" if metric == "test_accuracy" else "")


def twice(method: str, baseline: str) -> Effect:
    """Two students of letters, both with the doubled budget."""
    return Students(f"{method}, doubled budget", f"{baseline}, doubled budget", trained=False)


SIZES = ("128-d", "64-d", "32-d", "16-d", "8-d", "small")
SIZES_OF_LETTERS = ("64-d", "16-d", "8-d", "small")


def prototypes(kind: str) -> dict[str, Effect]:
    """512 prototypes against GAP, in both worlds."""
    names = {world: f"{world} | 512 prototypes{kind}" for world in ("letters", "photographs")}
    return {world: Mixtures(name, name) for world, name in names.items()}


def on_birds(study: str, ending: str, **options) -> Effect:
    """GSP against GAP, heads whose names end alike."""
    return Effect(study, f"GSP, {ending}", f"GAP, {ending}", **options)


def attention(study: str, ending: str) -> Effect:
    """Attention against GAP, heads whose names end alike."""
    return Effect(study, f"attention, {ending}", f"GAP, {ending}")


def relaxed(
    baseline: str, sizes: tuple[str, ...], of: str = "", study: str = "birds_transfer"
) -> Effect | Range:
    """Relaxed labels against another way to train, at one size or several."""
    pairs = [(f"{size}: relaxed contrastive", f"{size}: {baseline}") for size in sizes]
    found = [Effect(study, *pair, of=of if len(sizes) == 1 else "") for pair in pairs]
    return found[0] if len(found) == 1 else Range(found, of)


relaxed_letters = partial(relaxed, study="letters_transfer")


def ccp(loss: str, paper: str = "not in the paper", **cells) -> Row:
    """CCP with one loss, against the loss alone."""
    once = Chance(f"{loss} + once", loss)
    why = cells.pop("why", "proxies that are selected once give {0}")
    photographs = Chance(f"{loss} + CCP", loss)
    return Row(loss, "The experiment", paper, photographs=photographs, why=why, also=[once], **cells)


def proxy_blocks(metric: str, words: str, of: str = "") -> Range:
    """A block with taught templates against none, on letters, trained with Proxy-Anchor."""
    return Range(
        [Effect("templates", f"block, {way}", "no block", metric, of) for way in ("pooled", "dense")], words
    )


def letter_block(
    method: str, baseline: str = "no block", metric: str = "test_accuracy", of: str = "accuracy"
) -> Effect:
    """A classifier of letters with a block; accuracy on new renderings of known letters."""
    return Effect("letters_templates", method, baseline, metric, of)


def bird_block(method: str, baseline: str = "no block") -> Effect:
    """The same on birds: accuracy on new photographs of known species."""
    return Effect("birds_templates", method, baseline, "test_accuracy", "accuracy")


GAP = [
    Claim("gap-1", "GAP acts as a convex combination of semantic entities (each feature vector one entity)", "01", [
        Row(at="Idea 1", why="every region is its own entity", verdict="holds exactly"),
        Row("described by 512 prototypes of training classes", "The experiment", **prototypes(""),
            why="rounding regions to prototypes loses what tells unseen classes apart"),
        Row("described by 512 prototypes of the test classes", "The experiment", **prototypes(" of the test classes"),
            why="of birds the prototypes were the wrong ones, of letters the rounding costs most"),
    ]),
    Claim("gap-2", "GAP equals, within the cover radius, a convex combination of prototypes weighted by the histogram "
          "of the features", "01", [
        Row(at="Idea 4", verdict="holds as a bound",
            why="for the nearest prototype; by inner products it needs prototypes of equal norm (counter-example)"),
    ]),
]  # fmt: skip

GSP = [
    Claim("gsp-1", "GSP strictly generalises GAP: one setting of the transport problem gives GAP back, others do not",
          "02", [Row(at="Idea 3", verdict="holds exactly",
                     why="mass 1 or sharpness 0 is GAP; mass to 0 is attention, sharpness to infinity the linear "
                     "programme")]),
    Claim("gsp-2", "GSP chooses a subset of entities and ignores nuisance", "02", [
        Row("nuisance of few, fixed kinds: bags, collages", "A world where the nuisance is known", UNREACHED,
            letters=Bags("GSP μ=0.3 γ=20 | nuisance 0.7", "GSP μ=0.3 γ=20 | nuisance 0.7", "mass_on_own",
                         against="own_tokens", of="bags: weight on class tokens, over their share"),
            photographs=Effect("birds_collages", "GSP, 64-d, after", "GAP, 64-d, after", "share",
                               of="weight in the quarter that counts"),
            why="attention puts {0} there",
            also=[Effect("birds_collages", "attention, 64-d, after", "GAP, 64-d, after", "share")]),
        Row("cluttered letters", "Does it choose the letter?", UNREACHED,
            letters="regions with the letter weigh most, but nearly as much at the places of another image",
            why="one network; averaging itself silences clutter there, by short features", verdict="inconclusive"),
    ]),
    Claim("gsp-3", "GSP learns the entities' importance weights", "02", [
        Row(at="A world where", paper=UNREACHED,
            letters=Bags("GSP μ=0.3 γ=20 | nuisance 0.7", "GSP μ=0.3 γ=20 | nuisance 0.7", "mass_on_own",
                         against="own_tokens", of="bags: weight on class tokens, over their share"),
            why="learned from labels of whole bags: before training the gates prefer nuisance (one seed)"),
    ]),
    Claim("gsp-4", "the entropy-smoothed problem has analytic gradients, usable as a drop-in layer", "02", [
        Row(at="Idea 4", verdict="holds exactly",
            why="equals autograd through the iteration once that has converged (not near mass 1 at large sharpness)"),
    ]),
    Claim("gsp-5", "the zero-shot prediction loss eases the learning of GSP", "03", [
        Row("64-d", "The experiment", UNREACHED, Letters("cross_batch", "GSP, zero-shot loss", "GSP"),
            Effect("birds_zero_shot", "GSP, zero-shot loss", "GSP"),
            "Proxy-Anchor on letters, multi-similarity on photographs"),
    ]),
    Claim("gsp-6", "GSP improves retrieval over GAP", "02", [
        Row("64-d", "The experiment", UNREACHED, photographs=on_birds("birds", "64-d, after"),
            why="attention gains as much, {0}", also=[attention("birds", "64-d, after")]),
        Row("128-d", "The experiment", UNREACHED, photographs=on_birds("birds_widths", "128-d, after"),
            why="attention gains as much, {0}", also=[attention("birds_widths", "128-d, after")]),
        Row("128-d, five folds of the species", "The benchmark", UNREACHED, notebook="10",
            photographs=Effect("birds_benchmark", "GSP, Proxy-Anchor", "GAP, Proxy-Anchor"),
            why="attention gains as much, {0}",
            also=[Effect("birds_benchmark", "attention, Proxy-Anchor", "GAP, Proxy-Anchor")]),
        Row("320-d, as wide as the maps", "The experiment", UNREACHED,
            photographs=on_birds("birds_widths", "320-d, after"),
            why="attention gains {0}, and was level with GSP on validation species",
            also=[attention("birds_widths", "320-d, after")]),
        Row("behind a hidden layer", "The experiment", UNREACHED,
            Bags("GSP μ=0.3 γ=20, hidden layer | nuisance 0.7", "GAP, hidden layer | nuisance 0.7", of="bags"),
            on_birds("birds_hidden", "64-d, after"), "in bags the layer itself makes nuisance short"),
        Row("three quarters of nuisance: bags, collages", "A world where", UNREACHED,
            Bags("GSP μ=0.3 γ=20 | nuisance 0.7", "GAP | nuisance 0.7", of="bags"),
            on_birds("birds_collages", "64-d, after"),
            "attention of the same sharpness (γ = 20) gains {0} in bags, a tuned one {1} in collages",
            [Bags("attention γ=20 | nuisance 0.7", "GAP | nuisance 0.7"), attention("birds_collages", "64-d, after")]),
        Row("light clutter", "The experiment", UNREACHED,
            Letters("pooling", "GSP | light", "GAP", baseline_study="baselines"),
            why="a network that learns from nothing makes features of clutter short"),
        Row("heavy clutter", "The experiment", UNREACHED, Letters("pooling", "GSP | heavy", "GAP | heavy"),
            why="GeM, a single number more than GAP, gains {0}",
            also=[Letters("pooling", "GeM | heavy", "GAP | heavy")]),
    ]),
]  # fmt: skip

XML = [
    Claim("xml-1", "learning the prototypes is a recursive fit of a linear predictor to batches", "03", [
        Row(at="Idea 2", verdict="holds exactly", why="four recursive rules are one Kalman update with four priors"),
    ]),
    Claim("xml-2", "prototypes fitted to one batch can express the samples of a batch of other classes, and training "
          "for it makes entities that transfer", "03", [
        Row("prototypes of a frozen network, trained through the fit", "Learn the prototypes", UNREACHED,
            letters="they explain unseen scripts better than k-means does, but as much is gained on the same images",
            why="one network, one run", verdict="inconclusive"),
        Row("beside Proxy-Anchor, GAP", "The experiment", UNREACHED, Explained("cross_batch", "XML", "GAP"),
            Explained("birds_cross_batch", "Proxy-Anchor + XML", "Proxy-Anchor"),
            "on letters with the ridge as released"),
        Row("beside multi-similarity, GAP", "The experiment", UNREACHED,
            photographs=Explained("birds_cross_batch", "multi-similarity + XML", "multi-similarity")),
        Row("beside contrastive, GAP", "The experiment", UNREACHED,
            photographs=Explained("birds_cross_batch", "contrastive + XML", "contrastive")),
        Row("GSP, the ridge as released", "The experiment", UNREACHED,
            Explained("cross_batch", "GSP, zero-shot, released", "GSP")),
        Row("GSP, the ridge a hundred times smaller", "The experiment", UNREACHED,
            Explained("cross_batch", "GSP, zero-shot loss", "GSP"), why="retrieval does not follow (gsp-5)"),
    ]),
    Claim("xml-3", "the regularisation improves retrieval on unseen classes", "03", [
        Row("Proxy-Anchor", "The experiment", UNREACHED, Letters("cross_batch", "XML", "GAP"),
            Effect("birds_cross_batch", "Proxy-Anchor + XML", "Proxy-Anchor")),
        Row("multi-similarity", "The experiment", UNREACHED,
            photographs=Effect("birds_cross_batch", "multi-similarity + XML", "multi-similarity")),
        Row("multi-similarity, five folds, 128-d", "The benchmark", UNREACHED, notebook="10",
            photographs=Effect("birds_benchmark", "GAP + XML, multi-similarity, lower rate",
                               "GAP, multi-similarity, lower rate"),
            why="at the highest rate on offer, where GAP is two points lower, XML seems to add {0}",
            also=[Effect("birds_benchmark", "GAP + XML, multi-similarity", "GAP, multi-similarity")]),
        Row("contrastive", "The experiment", UNREACHED,
            photographs=Effect("birds_cross_batch", "contrastive + XML", "contrastive"),
            why="at twice the steps XML adds {0}",
            also=[Effect("birds_cross_batch", "contrastive + XML, doubled budget", "contrastive, doubled budget")]),
    ]),
]  # fmt: skip

CCP = [
    Claim("ccp-1", "metric learning can be stated as finitely many chance constraints; a minimiser of a proxy loss "
          "satisfies certain ones", "04", [
        Row(at="Idea 1", verdict="holds as a bound",
            why="on the samples of the mean; promises on unseen samples break often with few samples per class"),
    ]),
    Claim("ccp-2", "the worst-case generalisation of proxy methods is governed by the radius of the smallest ball "
          "round a class's proxy that covers the class", "04", [
        Row(at="Idea 2", verdict="holds as a bound",
            why="far from tight; of runs that differ in their seed alone, those with a smaller radius are not better"),
    ]),
    Claim("ccp-3", "several proxies per class therefore help", "04", [
        Row(at="Up the ladder", verdict="holds as a bound", why="more chosen proxies cover better"),
        *(Row(f"{loss}, eight against one, both with projections", "The experiment",
              photographs=Chance(f"{loss} + CCP", f"{loss} + CCP, K = 1"))
          for loss in ("contrastive", "cosine contrastive", "triplet", "multi-similarity")),
        Row("families of species, eight against one", "The experiment",
            photographs=Effect("birds_families", "multi-similarity + CCP, K = 8", "multi-similarity + CCP, K = 1"),
            why="where theory expects most, eight cover hardly better after training"),
    ]),
    Claim("ccp-4", "a feasible point of the constraints' intersection is approached by iterative projections: "
          "regularised proxy training, proxies re-selected from new samples", "04", [
        Row(at="Idea 5", verdict="holds exactly", why="on convex sets; the loop of the notebook is the package's"),
        *(Row(f"{loss}: projections against proxies selected once", "The experiment", letters=letters,
              photographs=Chance(f"{loss} + CCP, every 100 steps", f"{loss} + once"),
              why="sub-problems end every 100 steps, so that all runs on photographs project")
          for loss, letters in {"cosine contrastive": "–", "multi-similarity": Effect(
              "letters_chance", "multi-similarity + CCP", "multi-similarity + once")}.items()),
    ]),
    Claim("ccp-5", "applied to well-known losses it improves each of them", "04", [
        ccp("contrastive", "+1.5 CUB, +1.6 Cars, +5.3 SOP, +1.7 In-Shop",
            letters=Effect("letters_chance", "contrastive + CCP", "contrastive")),
        ccp("cosine contrastive", "+4.0 CUB, +4.8 Cars, +12.5 SOP, +9.5 In-Shop"),
        ccp("triplet", "+1.1 CUB, +2.1 Cars, +2.3 SOP, +3.7 In-Shop"),
        ccp("multi-similarity", "+3.3 CUB, +2.9 Cars, +7.8 SOP, +2.9 In-Shop",
            letters=Effect("letters_chance", "multi-similarity + CCP", "multi-similarity"),
            why="proxies that are selected once give {0}; on letters every arm may keep its start, which is converged"),
        ccp("Proxy-Anchor"), ccp("Proxy-NCA"), ccp("SoftTriple"),
    ]),
]  # fmt: skip

TEMPLATES = [
    Claim("tm-1", "a convolution block is feature selection by the best-matching kernel; BN followed by ReLU acts as "
          "the arg-max optimiser", "05", [
        Row("for a quadratic price, which is ours", "Idea 4", verdict="holds exactly",
            why="for the paper's entropy price it is an approximation, far off where one template leads"),
    ]),
    Claim("tm-2", "a typical ResNet block therefore embeds local features by template matching", "05", [
        Row(verdict="holds exactly", why="torchvision's bottleneck is an explicit sum over templates"),
    ]),
    Claim("tm-3", "a block that assigns each region a vector by the classes it matches makes local embeddings semantic",
          "05", [
        Row("trained classes", "The experiment", "no numbers found",
            Range([Effect("templates", f"block, {way}", "no block", "own_half_by_map") for way in ("pooled", "dense")],
                  "regions that name their own half, pooled and dense"),
            why="as many, {0}, where the vectors are never added: it is the loss, not the block",
            also=[Effect("templates", "taught, not added", "no block", "own_half_by_map")]),
    ]),
    Claim("tm-4", "it improves the baseline architectures", "05", [
        Row("accuracy, pooled, λ = 0.1", "The experiment", "no numbers found",
            letter_block("cosine, pooled, λ 0.1"), bird_block("cosine, pooled, λ 0.1"),
            why="the untaught block gives {0} on letters, {1} on photographs",
            also=[letter_block("cosine, pooled, λ 0.0"), bird_block("cosine, pooled, λ 0.0")]),
        Row("accuracy, pooled, λ = 0.3", "The experiment", "no numbers found",
            letter_block("cosine, pooled, λ 0.3"), bird_block("cosine, pooled, λ 0.3")),
        Row("accuracy, pooled, λ = 1", "The experiment", "no numbers found",
            letter_block("cosine, pooled, λ 1.0"), bird_block("cosine, pooled, λ 1.0")),
        Row("accuracy, pooled, λ = 1, twice the steps", "The experiment", "no numbers found",
            letter_block("cosine, pooled, λ 1.0, doubled budget", "no block, doubled budget"),
            why="our reconstruction"),
        Row("accuracy, pooled, inner products, λ = 0.1", "The experiment", "no numbers found",
            photographs=bird_block("inner product, pooled, λ 0.1")),
        Row("accuracy, best region, λ = 0.1", "The experiment", "no numbers found",
            letter_block("cosine, best, λ 0.1"), bird_block("cosine, best, λ 0.1"),
            why="one of several taught settings; at twice the steps on letters {0}",
            also=[letter_block("cosine, best, λ 0.1, doubled budget", "no block, doubled budget")]),
        Row("accuracy, best region, λ = 0.3", "The experiment", "no numbers found",
            photographs=bird_block("cosine, best, λ 0.3")),
        Row("accuracy, best region, λ = 1", "The experiment", "no numbers found",
            letter_block("cosine, best, λ 1.0"), bird_block("cosine, best, λ 1.0")),
        Row("accuracy, best region, inner products, λ = 0.1", "The experiment", "no numbers found",
            letter_block("inner product, best, λ 0.1"), bird_block("inner product, best, λ 0.1"),
            why="one of several taught settings; on photographs over the same block untaught {0}",
            also=[bird_block("inner product, best, λ 0.1", "inner product, pooled, λ 0.0")]),
        Row("accuracy, inside the network, pooled, λ = 0.1", "The experiment", "no numbers found",
            letter_block("inside, cosine, pooled, λ 0.1"), why="the untaught block gives {0}",
            also=[letter_block("inside, cosine, pooled, λ 0.0")]),
        Row("accuracy, inside the network, pooled, λ = 1", "The experiment", "no numbers found",
            letter_block("inside, cosine, pooled, λ 1.0")),
        Row("MAP@R on unseen scripts, classifier, pooled, λ = 0.1", "The experiment", "no numbers found",
            letter_block("cosine, pooled, λ 0.1", metric="unseen_map_at_r", of=""), why="the untaught block gives {0}",
            also=[letter_block("cosine, pooled, λ 0.0", metric="unseen_map_at_r", of="")]),
        Row("MAP@R on unseen scripts, classifier, pooled, λ = 1", "The experiment", "no numbers found",
            letter_block("cosine, pooled, λ 1.0", metric="unseen_map_at_r", of="")),
        Row("accuracy by the nearest proxy, Proxy-Anchor, λ = 1", "The experiment", "no numbers found",
            proxy_blocks("accuracy", "accuracy, pooled and dense", "accuracy"), why="the loss alone costs as much, {0}",
            also=[Effect("templates", "taught, not added", "no block", "accuracy")]),
        Row("MAP@R on unseen scripts, Proxy-Anchor, λ = 1", "The experiment", "no numbers found",
            proxy_blocks("map_at_r", "pooled and dense"), why="the untaught block changes nothing, {0}",
            also=[Effect("templates", "block, not taught", "no block", "map_at_r")]),
    ]),
]  # fmt: skip

DISTILLATION = [
    Claim("kd-1", "the KD layer (1×1, BN, ReLU, 1×1) assigns each region a semantic vector by the template it matches, "
          "templates supervised by the teacher", "06", [
        Row(verdict="holds exactly", why="the reading of the layer; its last templates learn the teacher's codes far "
            "above a constant guess"),
    ]),
    Claim("kd-2", "the student learns how to use the teacher's knowledge and can discard nuisance", "06", [
        Row("a region that nothing fits is left unchanged", "What the layer may refuse", verdict="holds exactly",
            why="whether there is one depends on where BN's bias starts"),
        Row("regions left unchanged are nuisance", "Can it discard nuisance?",
            letters="most are background, hardly any on the letter", why="one live run", verdict="inconclusive"),
        Row("what it adds on clutter matters less than what it adds on a letter", "Part 3",
            letters=inside("letKD-1", "off_clutter", "off_letter", "accuracy, as many regions silenced on clutter "
                           "instead of on the letter"),
            why="the same layer without a teacher {0}: the labels alone teach it",
            also=[inside("one layer, no supervision", "off_clutter", "off_letter")]),
    ]),
    Claim("kd-3", "the transferred knowledge is fed forward, during inference too", "06", [
        Row("needs no teacher in use", "A teacher and a student", verdict="holds exactly",
            why="the exported student has no teacher, codebook or labels"),
        Row("it leans on its layer", "Part 3",
            letters=inside("letKD-1", "test_accuracy", "off", "accuracy lost with the layer switched off"),
            why="a layer that never had a teacher loses {0}: this does not tell whose knowledge it is",
            also=[inside("one layer, no supervision", "test_accuracy", "off")]),
    ]),
    Claim("kd-4", "supervision from the teacher's decisions makes templates learnable in intermediate layers", "06", [
        Row("letKD-2 over two layers, the last supervised", "Part 3", "accuracy +0.5 over the middle layer left alone",
            Students("letKD-2", "two layers, last supervised"),
            Photographed("letKD-2", "two layers, last supervised"),
            "in both worlds the decisions are those of the teacher's last map, of more than two nats"),
        Row("a linear probe gains from before the middle layer to behind it", "Part 3", "it does (LDA)",
            inside("letKD-2", "probe_behind", "probe_before", "accuracy of the probe"),
            inside("letKD-2", "probe_behind", "probe_before", "accuracy of the probe", study="birds_distill"),
            "without supervision of the middle layer {0} and {1}",
            [inside("two layers, last supervised", "probe_behind", "probe_before", study=study)
             for study in ("letters_distill", "birds_distill")]),
    ]),
    Claim("kd-5", "it improves the student over KD and over supervision without the layer", "06", [
        Row("letKD-1 over the student alone", "Part 3", "accuracy +3.4", Students("letKD-1", "student alone"),
            Photographed("letKD-1", "student alone"), "on letters with the doubled "
            "budget {0}; on photographs the layer by itself costs accuracy, {1}",
            [twice("letKD-1", "student alone"), Photographed("one layer, no supervision", "student alone")]),
        Row("letKD-1 over KD", "Part 3", "accuracy +1.8", Students("letKD-1", "KD"),
            Photographed("letKD-1", "KD"),
            "doubled, {0}; on photographs of a fine-tuned teacher {1}",
            [twice("letKD-1", "KD"), tuned("letKD-1", "KD")]),
        Row("letKD-1 with KD beside it, over KD", "Part 3", "no such comparison found",
            Students("letKD-1 + KD", "KD"), Photographed("letKD-1 + KD", "KD"),
            "of a fine-tuned teacher {0}, and MAP@R on unseen species {1}",
            [tuned("letKD-1 + KD", "KD"), tuned("letKD-1 + KD", "KD", "unseen_map_at_r")]),
        Row("letKD-1 over KD, MAP@R on unseen classes", "Part 3", "not measured",
            Students("letKD-1", "KD", metric="unseen_map_at_r", of=""),
            Photographed("letKD-1", "KD", metric="unseen_map_at_r", of=""),
            "of a fine-tuned teacher {0}", [tuned("letKD-1", "KD", "unseen_map_at_r")]),
        Row("letKD-2 over KD, MAP@R on unseen species", "Part 3", "not measured",
            photographs=Photographed("letKD-2", "KD", metric="unseen_map_at_r", of=""),
            why="over the student alone {0}; of a fine-tuned teacher, over KD, {1}",
            also=[Photographed("letKD-2", "student alone", metric="unseen_map_at_r", of=""),
                  tuned("letKD-2", "KD", "unseen_map_at_r")]),
        Row("letKD-1 over the same layer without a teacher", "Part 3", "accuracy +1.6",
            Students("letKD-1", "one layer, no supervision"),
            Photographed("letKD-1", "one layer, no supervision"),
            "on letters with the doubled budget {0}", [twice("letKD-1", "one layer, no supervision")]),
        Row("letKD-1 over supervision without the value path (QuEST)", "Part 3", "accuracy +0.6",
            Students("letKD-1", "QuEST (α = 0)"), Photographed("letKD-1", "QuEST (α = 0)"),
            "of a fine-tuned teacher {0}", [tuned("letKD-1", "QuEST (α = 0)")]),
    ]),
]  # fmt: skip

RELAXED = [
    Claim("et-1", "pairwise similarities in the source space work as relaxed labels, richer than class equivalence",
          "07", [
        Row(at="Three exact limits", verdict="holds exactly", why="three limits, class labels among them"),
        Row("similarities instead of classes, the same loss", "The experiment", "no such comparison found",
            relaxed_letters("binary labels", SIZES_OF_LETTERS, "four sizes"),
            relaxed("binary labels", SIZES, "six sizes"),
            "why similarities say no more than classes on letters, we do not know: "
            "the source is far ahead of its features there"),
    ]),
    Claim("et-2", "more important pairs contribute more to training", "07", [
        Row(at="Idea 3", verdict="holds exactly",
            why="a pair pulls by its distance from its own rest point, and beyond the margin by its label"),
    ]),
    Claim("et-3", "no restriction on the manifold of the target space", "07", [
        Row(at="No restriction", verdict="holds exactly", why="scale, shift and rotation of the target change nothing"),
    ]),
    Claim("et-4", "it improves a target of the same size, allows smaller models and fewer dimensions", "07", [
        Row("same size", "The experiment", "R@1 +3.0 CUB, +3.2 Cars, +0.6 SOP, over the source",
            relaxed_letters("from scratch", SIZES_OF_LETTERS[:1]), relaxed("from scratch", SIZES[:1]),
            "over the same network from scratch"),
        Row("fewer dimensions", "The experiment",
            "64-d: R@1 -1.7 CUB, +0.1 Cars, -2.9 SOP, against the source with 512",
            relaxed_letters("from scratch", SIZES_OF_LETTERS[2:3], "8 dimensions"),
            relaxed("from scratch", SIZES[1:5], "64, 32, 16 and 8 dimensions"),
            "the source's principal axes cost nothing; over these the gain is {0}",
            [relaxed("principal axes", SIZES[1:5])]),
        Row("fewer dimensions: 16, letters", "The experiment", letters=relaxed_letters("from scratch", ("16-d",)),
            why="over the source's principal axes {0}",
            also=[relaxed_letters("principal axes", ("16-d",))]),
        Row("a smaller network", "The experiment",
            "ResNet-18, 128-d: R@1 -3.3 CUB, -1.7 Cars, -2.1 SOP, against the source, a ResNet-50",
            relaxed_letters("from scratch", ("small",)), relaxed("from scratch", SIZES[5:])),
    ]),
    Claim("et-5", "it improves self-supervised representations and classifiers", "", [
        Row(letters="not trained", why="missing: a self-supervised source and a classifier, trained to their end",
            verdict="inconclusive"),
    ]),
    Claim("et-6", "it beats other embedding-transfer losses", "07", [
        Row("PKT", "The experiment", "R@1, same size: +3.0 CUB, +3.2 Cars, +1.4 SOP",
            relaxed_letters("PKT", ("8-d",), "8-d"), relaxed("PKT", SIZES, "six sizes")),
        Row("PKT, letters: 64-d and the narrow layer", "The experiment",
            letters=relaxed_letters("PKT", ("64-d", "small"), "two sizes")),
        Row("PKT, letters: 16-d", "The experiment", letters=relaxed_letters("PKT", ("16-d",))),
        Row("FitNet", "The experiment", "R@1, same size: +2.2 CUB, +2.0 Cars, +1.1 SOP",
            relaxed_letters("FitNet", ("8-d",), "8-d"), relaxed("FitNet", SIZES, "six sizes")),
        Row("FitNet, letters: the other sizes", "The experiment",
            letters=relaxed_letters("FitNet", ("64-d", "16-d", "small"), "three sizes"),
            why="FitNet has the labels too"),
        Row("RKD, 128-d to 16-d", "The experiment", "R@1, same size: +1.2 CUB, +0.7 Cars, +1.3 SOP",
            relaxed_letters("RKD", SIZES_OF_LETTERS, "all four sizes"), relaxed("RKD", SIZES[:4], "four sizes")),
        Row("RKD, 8-d and the smaller network", "The experiment", "R@1, ResNet-18: +0.8 CUB, +1.8 Cars, +2.7 SOP",
            photographs=relaxed("RKD", SIZES[4:], "two sizes")),
        Row("DarkRank, which sees labels: 64-d and 8-d", "The experiment", "R@1, 64-d: +3.9 CUB, +8.4 Cars, +2.4 SOP",
            relaxed_letters("DarkRank", SIZES_OF_LETTERS, "all four sizes"),
            relaxed("DarkRank", (SIZES[1], SIZES[4]), "two sizes")),
        Row("DarkRank: 128-d, 32-d and 16-d", "The experiment", "R@1, same size: +5.4 CUB, +5.6 Cars, +4.1 SOP",
            photographs=relaxed("DarkRank", (SIZES[0], *SIZES[2:4]), "three sizes")),
        Row("DarkRank: the smaller network", "The experiment", "R@1, ResNet-18: +5.4 CUB, +10.7 Cars, +5.7 SOP",
            photographs=relaxed("DarkRank", SIZES[5:])),
    ]),
]  # fmt: skip

CLAIMS = {
    "Average pooling": GAP,
    "Generalized sum pooling": GSP,
    "Cross-batch metric learning (XML)": XML,
    "Chance-constrained projections (CCP)": CCP,
    "Template matching": TEMPLATES,
    "letKD": DISTILLATION,
    "Relaxed contrastive transfer": RELAXED,
}
