"""What the checker of every exercise must do, for the answers that a test file lists.

A file names `RIGHT`, an answer (or a list of them) by the exercise, and `WRONG`, by what is wrong with it: the
exercise, an answer, and words of the property that must be named. With

    class TestExercises(Exercises): ...

all of them are tried.
"""

import inspect

import pytest

from dmlnb.course import checks


def right_answers(module):
    """`(exercise, answer)` for every right answer of a file."""
    for exercise, answers in module.RIGHT.items():
        for answer in answers if isinstance(answers, list) else [answers]:
            yield exercise, answer


class Exercises:
    def pytest_generate_tests(self, metafunc):
        if "right" in metafunc.fixturenames:
            metafunc.parametrize("exercise, right", list(right_answers(metafunc.module)))
        elif "case" in metafunc.fixturenames:
            metafunc.parametrize("case", metafunc.module.WRONG)
        elif "exercise" in metafunc.fixturenames:
            metafunc.parametrize("exercise", metafunc.module.RIGHT)

    def test_a_right_answer_is_handed_back(self, exercise, right, capsys):
        assert getattr(checks, exercise)(right) is right
        assert capsys.readouterr().out == "right\n"

    def test_the_package_is_right(self, exercise, capsys):
        package = getattr(checks, exercise)()
        assert capsys.readouterr().out == "not attempted yet\n"
        assert getattr(checks, exercise)(package) is package
        assert capsys.readouterr().out == "right\n"

    @pytest.mark.parametrize("blank", [None, ..., NotImplemented])
    def test_a_stub_is_not_attempted(self, exercise, blank, capsys):
        for attempt in (blank, lambda *inputs: blank):
            returned = getattr(checks, exercise)(attempt)
            assert callable(returned) and returned is not attempt
            assert capsys.readouterr().out == "not attempted yet\n"

    def test_a_wrong_answer_is_told_which_property_fails(self, case, request, capsys):
        exercise, attempt, words = request.module.WRONG[case]
        returned = getattr(checks, exercise)(attempt)
        text = capsys.readouterr().out
        assert text.startswith("wrong, because "), text
        assert words and words in text.split("\n")[0], text
        assert "on this input:" in text
        assert callable(returned) and returned is not attempt

    def test_an_exercise_has_three_wrong_answers_at_least(self, exercise, request):
        assert [name for name, _, _ in request.module.WRONG.values()].count(exercise) >= 3

    def test_every_checker_of_the_file_is_tried(self, request):
        name = request.module.__name__.rpartition("test_")[2]
        there = {
            key
            for key, value in vars(checks).items()
            if inspect.isfunction(value) and value.__module__ == f"dmlnb.course.checks.{name}"
        }
        assert there == set(request.module.RIGHT)
