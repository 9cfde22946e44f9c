from dmlnb.course import results
from studies import birds_transfer as study
from studies import photographs, transferred


def test_the_stored_rows_are_those_of_this_world():
    arms = [transferred.SOURCE, *study.WORLD.arms(), *study.WORLD.controls()]
    assert [*results.load("birds_transfer")["runs"]] == arms


def test_its_vectors_are_the_photographs():
    assert (
        study.WORLD.averaged is photographs.averaged and study.WORLD.second_view is photographs.mirrored_train
    )
    assert study.run.func is transferred.run and study.run.args == (study.WORLD,)
