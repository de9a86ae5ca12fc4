from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import percentileofscore

from rollforward.errors import DataError
from rollforward.model.ens.blend import RankEnsemble, WeightedEnsemble
from rollforward.model.ens.ensemble import AverageEnsemble
from rollforward.model.ens.origin import with_origin

DATES = pd.bdate_range("2020-01-01", periods=4)
LEVELS = ["datetime", "instrument"]


def predictions(*values, dates=DATES[:1], names="ABC"):
    index = pd.MultiIndex.from_product([dates, list(names[: len(values)])], names=LEVELS)
    return pd.Series(np.resize(np.array(values, dtype=float), len(index)), index=index, name="score")


MODELS = {"m1": predictions(1, 2, 6), "m2": predictions(10, 0, 20)}


def test_weights_of_standardised_scores():
    """Standardised by hand: m1 (-2, -1, 3) / sqrt(7), m2 (0, -1, 1)."""
    made = WeightedEnsemble({"m1": 3, "m2": 1})(MODELS)

    assert made.name is None
    assert made.tolist() == pytest.approx([-6 / 4 / 7**0.5, -(3 / 7**0.5 + 1) / 4, (9 / 7**0.5 + 1) / 4])


def test_only_the_ratio_of_weights_counts():
    pd.testing.assert_series_equal(
        WeightedEnsemble({"m1": 3, "m2": 1})(MODELS), WeightedEnsemble({"m1": 0.3, "m2": 0.1})(MODELS)
    )


def test_weights_by_a_function_and_of_zero():
    pd.testing.assert_series_equal(
        WeightedEnsemble(lambda key: float(key == "m2"))(MODELS), AverageEnsemble()({"m2": MODELS["m2"]})
    )


def test_weights_are_renormalised_in_each_row():
    partly = {"m1": predictions(1, 2, 3), "m2": predictions(np.nan, 4), "m3": predictions(8)}

    made = WeightedEnsemble({"m1": 1, "m2": 3, "m3": 2}, scale="none")(partly)

    assert made.tolist() == [(1 + 16) / 3, (2 + 12) / 4, 3]


def test_a_row_that_only_a_model_without_weight_knows_is_unknown():
    made = WeightedEnsemble({"m1": 1, "m2": 0}, scale="none")({"m1": predictions(1, 2), "m2": predictions(5, 5, 5)})

    assert made.tolist()[:2] == [1, 2]
    assert np.isnan(made.iloc[2])


def test_weights_by_date():
    models = {"m1": predictions(1, 1, dates=DATES), "m2": predictions(2, 2, dates=DATES)}
    weights = {"m1": pd.Series([1.0, 3.0, np.nan], DATES[:3]), "m2": pd.Series([1.0, 1.0, 1.0], DATES[:3])}

    made = WeightedEnsemble(weights, scale="none")(models)

    assert made.groupby("datetime").first().tolist()[:3] == [1.5, 1.25, 2]
    assert made[DATES[3]].isna().all()


def test_keys_of_groups_and_of_inner_dictionaries():
    nested = {"x": {("Ridge",): MODELS["m1"]}, ("Tree",): MODELS["m2"]}
    expected = WeightedEnsemble({"m1": 1, "m2": 2})(MODELS)

    pd.testing.assert_series_equal(WeightedEnsemble({("x", "Ridge"): 1, "Tree": 2})(nested), expected)
    pd.testing.assert_series_equal(WeightedEnsemble({("x", "Ridge"): 1, ("Tree",): 2})(nested), expected)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"m1": 1}, r"missing: \['m2'\]"),
        ({"m1": 1, "m2": 1, "m3": 1}, r"without a prediction: \['m3'\]"),
        ({"m1": 1, "m2": -1}, "'m2' is -1"),
        ({"m1": 1, "m2": float("nan")}, "finite"),
        ({"m1": 1, "m2": float("inf")}, "finite"),
        ({"m1": 0, "m2": 0.0}, "All weights are 0"),
        ({"m1": 1, "m2": "much"}, "'much'"),
        ({"m1": 1, "m2": [1, 2]}, "is a list"),
        ({"m1": 1, "m2": pd.Series([1.0, -2.0], DATES[:2])}, "0 or more"),
        ({"m1": 1, "m2": pd.Series([1.0, 2.0], DATES[[0, 0]])}, "a date twice"),
        (lambda key: -2.0, "'m1' is -2"),
    ],
)
def test_wrong_weights(weights, said):
    with pytest.raises(DataError, match=said):
        WeightedEnsemble(weights)(MODELS)


def test_other_refusals():
    with pytest.raises(DataError, match="'z'"):
        WeightedEnsemble({}, scale="z")
    with pytest.raises(DataError, match="same key"):
        WeightedEnsemble({"a": 1})({"a": MODELS["m1"], ("a",): MODELS["m2"]})
    with pytest.raises(DataError, match="nothing to average"):
        RankEnsemble()({})
    with pytest.raises(DataError, match="not all numbers"):
        RankEnsemble()({"a": MODELS["m1"].to_frame().assign(sector="bank")})


def test_ranks_of_two_models():
    made = RankEnsemble()({"a": predictions(5, 9, 100), "b": predictions(3, 1, 2)})

    assert made.tolist() == pytest.approx([(1 / 6 + 5 / 6) / 2, (3 / 6 + 1 / 6) / 2, (5 / 6 + 3 / 6) / 2])


def test_ranks_are_those_of_scipy():
    values = np.random.default_rng(1).integers(0, 6, 8 * len(DATES))
    series = predictions(*values[:8], dates=DATES, names="ABCDEFGH")
    series[:] = values

    made = RankEnsemble()({"x": series.sample(frac=1, random_state=0)})

    for day in DATES:
        expected = percentileofscore(series[day], series[day], kind="mean") / 100
        np.testing.assert_allclose(made[day], expected)


def test_ranks_do_not_know_a_constant_and_a_single_instrument():
    assert RankEnsemble()({"a": predictions(0.1, 0.1, 0.1)}).isna().all()
    assert RankEnsemble()({"a": predictions(4)}).isna().all()


def test_weighted_ranks():
    made = RankEnsemble({"a": 3, "b": 1})({"a": predictions(1, 2), "b": predictions(2, 1)})

    assert made.tolist() == pytest.approx([(3 * 0.25 + 0.75) / 4, (3 * 0.75 + 0.25) / 4])


def test_origins_are_left_aside():
    carried = {key: with_origin(series, fold=1, recorder_id="r") for key, series in MODELS.items()}

    pd.testing.assert_series_equal(RankEnsemble()(carried), RankEnsemble()(MODELS))
