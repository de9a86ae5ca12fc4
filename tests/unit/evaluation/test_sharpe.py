"""Sharpe ratios and what they prove; figures are those that the papers print, or come from pandas."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import DataError
from rollforward.evaluation.sharpe import (
    TrackRecord,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    track_record,
)

# Bailey and Lopez de Prado 2012, section on the probabilistic Sharpe ratio: two years of months.
MONTHS = TrackRecord(sharpe=0.458, n_periods=24, skew=-2.448, kurtosis=10.164)


def returns(n=300, seed=0):
    return pd.Series(np.random.default_rng(seed).standard_t(5, n) / 100 + 0.001)


def test_the_figures_of_the_paper():
    assert probabilistic_sharpe_ratio(TrackRecord(0.458, 24)) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe_ratio(MONTHS) == pytest.approx(0.913, abs=5e-4)


def test_the_moments_are_those_of_pandas():
    values = returns()

    record = track_record(values)

    assert record.sharpe == pytest.approx(values.mean() / values.std())
    assert record.n_periods == 300
    assert record.skew == pytest.approx(values.skew())
    assert record.kurtosis == pytest.approx(values.kurt() + 3)
    assert track_record(record) is record


def test_missing_returns_are_left_out():
    values = returns()
    with_gaps = pd.concat([values, pd.Series([np.nan] * 10)])

    assert track_record(with_gaps) == track_record(values)
    assert track_record(values.tolist()) == track_record(values)


def test_two_returns_have_the_moments_of_a_normal_distribution():
    record = track_record([0.01, 0.03])

    assert (record.skew, record.kurtosis) == (0, 3)
    assert record.sharpe == pytest.approx(2**0.5)


def test_longer_and_smoother_is_surer():
    assert probabilistic_sharpe_ratio(TrackRecord(0.1, 1000)) > probabilistic_sharpe_ratio(TrackRecord(0.1, 100))
    assert probabilistic_sharpe_ratio(TrackRecord(0.1, 100, skew=-2, kurtosis=9)) < probabilistic_sharpe_ratio(
        TrackRecord(0.1, 100)
    )
    assert probabilistic_sharpe_ratio(MONTHS, MONTHS.sharpe) == 0.5


@pytest.mark.parametrize("record", [MONTHS, TrackRecord(0.08, 500, 0.3, 6), track_record(returns(40))])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_minimum_length_gives_just_the_confidence(record, confidence):
    benchmark = record.sharpe - 0.05

    length = minimum_track_record_length(record, benchmark, confidence)

    def sure_after(n):
        return probabilistic_sharpe_ratio(TrackRecord(record.sharpe, n, record.skew, record.kurtosis), benchmark)

    assert sure_after(math.floor(length)) <= confidence <= sure_after(math.ceil(length))


def test_no_length_proves_what_is_not_there():
    assert minimum_track_record_length(MONTHS, benchmark=0.458) == math.inf


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.1], "1 returns"),
        ([np.nan, 0.1], "1 returns"),
        ([0.1, np.inf, 0.2], "infinite"),
        ([0.1] * 30, r"All 30 returns are 0\.1"),
        ([0.0] * 5, "returns that vary"),
    ],
)
def test_what_has_no_sharpe_ratio(values, said):
    with pytest.raises(DataError, match=said):
        probabilistic_sharpe_ratio(values)


@pytest.mark.parametrize("as_array", [False, True])
def test_many_trials_are_not_taken_for_one(as_array):
    trials = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 10)))
    given = trials.to_numpy() if as_array else trials
    for figure in (probabilistic_sharpe_ratio, track_record, minimum_track_record_length):
        with pytest.raises(DataError, match=r"shape \(50, 10\)"):
            figure(given)
    assert track_record(trials[[3]]) == track_record(trials[3])


def test_other_refusals():
    with pytest.raises(DataError, match="variance"):
        probabilistic_sharpe_ratio(TrackRecord(2.0, 10, skew=3.0, kurtosis=3.0))
    with pytest.raises(DataError, match="finite figures"):
        TrackRecord(float("nan"), 10)
    with pytest.raises(DataError, match=r"confidence=0\.5"):
        minimum_track_record_length(MONTHS, confidence=0.5)
