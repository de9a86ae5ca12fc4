from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.data.calendar import Calendar
from rollforward.errors import ColumnError, DataError
from rollforward.evaluation.age import ic_by_age

DAYS = pd.bdate_range("2024-01-01", periods=12)
NAMES = list("ABCD")
COLUMNS = ["IC", "ICIR", "Rank IC", "Rank ICIR", "IC excess", "Rank IC excess", "n_folds", "n_dates", "n_obs"]
UP, DOWN = [1, 2, 3, 4], [4, 3, 2, 1]


def signal(days, values):
    index = pd.MultiIndex.from_product([days, NAMES], names=["datetime", "instrument"])
    return pd.Series(np.asarray(values, dtype=float).ravel(), index, name="score")


LABEL = signal(DAYS, [UP] * 12)
# Two models, trained up to sessions 0 and 3; each is right for three sessions and wrong afterwards.
PREDS = {"first": signal(DAYS[2:8], [UP] * 2 + [DOWN] * 4), "second": signal(DAYS[4:10], [UP] * 3 + [DOWN] * 3)}
CUTOFFS = {"first": DAYS[0], "second": DAYS[3]}


def test_models_are_lined_up_by_the_sessions_since_their_training_ended():
    table = ic_by_age(PREDS, LABEL, cutoffs=CUTOFFS)

    assert list(table.columns) == COLUMNS
    assert table.index.name == "age"
    assert table.index.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert table["IC"].tolist() == pytest.approx([1, 1, 1, -1, -1, -1, -1])
    assert table["n_folds"].tolist() == [1, 2, 2, 2, 2, 2, 1]
    assert table["n_dates"].tolist() == [1, 2, 2, 2, 2, 2, 1]
    assert table["n_obs"].tolist() == [4, 8, 8, 8, 8, 8, 4]


def test_excess_compares_models_on_the_dates_they_share():
    table = ic_by_age(PREDS, LABEL, cutoffs=CUTOFFS)

    # They share sessions 4 to 7: ages 4-7 of the first, 1-4 of the second; the last of these both get wrong.
    expected = [1, 1, 1, (-1 + 0) / 2, -1, -1, 0]
    assert table["IC excess"].tolist() == pytest.approx(expected)
    assert table["Rank IC excess"].tolist() == pytest.approx(expected)


def test_without_shared_dates_there_is_no_excess():
    table = ic_by_age({"first": PREDS["first"]}, LABEL, cutoffs=CUTOFFS)

    assert table["IC excess"].isna().all()
    assert table["IC"].tolist() == pytest.approx([1, 1, -1, -1, -1, -1])


def test_rows_may_hold_several_ages():
    table = ic_by_age(PREDS, LABEL, cutoffs=CUTOFFS, width=3)

    assert table.index.tolist() == [1, 4, 7]
    assert table["n_dates"].tolist() == [5, 6, 1]
    assert table["IC"].tolist() == pytest.approx([1, -1, -1])


def test_the_cutoff_may_stand_beside_the_score_also_in_one_merged_frame():
    frames = {
        key: pred.to_frame().assign(cutoff=CUTOFFS[key], fold=key, recorder_id="r") for key, pred in PREDS.items()
    }
    expected = ic_by_age(PREDS, LABEL, cutoffs=CUTOFFS)

    pd.testing.assert_frame_equal(ic_by_age(frames, LABEL), expected)
    merged = pd.concat([frames["first"].loc[: DAYS[3]], frames["second"]])
    alone = {"first": PREDS["first"].loc[: DAYS[3]], "second": PREDS["second"]}
    pd.testing.assert_frame_equal(ic_by_age(merged, LABEL), ic_by_age(alone, LABEL, cutoffs=CUTOFFS))


def test_sessions_are_those_of_the_calendar():
    sparse = DAYS.delete([1, 5])
    table = ic_by_age(PREDS, LABEL, Calendar(DAYS, current_end=DAYS[3]), cutoffs=CUTOFFS)
    assert table.index.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert ic_by_age(PREDS, LABEL, sparse, cutoffs=CUTOFFS).index.tolist() == [1, 2, 3, 4, 5]


def test_a_cutoff_between_sessions_counts_the_next_session_as_one():
    weekend = pd.Timestamp("2024-01-06")
    table = ic_by_age({0: signal(DAYS[5:7], [UP, UP])}, LABEL, cutoffs={0: weekend})

    assert table.index.tolist() == [1, 2]


def test_dates_that_a_model_was_trained_on_have_ages_below_one():
    assert ic_by_age({0: signal(DAYS[2:5], [UP] * 3)}, LABEL, cutoffs={0: DAYS[3]}).index.tolist() == [-1, 0, 1]
    assert ic_by_age({0: signal(DAYS[2:5], [UP] * 3)}, LABEL, cutoffs={0: DAYS[3]}, width=2).index.tolist() == [-1, 1]


def test_a_cutoff_outside_what_is_known_is_refused():
    with pytest.raises(DataError, match="a calendar that holds them all"):
        ic_by_age(PREDS, LABEL, cutoffs=CUTOFFS | {"first": "2023-12-29"})
    with pytest.raises(DataError, match="a calendar that holds them all"):
        ic_by_age(PREDS, LABEL, DAYS[:6], cutoffs=CUTOFFS)


@pytest.mark.parametrize(
    "preds",
    [PREDS, PREDS["first"].to_frame(), {0: PREDS["first"].to_frame().assign(cutoff=pd.NaT)}],
    ids=["no cutoffs", "no column", "missing"],
)
def test_predictions_of_unknown_age_are_refused(preds):
    with pytest.raises(ColumnError, match="do not say when their training ended"):
        ic_by_age(preds, LABEL)


def test_nothing_to_judge():
    with pytest.raises(DataError, match="preds is empty"):
        ic_by_age({}, LABEL)
    with pytest.raises(DataError, match="width is 0"):
        ic_by_age(PREDS, LABEL, cutoffs=CUTOFFS, width=0)
    with pytest.raises(DataError, match="pred has more than one row for A"):
        ic_by_age({"first": pd.concat([PREDS["first"]] * 2)}, LABEL, cutoffs=CUTOFFS)
    with pytest.raises(DataError, match="time zones: None, UTC"):
        ic_by_age(PREDS, LABEL, cutoffs=CUTOFFS | {"first": DAYS[0].tz_localize("UTC")})
    assert ic_by_age(PREDS, LABEL * np.nan, DAYS, cutoffs=CUTOFFS).empty


def test_rows_in_any_order_and_labels_of_more_dates():
    mixed = {key: pred.sample(frac=1, random_state=1) for key, pred in PREDS.items()}

    pd.testing.assert_frame_equal(
        ic_by_age(mixed, LABEL.sample(frac=1, random_state=2), cutoffs=CUTOFFS),
        ic_by_age(PREDS, LABEL, cutoffs=CUTOFFS),
    )
