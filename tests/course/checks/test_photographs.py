import pytest
import torch

from dmlnb.course import checks


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
    "held_out": (rows_not_classes, first_classes, by_their_number, until_the_share_of_rows),
    "cut_off": (lowest_right, stops_at_the_first_dip, parts_equal_scores, trusts_the_order, coverage),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_are_right(name, capsys):
    assert getattr(checks, name)(RIGHT[name]) is RIGHT[name]
    assert capsys.readouterr().out == "right\n"


@pytest.mark.parametrize("name, attempt", [(n, a) for n, wrong in WRONG.items() for a in wrong])
def test_wrong_answers_are_told_what_fails(name, attempt, capsys):
    assert getattr(checks, name)(attempt) is not attempt
    assert capsys.readouterr().out.startswith("wrong, because")


@pytest.mark.parametrize("name", RIGHT)
def test_a_stub_is_not_attempted_and_hands_back_the_package(name, capsys):
    function = getattr(checks, name)(lambda *_: ...)
    assert capsys.readouterr().out == "not attempted yet\n"
    if name == "held_out":
        assert function(torch.tensor([0, 1, 1]), 0.5).tolist() == [False, True, True]
    else:
        assert function(torch.tensor([0.5, 0.25]), torch.tensor([True, False]), 1.0) == 0.5
