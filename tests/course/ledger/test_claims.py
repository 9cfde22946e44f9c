"""The table of claims: each row says something that follows, and no paper's number stands without its source."""

from pathlib import Path

import numpy as np
import pytest

from dmlnb.course import results
from dmlnb.course.ledger import CLAIMS, Effect, Range
from dmlnb.course.ledger.claims import SOURCES
from dmlnb.course.results import differences

ALL = [claim for group in CLAIMS.values() for claim in group]


def cells():
    for claim in ALL:
        for row in claim.rows:
            for cell in (row.letters, row.photographs, *row.also):
                yield from (
                    cell.effects if isinstance(cell, Range) else [cell] if isinstance(cell, Effect) else []
                )


def test_every_claim_has_a_name_of_its_own_and_rows_of_their_own():
    names = [claim.name for claim in ALL]
    assert len(names) == len(set(names)) == 31
    for claim in ALL:
        parts = [row.part for row in claim.rows]
        assert len(parts) == len(set(parts)), claim.name


@pytest.mark.parametrize("claim", ALL, ids=lambda claim: claim.name)
def test_every_verdict_follows(claim):
    for row in claim.rows:
        assert all(row.judged().values())
        assert "{" not in row.why_text()


def test_numbers_are_the_means_of_what_is_stored():
    looked_at = 0
    for effect in cells():
        if effect.against or effect.baseline_study or effect.less:
            continue
        study = results.load(effect.study)
        found = differences(study, effect.method, effect.baseline, effect.metric)
        assert effect.number().startswith(f"{np.mean(found):+.1f} ± ")
        looked_at += 1
    assert looked_at > 60


def test_sources_are_in_the_references():
    text = (Path(__file__).parents[3] / "references.bib").read_text(encoding="utf-8")
    assert all(f"{{{key}," in text for key in SOURCES)
