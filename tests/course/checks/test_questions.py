import pytest
import torch

from dmlnb.course import checks
from dmlnb.course.checks.questions import QUESTIONS
from dmlnb.geometry import cover_radius, greedy_k_center
from dmlnb.pooling import hard_histogram
from dmlnb.retrieval import evaluate


@pytest.mark.parametrize("key", QUESTIONS)
def test_every_question_is_complete(key, capsys):
    question = QUESTIONS[key]
    assert set(question.options) == set(question.replies) and question.right in question.options
    assert 2 <= len(question.options) <= 4
    checks.predict(key, question.right)
    assert capsys.readouterr().out.startswith("right: ")
    for letter in set(question.options) - {question.right}:
        checks.predict(key, letter)
        text = capsys.readouterr().out
        assert text.startswith("wrong, because ") and question.replies[letter] in text


@pytest.mark.parametrize("answer", [None, ...])
def test_without_an_answer_the_question_is_printed(answer, capsys):
    checks.predict("00-fewer", answer)
    text = capsys.readouterr().out
    assert QUESTIONS["00-fewer"].text in text and "b) it is as high as the first" in text
    assert text.endswith("not attempted yet\n")


@pytest.mark.parametrize("answer", ["B", " b ", "b)"])
def test_letters_are_read_kindly(answer, capsys):
    checks.predict("00-fewer", answer)
    assert "right" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["z", 2, ""])
def test_another_answer_does_not_stop_the_notebook(answer, capsys):
    checks.predict("00-fewer", answer)
    assert "the answer is one of a, b, c" in capsys.readouterr().out


def test_unknown_question():
    with pytest.raises(ValueError, match="key: expected one of"):
        checks.predict("99-nothing")


# The right options are true.


def test_duplicates_raise_recall_to_one():
    embeddings, labels = torch.randn(40, 4), torch.arange(40) % 10
    assert evaluate(embeddings, labels).recall_at[1] < 1
    assert evaluate(torch.cat([embeddings] * 2), torch.cat([labels] * 2)).recall_at[1] == 1


def test_no_hit_is_lost_in_a_gallery_of_fewer_classes():
    for seed in range(20):
        embeddings = torch.randn(60, 3, generator=torch.Generator().manual_seed(seed))
        labels, few = torch.arange(60) % 12, torch.arange(60) % 12 < 4
        own = few.nonzero()[:, 0]
        large = evaluate(embeddings[few], labels[few], gallery=embeddings, gallery_labels=labels, own=own)
        assert evaluate(embeddings[few], labels[few]).recall_at[1] >= large.recall_at[1]


def test_the_error_may_rise_with_one_more_prototype_and_the_radius_may_not():
    rose = False
    for seed in range(20):
        tokens = torch.randn(30, 2, generator=torch.Generator().manual_seed(seed))
        chosen = greedy_k_center(tokens[None], tokens[None, :0], 30)[0]
        radii = torch.stack([cover_radius(tokens, tokens[chosen[:k]]) for k in range(1, 31)])
        errors = torch.stack(
            [
                (tokens.mean(dim=0) - hard_histogram(tokens[None], p, cost="euclidean")[0] @ p).norm()
                for p in (tokens[chosen[:k]] for k in range(1, 31))
            ]
        )
        assert (radii.diff() <= 0).all() and (errors <= radii + 1e-6).all()
        rose |= bool((errors.diff() > 1e-4).any())
    assert rose


def test_gap_histogram_error_and_radius_do_not_know_the_order_of_regions():
    regions, prototypes = torch.randn(30, 4), torch.randn(6, 4)
    found = []
    for order in (torch.arange(30), torch.randperm(30)):
        f = regions[order]
        gap, z = f.mean(dim=0), hard_histogram(f[None], prototypes, cost="euclidean")[0]
        found.append(
            torch.cat([gap, z, (z @ prototypes - gap).norm()[None], cover_radius(f, prototypes)[None]])
        )
    assert torch.allclose(*found, atol=1e-6)
