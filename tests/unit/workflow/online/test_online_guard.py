"""The guard: which days may be published, and who is told when one may not."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import OnlineError
from rollforward.workflow.online.guard import Guard, count_scores, tell, usual_number

DATES = pd.bdate_range("2024-01-02", periods=3)


def frame(values_by_date):
    parts = []
    for date, values in zip(DATES, values_by_date, strict=False):
        rows = pd.MultiIndex.from_product([[date], [f"I{i:03}" for i in range(len(values))]])
        parts.append(pd.DataFrame({"score": np.array(values, dtype=float)}, rows.set_names(["datetime", "instrument"])))
    return pd.concat(parts)


def spread(n, n_nan=0):
    return [*np.arange(n - n_nan, dtype=float), *[np.nan] * n_nan]


@pytest.mark.parametrize(
    ("values", "good", "partial", "reason"),
    [
        (spread(10), True, False, None),
        (spread(12), True, False, None),
        (spread(9), True, True, "1 of usually 10 instruments are missing"),
        (spread(8), True, True, "2 of usually 10 instruments are missing"),
        (spread(7), False, False, "3 of usually 10 instruments are missing (limit 20%)"),
        (spread(10, n_nan=2), True, True, "2 of 10 scores are NaN or infinite"),
        (spread(10, n_nan=3), False, False, "3 of 10 scores are NaN or infinite (limit 20%)"),
        ([*spread(7), np.inf, -np.inf, np.inf], False, False, "3 of 10 scores are NaN or infinite (limit 20%)"),
        ([1.0] * 10, False, False, "1 different scores (at least 2)"),
    ],
)
def test_a_day_against_the_usual_one(values, good, partial, reason):
    verdict = Guard().check(frame([values]), usual=10)
    assert (verdict.good, bool(verdict), verdict.partial) == (good, good, partial)
    assert verdict.reasons == (() if reason is None else (f"2024-01-02: {reason}",))


def test_all_that_is_wrong_is_said():
    (verdict,) = Guard().check_days(frame([[1.0, 1.0, np.nan]]), usual=10).values()
    assert len(verdict.reasons) == 3


def test_a_single_instrument_is_not_judged_by_its_spread():
    assert Guard().check(frame([[1.0]])).good
    assert Guard().check(frame([[1.0]]), usual=1).good
    assert not Guard().check(frame([[1.0]]), usual=10).good


def test_without_a_usual_number_nothing_is_missing():
    assert Guard().check(frame([spread(3)])) == Guard().check(frame([spread(300)]))


def test_a_session_without_rows_is_not_good():
    pred = frame([spread(5), spread(5)])
    assert Guard().check(pred, sessions=DATES[:2]).good
    verdict = Guard().check(pred, sessions=DATES)
    assert (verdict.good, verdict.reasons) == (False, ("2024-01-04: there is no prediction",))
    assert not Guard().check(pred.iloc[:0]).good


def test_each_day_is_judged_for_itself():
    days = Guard().check_days(frame([spread(10), spread(9), spread(1)]), usual=10)
    assert [(one.good, one.partial) for one in days.values()] == [(True, False), (True, True), (False, False)]
    assert list(days) == list(DATES)


def test_limits_are_data():
    guard = Guard(max_missing=0.5, min_partial=0.3, history=5)
    assert Guard(**json.loads(json.dumps(guard.to_dict()))) == guard
    assert guard.check(frame([spread(7)]), usual=10).partial is False
    assert guard.check(frame([spread(6)]), usual=10).partial is True


@pytest.mark.parametrize("limits", [{"max_nan": 1.1}, {"max_missing": "x"}, {"min_unique": 0}, {"history": True}])
def test_limits_that_are_none(limits):
    with pytest.raises(OnlineError, match=next(iter(limits))):
        Guard(**limits)


def test_the_usual_number_is_the_median_of_the_last_days():
    numbers = count_scores(frame([spread(10), spread(12, n_nan=2), spread(4, n_nan=4)]))
    assert list(numbers.items()) == list(zip(DATES, (10, 10, 0), strict=True))
    assert count_scores(frame([spread(1)]).iloc[:0]) == {}
    assert usual_number([10, 10, 4]) == 10
    assert usual_number([10, 10, 4, 0], history=1) == 4  # a day without a score says nothing
    assert usual_number([4, 7]) == 5
    assert usual_number([0]) is None


INFO = {"session": "2024-01-02", "strategy": "s", "held": 3, "reasons": ["too few"]}


class TestHook:
    def test_a_function(self):
        heard = []
        assert tell(heard.append, INFO)
        assert heard == [INFO]

    def test_a_command(self, tmp_path):
        script = tmp_path / "hook.py"
        script.write_text(
            "import os, sys, pathlib\n"
            "text = sys.stdin.read() + os.environ['ROLLFORWARD_SESSION'] + os.environ['ROLLFORWARD_HELD']\n"
            "pathlib.Path(sys.argv[1]).write_text(text)\n"
        )
        assert tell([sys.executable, str(script), str(tmp_path / "heard")], INFO)
        assert (tmp_path / "heard").read_text() == json.dumps(INFO) + "2024-01-02" + "3"
        assert tell(f"{sys.executable} '{script}' '{tmp_path}/again'", INFO)
        assert (tmp_path / "again").exists()

    @pytest.mark.parametrize("hook", [lambda info: 1 / 0, "/nowhere/hook", [sys.executable, "-c", "exit(1)"], "'"])
    def test_one_that_fails_is_logged_and_breaks_nothing(self, hook, caplog):
        assert not tell(hook, INFO)
        assert "too few" in caplog.text

    def test_none(self):
        assert not tell(None, INFO)
