"""Predict exercises: choose an answer first, then run the cell that shows it."""

from dataclasses import dataclass

from dmlnb.checks.core import NOT_ATTEMPTED


@dataclass(frozen=True)
class Question:
    """A question with its options; `replies` says of each option why it is right or wrong."""

    text: str
    options: dict[str, str]
    right: str
    replies: dict[str, str]


QUESTIONS = {
    "00-self": Question(
        "Someone forgets to leave the query out of the gallery. What is the R@1 of an untrained network?",
        {"a": "about 1 / number of classes", "b": "1, or very nearly", "c": "it depends on the network"},
        "b",
        {
            "a": "that is R@1 for a random order of the gallery, but here the nearest item is no random one",
            "b": "every query is nearest to itself, with its own label; the number says nothing of the network",
            "c": "which item has distance 0 to the query, whatever the network is?",
        },
    ),
    "00-disjoint": Question(
        "Why are the test classes other classes than the training classes, rather than other images of the same ones?",
        {
            "a": "to have more images for training",
            "b": "because the loss cannot be computed on classes it was trained on",
            "c": "because retrieval must work on classes nobody had when the network was trained",
        },
        "c",
        {
            "a": "it is the other way round: the images of the test classes are lost for training",
            "b": "the loss could be computed; but it, and retrieval, would look better than they are in use",
            "c": "an embedding is used on new classes; on the old ones a plain classifier would do",
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
        "Prototypes are chosen among the tokens, farthest first. You take one more. What can happen to the error "
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
    "01-inner": Question(
        "Tokens 0.1 and 1.0 on a line; prototypes 0.1 and 1.0, so δ = 0. Each token goes to the prototype with the "
        "largest inner product. What is ‖GAP − Σ zᵢ νᵢ‖?",
        {"a": "0, because δ = 0", "b": "0.45", "c": "0.9"},
        "b",
        {
            "a": "the bound needs each token at its nearest prototype: to which one does the token 0.1 go here?",
            "b": "both tokens go to 1.0 (0.1 · 1.0 > 0.1 · 0.1), so z = (0, 1), and GAP = 0.55",
            "c": "that is the error of the token 0.1 alone; GAP takes the mean over two tokens",
        },
    ),
    "01-sharpness": Question(
        "The sharpness γ of the soft histogram goes to 0. Where does Σ zᵢ νᵢ go?",
        {
            "a": "to the mean of the prototypes, whatever the image",
            "b": "to GAP of the image",
            "c": "to the prototype nearest to GAP",
        },
        "a",
        {
            "a": "every token is shared evenly, so z = 1/m for each prototype and the image no longer matters",
            "b": "the tokens enter only through the histogram, and for γ = 0 they do not even enter that",
            "c": "that would need sharp shares; γ = 0 makes them all equal",
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
}


def predict(key: str, answer: str | None = None) -> None:
    """Print a question, and what is right or wrong with the answer to it.

    Args:
        key: of the question, such as `"00-self"`.
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
