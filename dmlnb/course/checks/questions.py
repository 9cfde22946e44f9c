"""Predict exercises: choose an answer first, then run the cell that shows it."""

from dataclasses import dataclass

from dmlnb.course.checks.core import NOT_ATTEMPTED


@dataclass(frozen=True)
class Question:
    """A question with its options; `replies` says of each option why it is right or wrong."""

    text: str
    options: dict[str, str]
    right: str
    replies: dict[str, str]


QUESTIONS = {
    "00-fewer": Question(
        "The R@1 of Georgian letters is measured twice: in a gallery of all test images, and in one that holds the "
        "Georgian letters only. What is sure of the second number?",
        {
            "a": "nothing: a smaller gallery may help or harm",
            "b": "it is as high as the first, or higher",
            "c": "it is lower: fewer images can be found",
        },
        "b",
        {
            "a": "take a query with a hit in the large gallery: can it lose its nearest neighbour in the small one?",
            "b": "no hit can be lost, since only images of other classes left; so compare R@1 in one gallery only",
            "c": "which images left the gallery: any that a Georgian query should find?",
        },
    ),
    "00-duplicates": Question(
        "By mistake every test image is in the set twice. The query itself is left out by its index. What does R@1 do?",
        {
            "a": "it rises to 1",
            "b": "it stays as it is",
            "c": "it falls, because there are more wrong images",
        },
        "a",
        {
            "a": "the copy is at distance 0 and has the query's label; look for duplicates before you believe a number",
            "b": "what is the nearest neighbour of an image whose copy is in the gallery?",
            "c": "there are more wrong images, but which one could be nearer than the copy?",
        },
    ),
    "01-radius": Question(
        "Prototypes are chosen among the regions, farthest first. You take one more. What can happen to the error "
        "‖GAP − Σ zᵢ νᵢ‖ and to the cover radius δ?",
        {
            "a": "both fall or stay",
            "b": "δ falls or stays; the error may also rise, but not above δ",
            "c": "the error falls or stays; δ may also rise",
        },
        "b",
        {
            "a": "true of δ; but the error is the length of a mean of differences, which may have cancelled before",
            "b": "δ only bounds the error: differences that cancelled by luck may stop to cancel",
            "c": "a new centre cannot be farther away than the old nearest one, so δ cannot rise",
        },
    ),
    "01-jigsaw": Question(
        "You cut a feature map into its regions and put them back in random order. Which of these change: GAP, the "
        "histogram z, the error of the mixture, the cover radius δ?",
        {"a": "all four", "b": "the histogram only", "c": "none of them"},
        "c",
        {
            "a": "look for the place of a region in each of the formulas",
            "b": "z counts how many regions each prototype wins; does it know where they were?",
            "c": "all four are sums or maxima over the regions: pooling forgets where things are",
        },
    ),
    "02-mass": Question(
        "A bag holds 24 tokens; the gates of 8 of them are 0.9, of the others 0. What is the mass μ, and how large "
        "is the weight of one of the 8 in the pooled sum?",
        {"a": "μ = 0.3, weight 1/8", "b": "μ = 0.9, weight 0.9/24", "c": "μ = 0.3, weight 0.9/24"},
        "a",
        {
            "a": "μ is the mean gate, 8 · 0.9 / 24; the weights are gates over their sum, so each of the 8 has 1/8",
            "b": "0.9 is the gate of the chosen ones; μ is the mean over all 24",
            "c": "the weights of the pooled sum add up to 1: divide by the mass",
        },
    ),
    "02-nuisance": Question(
        "About 70 % of the tokens of a bag are nuisance, the same for all classes. You may set the mass once. What do "
        "you expect of μ = 0.9?",
        {
            "a": "it is best: almost nothing is lost",
            "b": "it is hardly better than GAP: most of what must be shipped is nuisance",
            "c": "it is worse than GAP, because the residual bin takes the wrong tokens",
        },
        "b",
        {
            "a": "nothing is lost, but what is the shipped mass made of, when 0.9 must go and 0.3 is good?",
            "b": "with 0.9 to ship and 0.3 worth shipping, two thirds of the shipped mass is nuisance",
            "c": "the bin takes the most expensive tokens; with trained prototypes these are nuisance",
        },
    ),
    "03-absent": Question(
        "Prototype i occurs in no image of the batch that is fitted: its column of Z is zero. What is row i of the "
        "ridge fit?",
        {
            "a": "zero",
            "b": "the mean of the other rows",
            "c": "undefined: the system has no unique solution",
        },
        "a",
        {
            "a": "it changes no prediction on this batch, so the ridge alone decides, and the ridge wants it short",
            "b": "nothing in the objective ties one row to another: what does the ridge say of a row without data?",
            "c": "so it would be without a ridge; with ε > 0 exactly one row is the shortest",
        },
    ),
    "03-forgetting": Question(
        "The prototypes do not move and the noise stays the same. Which fit is nearest to the truth in the end?",
        {
            "a": "the full recursion",
            "b": "the one with forgetting, since it can still correct itself",
            "c": "the memoryless fit, since it is unbiased by the past",
        },
        "a",
        {
            "a": "old batches are as good as new ones, so forgetting them only leaves more noise in",
            "b": "correcting itself pays when the truth moves; here it means to average over fewer batches",
            "c": "it averages over one batch only, and its ridge pulls it to zero each time anew",
        },
    ),
    "04-coalesce": Question(
        "Four free proxies of a class minimise their mean distance to the class's samples, which stay where they are. "
        "They begin at four different samples. Where do they end?",
        {
            "a": "spread out, each in the middle of a quarter of the samples",
            "b": "at the four samples where they began",
            "c": "all at one point, the geometric median",
        },
        "c",
        {
            "a": "that is k-means, where a sample pulls only its nearest proxy; here every sample pulls every proxy",
            "b": "a proxy on a sample is still pulled by all the others",
            "c": "each proxy solves the same problem, and that problem has one solution",
        },
    ),
    "04-outlier": Question(
        "A class has many samples near zero and one far out. K = 1, and the proxy is at the middle of the many. It is "
        "selected anew, farthest from the old one. What happens to the cover radius?",
        {
            "a": "it falls, since the far sample is covered now",
            "b": "it stays about the same, or grows",
            "c": "it becomes zero",
        },
        "b",
        {
            "a": "the far sample is covered, and now the many are far away: who covers them with K = 1?",
            "b": "the proxy has jumped to the far sample; now the farthest of the many sets the radius",
            "c": "one ball round the far sample must still reach the many",
        },
    ),
    "05-threshold": Question(
        "A fresh batch normalisation has γ = 1 and β = 0. Scores of a template are symmetric about their mean. At what "
        "share of the regions does the template fire (p > 0) after the ReLU?",
        {
            "a": "at none: nothing has been learned",
            "b": "at about half",
            "c": "at one region an image, the best",
        },
        "b",
        {
            "a": "what is needed for p > 0 is a score above the template's own average, learned or not",
            "b": "it fires wherever its score is above its average; only a negative β makes it choosy",
            "c": "templates do not compete region by region: each has its own threshold",
        },
    ),
    "05-unit": Question(
        "In a trained block you divide every γ and β by 100 and multiply the next weights by 100. What changes?",
        {
            "a": "fewer templates fire",
            "b": "the sums of the shares, and nothing that the block gives out",
            "c": "the update: it becomes a hundred times as large",
        },
        "b",
        {
            "a": "a template fires where its score is above -β/γ, and that number stays",
            "b": "the shares become a hundred times smaller, and the weights take it back: the unit of a share is free",
            "c": "the shares become a hundred times smaller first, so the products stay what they were",
        },
    ),
    "05-dense": Question(
        "The dense loss asks every region for the class of its image. What would be the best answer of a region that "
        "sees nothing but background?",
        {
            "a": "the class of the letter elsewhere in the image",
            "b": "the same score for every class: the shares of the classes in the training set",
            "c": "very negative scores for all classes, so that no template matches",
        },
        "b",
        {
            "a": "it would be, if the region could see the letter; from background alone it cannot be known",
            "b": "cross-entropy is least at the true probabilities, and background says nothing about the class",
            "c": "a softmax does not notice a shift of all scores: the loss stays what it was",
        },
    ),
    "06-strength": Question(
        "In a trained KD layer you multiply the scale γ and the shift β of the BN by 7. What happens to the student's "
        "logits in evaluation mode?",
        {
            "a": "the values grow sevenfold, so the logits change a lot",
            "b": "nothing, up to rounding",
            "c": "more templates match, so other values are added",
        },
        "b",
        {
            "a": "p̂ grows sevenfold, but what is it divided by before it meets the values?",
            "b": "p̂ becomes 7 p̂, and u(7 p̂) = u(p̂): only which templates match counts, and in what proportion",
            "c": "7 (γ â + β) is positive exactly where γ â + β is",
        },
    ),
    "06-silent": Question(
        "A fresh KD layer has 64 templates. Each is silent on half of all regions, independently of the others. Of a "
        "million regions, how many match no template at all?",
        {
            "a": "half a million",
            "b": "about 15,000, one in 64",
            "c": "none, most likely",
        },
        "c",
        {
            "a": "that is how many a single template leaves alone: what must the other 63 do?",
            "b": "shares of independent events are multiplied, not divided by their number",
            "c": "all 64 must be silent at once, which has the probability 2 to the power of −64",
        },
    ),
    "06-ratio": Question(
        "A student is trained with α = 0: templates and their supervision, but nothing is added to the map. Which "
        "parameters does the cross-entropy still reach?",
        {
            "a": "templates, BN and values, as before",
            "b": "the templates only",
            "c": "backbone and classifier only; the templates hear only the teacher",
        },
        "c",
        {
            "a": "on which path would its gradient get there, when the values are multiplied by 0?",
            "b": "the templates meet the classes only through p̂ and the values",
            "c": "the layer is now a mere distillation loss on the backbone's map, the control called QuEST here",
        },
    ),
    "07-width": Question(
        "All source rows are different, and σ goes to 0. What does the relaxed contrastive loss turn into?",
        {
            "a": "the contrastive loss on class labels",
            "b": "pushing only: each pair is pushed apart until r = δ",
            "c": "pulling only: each pair is pulled",
        },
        "b",
        {
            "a": "the source rows of one class differ too: what label do they get when σ is tiny?",
            "b": "every label but that of a row with itself goes to 0, and (1 − w)(δ − r)₊² is left",
            "c": "that is the other end, σ → ∞, where every label goes to 1",
        },
    ),
    "07-scale": Question(
        "Someone multiplies all target embeddings by 10. What do the relaxed contrastive loss and its gradient do?",
        {
            "a": "the loss grows a hundredfold, the gradient tenfold",
            "b": "both stay as they are",
            "c": "the loss stays as it is, the gradient shrinks to a tenth",
        },
        "c",
        {
            "a": "that would be so for squared distances; but what is divided by the mean distance here?",
            "b": "the loss stays; but a step that is ten times longer is now needed for the same change",
            "c": "relative distances do not change, so a ten times larger space is ten times less steep",
        },
    ),
    "07-two": Question(
        "A batch of two images, σ = δ = 1. What does the target learn from it?",
        {
            "a": "nothing: r = 2 for the only pair, wherever the two points are",
            "b": "to bring the pair to r = 1 − w",
            "c": "to pull the pair together",
        },
        "a",
        {
            "a": "the mean counts the zero on the diagonal, so it is half the distance; the loss is 4w for any target",
            "b": "a good rest point; but can r of a single pair change at all?",
            "c": "the pair is pulled, and its unit of length shrinks with it: what is r afterwards?",
        },
    ),
    "08-map": Question(
        "PCA puts embeddings on a plane. Two images lie on one spot of the map. What follows for their embeddings?",
        {
            "a": "they are near each other",
            "b": "they may be near or far: only the two directions of the map are known to agree",
            "c": "they are far apart, because the map spreads out what is near",
        },
        "b",
        {
            "a": "what do you know of the directions that the map has dropped?",
            "b": "a projection never lengthens a distance, but it may shorten it to zero",
            "c": "a projection cannot make any distance longer",
        },
    ),
    "08-clutter": Question(
        "Take every letter whose nearest neighbour is wrong, and draw the same letter again without the shapes behind "
        "it. For how many is the nearest neighbour right now?",
        {"a": "hardly any", "b": "about half or more", "c": "all"},
        "b",
        {
            "a": "the network was trained with up to four shapes; does that make it blind to them?",
            "b": "clutter is the larger part of what goes wrong; the rest are letters that look alike, or noise",
            "c": "some letters are twins of form: no clutter is needed to confuse them",
        },
    ),
    "08-split": Question(
        "All images of one class lie in two separate groups, in both networks. What is the likeliest reason?",
        {
            "a": "the label is wrong for one of the groups",
            "b": "the networks were not trained long enough",
            "c": "the class has two kinds of members that look different",
        },
        "c",
        {
            "a": "look at the pictures of both groups: would you call one of them another letter?",
            "b": "a group held apart by two networks alike is not what chance leaves behind",
            "c": "an embedding groups what looks alike; that the two forms are one letter is not to be seen in them",
        },
    ),
    "08-switch": Question(
        "Two networks reach nearly the same R@1 on the same images. For how many images do they disagree on whether "
        "the nearest neighbour is right?",
        {
            "a": "for about as many as their R@1 differ",
            "b": "for far more: one wins here, the other there",
            "c": "for none: equal numbers mean equal answers",
        },
        "b",
        {
            "a": "that would need one of them to be right wherever the other is; who says so?",
            "b": "a difference of means is what is left after gains and losses have cancelled",
            "c": "a mean says nothing of which images are right",
        },
    ),
    "09-margin": Question(
        "Six points rest under the triplet loss with margin 0.3. The margin is made ten times smaller. Which points "
        "feel a force at once?",
        {
            "a": "all of them: the loss is another one",
            "b": "none: what kept a larger distance keeps a smaller one",
            "c": "those of the same class: they may come nearer",
        },
        "b",
        {
            "a": "a triplet acts only while its negative is not farther than its positive by the margin",
            "b": "every triplet that was satisfied still is; the classes may stay as wide as they are",
            "c": "nothing in a triplet pulls two points together once their negatives are far enough away",
        },
    ),
    "10-split": Question(
        "Instead, someone sets aside every third photograph of each class. What does the test measure then?",
        {
            "a": "the same, with more classes",
            "b": "how well classes are recognised that were learned",
            "c": "nothing, since the photographs are different ones",
        },
        "b",
        {
            "a": "more classes, but not the same question: every one of them was learned",
            "b": "a plain classifier could do that; classes that come later are not in the test at all",
            "c": "new photographs of learned classes do measure something, only not what an embedding is for",
        },
    ),
    "10-crop": Question(
        "The transform of the cached maps cuts out a random part of each picture. What happens?",
        {
            "a": "every epoch sees other parts, as in usual training",
            "b": "one part of each picture is kept for good, at random",
            "c": "computing the maps fails",
        },
        "b",
        {
            "a": "the transform runs once, when the maps are computed; epochs read what is kept",
            "b": "each picture is cut once, then its map is kept; test pictures lose their edges too",
            "c": "nothing fails: a random part is as good an image as any, and that is the danger",
        },
    ),
}


def predict(key: str, answer: str | None = None) -> None:
    """Print a question, and what is right or wrong with the answer to it.

    Args:
        key: of the question, such as `"00-fewer"`.
        answer: the letter of an option; None or `...` prints the question only.

    Raises:
        ValueError: for an unknown key.

    Taught in notebook 00.
    """
    if key not in QUESTIONS:
        raise ValueError(f"key: expected one of {', '.join(QUESTIONS)}, got {key!r}")
    question = QUESTIONS[key]
    if answer is None or answer is ...:
        options = "".join(f"\n    {letter}) {text}" for letter, text in question.options.items())
        print(f"{question.text}{options}\n{NOT_ATTEMPTED}")
        return
    letter = str(answer).strip().lower().rstrip(").")
    if letter not in question.options:
        print(f"wrong, because the answer is one of {', '.join(question.options)}, not {answer!r}")
    elif letter == question.right:
        print(f"right: {question.replies[letter]}")
    else:
        print(f"wrong, because of this: {question.replies[letter]}")
