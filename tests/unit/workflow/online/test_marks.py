"""Marks of sessions that are held, and errors that are one strategy's own."""

from __future__ import annotations

import pandas as pd
import pytest

from rollforward.data.calendar import Calendar
from rollforward.errors import LedgerError, OnlineBusyError, SpoolError, StoreUnreachableError, UpdateError
from rollforward.workflow.online.containing import concerns_all, kind_and_text
from rollforward.workflow.online.day import Day
from rollforward.workflow.online.judging import Judgement
from rollforward.workflow.online.ledger.entry import Entry
from rollforward.workflow.online.ledger.parts import ModelRef, StrategyState
from rollforward.workflow.online.marks import KEPT, TRIED_AGAIN, held_in, marked, remarked, to_try_again
from rollforward.workflow.online.standing import Standing

DAYS = pd.bdate_range("2020-01-01", periods=30)
BAD, GOOD = Judgement(False, False, ("bad",)), Judgement(True, False, ())


def after(standing, day, *, reason=None, judged=GOOD, published=True):
    work = Day(day, day, standing, standing)
    work.judged["a"] = judged
    if reason is not None:
        work.hold("a", reason)
    if published:
        work.sets["a"] = (ModelRef("1", "1", "a"),)
    found = marked(standing, work)
    return Standing(found.states, done=day, missed=found.missed)


@pytest.fixture
def standing():
    return Standing({"a": StrategyState("a")})


def test_a_mark_of_a_session_that_was_published_all_the_same_goes_with_the_next(standing):
    first = after(standing, DAYS[0], reason="training failed")
    assert list(first.states["a"].held.values()) == ["training failed"]
    assert not first.missed
    assert not after(first, DAYS[1]).states["a"].held


def test_a_mark_without_a_publication_stays_until_it_is_published(standing):
    found = after(standing, DAYS[0], reason="bad", judged=BAD, published=False)
    for day in DAYS[1:4]:
        found = after(found, day)
    assert found.states["a"].held == {DAYS[0].isoformat(): "bad"}
    assert to_try_again(found, Calendar(DAYS)) == {DAYS[0]: ["a"]}
    still = remarked(found, DAYS[0], {"a": "worse"}, ["a"])
    assert still.states["a"].held == {DAYS[0].isoformat(): "worse"}
    assert still.missed == found.missed
    over = remarked(found, DAYS[0], {}, ["a"])
    assert not over.states["a"].held
    assert not over.missed


def test_there_are_only_so_many(standing):
    found = standing
    for day in DAYS:
        found = after(found, day, reason=f"bad {day.date()}", judged=BAD, published=False)
    kept = [day.isoformat() for day in DAYS[-KEPT:]]
    assert list(found.states["a"].held) == kept == list(found.missed["a"])
    assert list(to_try_again(found, Calendar(DAYS))) == list(DAYS[-TRIED_AGAIN:])


def test_marks_are_kept_by_the_ledger(standing):
    found = after(standing, DAYS[0], reason="bad", judged=BAD, published=False)
    entry = Entry("routine", DAYS[0], states=tuple(found.states.values()), extra=found.extra())
    again = Entry.from_json(entry.to_json())
    assert Standing.of(again) == found
    assert held_in(again) == {"a": "bad"}


def test_two_reasons_of_one_day():
    day = Day(DAYS[0], DAYS[0], Standing(), Standing())
    day.hold("a", "training failed")
    day.hold("a", "few instruments")
    assert day.held == {"a": "training failed; few instruments"}


def raised_while(error, *, alone=False):
    """An error that is raised while another one is handled; alone: ``from None``."""
    found = ValueError("while that was handled")
    found.__context__ = error
    found.__suppress_context__ = alone
    return found


@pytest.mark.parametrize(
    "error", [StoreUnreachableError("away"), OnlineBusyError("taken"), LedgerError("forked"), SpoolError("no room")]
)
def test_errors_that_concern_all(error):
    assert concerns_all(error)
    outer = UpdateError("a run")
    outer.__cause__ = error
    assert concerns_all(outer)
    assert concerns_all(raised_while(error))
    assert not concerns_all(raised_while(error, alone=True))


def test_errors_of_one_strategy():
    assert not concerns_all(ValueError("x"))
    circle = ValueError("x")
    circle.__cause__ = circle
    assert not concerns_all(circle)


def test_kind_and_text():
    assert kind_and_text(UpdateError("It is\n  so.", "else", "do")) == "UpdateError: It is so."
    assert kind_and_text(KeyError()) == "KeyError"
    assert len(kind_and_text(ValueError("x" * 10_000))) < 600
