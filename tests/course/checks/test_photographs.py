import torch

from tests.course.checks.exercises import Exercises


def held_out(labels, share):
    classes = sorted(set(labels.tolist()))
    last = classes[len(classes) - round(share * len(classes)) :]
    return torch.tensor([label in last for label in labels.tolist()])


def rows_not_classes(labels, share):
    return torch.arange(len(labels)) >= (1 - share) * len(labels)


def first_classes(labels, share):
    return ~held_out(labels, 1 - share)


def by_their_number(labels, share):
    return labels >= (1 - share) * (labels.max() + 1)


def until_the_share_of_rows(labels, share):
    held = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique().flip(0):
        if held.sum() < share * len(labels):
            held |= labels == label
    return held


def cut_off(scores, correct, precision):
    best = None
    for score in sorted(set(scores.tolist())):
        answered = scores >= score
        if best is None and correct[answered].double().mean() >= precision:
            best = score
    return best


def lowest_right(scores, correct, precision):
    return scores[correct].min()


def stops_at_the_first_dip(scores, correct, precision):
    order = scores.argsort(descending=True, stable=True)
    share = correct[order].double().cumsum(0) / torch.arange(1, len(scores) + 1)
    below = (share < precision).nonzero()
    last = int(below[0]) - 1 if len(below) else len(scores) - 1
    return scores[order[last]]


def parts_equal_scores(scores, correct, precision):
    order = scores.argsort(descending=True, stable=True)
    share = correct[order].double().cumsum(0) / torch.arange(1, len(scores) + 1)
    return scores[order[int((share >= precision).nonzero().max())]]


def trusts_the_order(scores, correct, precision):
    share = correct.double().cumsum(0) / torch.arange(1, len(scores) + 1)
    return scores[int((share >= precision).nonzero().max())]


def coverage(scores, correct, precision):
    return scores.quantile(1 - precision)


RIGHT = {"held_out": held_out, "cut_off": cut_off}
WRONG = {
    "rows, not classes": ("held_out", rows_not_classes, "all rows of a class"),
    "the first": ("held_out", first_classes, "the last classes"),
    "by their number": ("held_out", by_their_number, "whatever their numbers"),
    "share of rows": ("held_out", until_the_share_of_rows, "however many rows"),
    "lowest right": ("cut_off", lowest_right, "this good or better"),
    "first dip": ("cut_off", stops_at_the_first_dip, "dip and come back"),
    "equal scores parted": ("cut_off", parts_equal_scores, "equal scores"),
    "in the order given": ("cut_off", trusts_the_order, "in any order"),
    "coverage": ("cut_off", coverage, "all answers right"),
}


class TestExercises(Exercises):
    """The answers above."""
