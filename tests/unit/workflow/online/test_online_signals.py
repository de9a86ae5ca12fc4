"""From predictions to what is published."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollforward.errors import ColumnError, DataError
from rollforward.model.ens.ensemble import AverageEnsemble
from rollforward.model.ens.origin import with_origin
from rollforward.workflow.online.signals import (
    between,
    content_sha256,
    merge,
    publish,
    score_of,
    serving_rows,
    strategy_score,
)

DATES = pd.bdate_range("2024-01-02", periods=8)
NAMES = ["A", "B", "C"]


def scores(first, last, seed=0, names=NAMES):
    rows = pd.MultiIndex.from_product([DATES[first : last + 1], names], names=["datetime", "instrument"])
    return pd.Series(np.random.default_rng(seed).normal(size=len(rows)), rows, name="score")


@dataclasses.dataclass(frozen=True)
class Ref:
    recorder_id: str
    model: str
    test: tuple


def ref(name, line="Ridge", start=0):
    return Ref(name, line, (None if start is None else DATES[start], None))


class TestScore:
    def test_whatever_form_a_prediction_has(self):
        expected = scores(0, 2)
        forms = [
            expected.rename(None),
            expected.rename(0),
            expected.to_frame("pred"),
            expected.to_frame().assign(extra=1.0),
            with_origin(expected, cutoff="2024-01-01", recorder_id="a", fold=1),
            with_origin(expected.to_frame("pred"), recorder_id="a"),
            expected.sample(frac=1, random_state=1),
            expected.swaplevel(),
            expected.astype("object"),
        ]
        for form in forms:
            pd.testing.assert_series_equal(score_of(form), expected)

    def test_what_is_no_prediction(self):
        one = scores(0, 1)
        with pytest.raises(ColumnError, match=r"\['a', 'b'\]"):
            score_of(pd.DataFrame({"a": one, "b": one}))
        with pytest.raises(ColumnError, match="levels"):
            score_of(one.reset_index("instrument", drop=True))
        with pytest.raises(DataError, match="twice"):
            score_of(pd.concat([one, one]))


def test_the_rows_between():
    whole = scores(0, 7)
    pd.testing.assert_series_equal(between(whole, DATES[2], DATES[4]), scores(0, 7).loc[DATES[3] : DATES[4]])
    assert len(between(whole)) == len(whole)
    assert between(whole.to_frame(), after=DATES[7]).empty


class TestServing:
    def test_each_session_has_the_rows_of_the_model_that_serves_then(self):
        old, new = scores(0, 7, seed=1), scores(3, 7, seed=2)
        sets = {DATES[2]: [ref("old")], DATES[3]: [ref("old")], DATES[4]: [ref("new")]}
        rows = serving_rows({"old": old, "new": new}, sets)
        expected = pd.concat([old.loc[DATES[2] : DATES[3]], new.loc[DATES[4] : DATES[4]]])
        pd.testing.assert_series_equal(rows["Ridge",], expected)

    def test_lines_stay_apart(self):
        rows = serving_rows({"r": scores(0, 1), "l": scores(0, 1, 1)}, {DATES[0]: [ref("r"), ref("l", "Lasso")]})
        assert set(rows) == {("Ridge",), ("Lasso",)}

    def test_several_models_of_a_line_the_later_one_wins_the_rows_that_it_has(self):
        early, late = scores(0, 3, 1), scores(2, 3, 2, ["A", "B"])
        everything = {date: [ref("late", start=2), ref("early", start=0)] for date in DATES[:4]}
        (rows,) = serving_rows({"early": early, "late": late}, everything).values()
        assert rows.loc[DATES[1], "A"] == early.loc[DATES[1], "A"]
        assert rows.loc[DATES[2], "A"] == late.loc[DATES[2], "A"]
        assert rows.loc[DATES[2], "C"] == early.loc[DATES[2], "C"]
        assert rows.index.is_unique
        assert rows.index.is_monotonic_increasing

    def test_a_model_without_predictions_adds_nothing(self):
        assert serving_rows({}, {DATES[0]: [ref("a", start=None)]}) == {}


ROWS = {
    "s": {("Ridge",): scores(0, 1, 1), ("Lasso",): scores(0, 1, 2)},
    "t": {("Ridge",): scores(0, 1, 3)},
    "shadow": {("Ridge",): scores(0, 1, 4)},
}


class TestPublish:
    def test_the_average_of_those_that_serve(self):
        published = publish(ROWS, ["s", "t"])
        lines = [ROWS["s"]["Ridge",], ROWS["s"]["Lasso",], ROWS["t"]["Ridge",]]
        normal = [one.groupby("datetime").transform(lambda day: (day - day.mean()) / day.std()) for one in lines]
        expected = sum(normal) / 3
        pd.testing.assert_series_equal(published.signals["score"], expected, check_names=False)

    def test_each_strategy_has_its_column_shadows_too(self):
        frame = publish(ROWS, ["s", "t"]).strategies
        assert list(frame.columns) == ["s", "t", "shadow"]
        pd.testing.assert_series_equal(frame["shadow"], ROWS["shadow"]["Ridge",], check_names=False)
        pd.testing.assert_series_equal(frame["s"], AverageEnsemble()(ROWS["s"]), check_names=False)

    def test_a_function_of_the_user_gets_what_qlibs_collectors_give(self):
        seen = []

        def prepare(collected):
            seen.append(collected)
            return next(iter(collected["t", "pred"].values())).to_frame("mine")

        published = publish(ROWS, ["t"], prepare)
        assert list(seen[0]) == [("t", "pred")]
        assert list(seen[0]["t", "pred"]) == [("Ridge",)]
        pd.testing.assert_frame_equal(published.signals, ROWS["t"]["Ridge",].to_frame("score"))

    def test_a_function_that_makes_several_signals(self):
        published = publish(ROWS, ["t"], lambda collected: pd.DataFrame({"buy": scores(0, 1), "sell": scores(0, 1)}))
        assert list(published.signals.columns) == ["buy", "sell"]
        assert merge([published.signals]).shape == (6, 2)

    def test_nothing_to_publish(self):
        for rows in ({}, {"s": {}}, {"s": {("Ridge",): scores(0, 1).iloc[:0]}}):
            published = publish(rows, ["s"])
            assert published.signals.empty
            assert list(published.signals.columns) == ["score"]
            assert list(published.strategies.columns) == list(rows)
            assert list(published.signals.index.names) == ["datetime", "instrument"]
        assert merge([publish({}, []).signals, publish(ROWS, ["s"]).signals]).shape == (6, 1)

    def test_a_single_line_is_published_as_it_is(self):
        assert strategy_score({("Ridge",): scores(0, 1)}) is not None
        pd.testing.assert_series_equal(strategy_score({("Ridge",): scores(0, 1)}), scores(0, 1))


class TestMerge:
    def test_a_later_publication_of_a_date_stands_as_a_whole(self):
        first, second = scores(0, 3, 1).to_frame(), scores(2, 4, 2, ["A", "B"]).to_frame()
        merged = merge([first, second])
        pd.testing.assert_frame_equal(merged, pd.concat([first.loc[: DATES[1]], second]))
        pd.testing.assert_frame_equal(merge([second, first]), pd.concat([first, second.loc[DATES[4] :]]))

    def test_nothing(self):
        assert merge([]).empty
        assert list(merge([]).columns) == ["score"]

    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(1, 3)), max_size=8))
    def test_every_row_once_and_of_the_last_that_published_its_date(self, given_ranges):
        frames = [
            scores(first, min(first + n, 7), seed, NAMES[:n_names]).to_frame()
            for seed, (first, n, n_names) in enumerate(given_ranges)
        ]
        expected = {}
        for frame in frames:
            for date, day in frame.groupby("datetime"):
                expected[date] = {name: value for (_, name), value in day["score"].items()}
        merged = merge(frames)["score"]
        assert merged.index.is_unique
        assert merged.index.is_monotonic_increasing
        assert dict(merged.items()) == {(date, name): v for date, day in expected.items() for name, v in day.items()}


class TestHash:
    def test_it_is_of_values(self):
        frame = scores(0, 3).to_frame()
        same = frame.copy(deep=True)
        same.index = same.index.set_levels(same.index.levels[0].as_unit("s"), level=0)
        assert content_sha256(frame) == content_sha256(same)
        assert len(content_sha256(frame)) == 64

    @pytest.mark.parametrize(
        "change",
        [
            lambda frame: frame * (1 + 1e-15),
            lambda frame: frame.rename(columns={"score": "other"}),
            lambda frame: frame.iloc[1:],
            lambda frame: frame.rename(index={"A": "AB"}),
            lambda frame: frame.where(frame != frame.iloc[0, 0]),
            lambda frame: frame.set_axis(frame.index.set_levels(frame.index.levels[0] + pd.Timedelta(1), level=0)),
        ],
    )
    def test_any_change_shows(self, change):
        frame = scores(0, 3).to_frame()
        assert content_sha256(change(frame)) != content_sha256(frame)

    def test_nothing_and_nan(self):
        nothing = scores(0, 3).iloc[:0].to_frame()
        assert content_sha256(nothing) == content_sha256(merge([]))
        unknown = scores(0, 0).to_frame() * np.nan
        assert content_sha256(unknown) == content_sha256(-unknown)
