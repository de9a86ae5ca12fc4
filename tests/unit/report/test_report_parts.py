"""The parts of a page: each is there when there is input for it, and says what plain pandas says."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollforward.errors import ColumnError, DataError
from rollforward.report import signal_report
from rollforward.report.ages import ages_of_folds, grouped_ages
from rollforward.report.equity import booked_long_short, drawdown_of, of_portfolio
from rollforward.report.inputs import signal_column, tidy_portfolio
from rollforward.report.measures import measure
from rollforward.report.pictures import Pictures
from rollforward.report.shades import bound_of, shade_of
from rollforward.report.smooth import smoothed
from rollforward.report.words import number, short_number


@pytest.fixture(scope="module")
def portfolio():
    rng = np.random.default_rng(5)
    dates = pd.bdate_range("2018-01-01", periods=300)
    daily = pd.DataFrame({"return": rng.normal(0.001, 0.01, 300), "bench": rng.normal(0.0, 0.01, 300)}, index=dates)
    return daily.assign(cost=0.0002, turnover=0.25)


@pytest.fixture(scope="module")
def rich(pred, label, portfolio):
    """A page with everything."""
    table = pd.DataFrame({"IC": [0.03, 0.01], "Rank IC": [0.02, -0.01]})
    return signal_report(
        pred,
        label,
        portfolio=portfolio,
        horizons=table.set_axis(pd.Index([1, 20], name="horizon")),
        ages=table.set_axis(pd.Index([1, 60], name="age")),
    )


def test_what_is_given_has_its_section_and_nothing_else_has(rich, bare):
    for key in ("age", "horizon"):
        assert f'<section id="{key}"' in rich.html
        assert f'<section id="{key}"' not in bare.html
    assert "The account of the backtest" in rich.html
    assert "There is no backtest with this run" in bare.html
    assert ">Equity and drawdown</h2>" in rich.html
    assert ">Long-short equity and drawdown</h2>" in bare.html
    assert {"ic_by_age", "ic_by_horizon", "equity"} <= set(rich.figures)
    assert rich.figures["ic_by_age"] != rich.figures["ic_by_horizon"]


def test_figures_of_a_backtest_are_those_of_qlib(portfolio, rich):
    """Sums, 238 sessions a year, drawdown of the running sum."""
    net = portfolio["return"] - portfolio["cost"]
    excess = net - portfolio["bench"]
    figures = of_portfolio(tidy_portfolio(portfolio)).figures
    for name, daily in (("net of costs", net), ("excess, net of costs", excess), ("benchmark", portfolio["bench"])):
        total = daily.cumsum()
        expected = [daily.mean() * 238, daily.mean() / daily.std() * 238**0.5, (total - total.cummax()).min()]
        assert figures.loc[name].tolist() == pytest.approx(expected)
    pd.testing.assert_frame_equal(rich.tables["equity"], figures)


def test_a_benchmark_of_zeros_is_no_benchmark(portfolio):
    assert list(of_portfolio(tidy_portfolio(portfolio.assign(bench=0.0))).daily) == ["net of costs", "before costs"]


def test_a_backtest_without_returns_is_refused(portfolio):
    with pytest.raises(ColumnError, match="no column 'cost'"):
        tidy_portfolio(portfolio[["return"]])
    with pytest.raises(DataError, match="indexed by"):
        tidy_portfolio(portfolio.reset_index(drop=True))


def test_a_long_short_position_by_hand():
    """Two of ten on each side; the third date swaps both of them."""
    dates = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"])
    index = pd.MultiIndex.from_product([dates, list("abcdefghij")], names=["datetime", "instrument"])
    score = pd.Series([*range(10), *range(10), *range(9, -1, -1)], index, dtype=float)
    label = pd.Series([0.0] * 8 + [0.10, 0.20] + [0.01] * 10 + [0.02, 0.04] + [0.0] * 8, index)
    daily = booked_long_short(score, label, span=1, cost=0.001)
    assert daily["gross"].tolist() == pytest.approx([0.075, 0.0, 0.015])
    assert daily["turnover"].tolist() == pytest.approx([1.0, 0.0, 2.0])
    assert daily["net"].tolist() == pytest.approx([0.074, 0.0, 0.013])
    # A label of two sessions: half of the capital for each date, booked on it.
    halves = booked_long_short(score, label, span=2, cost=0.0)
    assert halves["gross"].tolist() == pytest.approx([0.0375, 0.0, 0.0075])
    assert halves["turnover"].tolist() == pytest.approx([0.5, 0.5, 1.0])


@given(st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=50))
def test_a_drawdown_is_never_above_its_peak(values):
    depth = drawdown_of(pd.Series(values))
    assert (depth <= 1e-12).all()
    assert depth.iloc[0] == 0


def test_ages_count_the_dates_of_each_fold(pred, label):
    measures = measure(signal_column(pred, "prediction", "score"), signal_column(label, "label"))
    years = range(2018, 2022)
    windows = pd.DataFrame(
        {
            "test_start": [pd.Timestamp(f"{year}-01-01") for year in years],
            "test_end": [pd.Timestamp(f"{year}-12-31") for year in years],
        }
    )
    table = ages_of_folds(measures, windows)
    daily = measures.ic.to_frame("IC")
    daily["age"] = daily.groupby(daily.index.year).cumcount() + 1
    for name, row in table.iterrows():
        first, last = map(int, name.split("\N{EN DASH}"))
        chosen = daily["IC"][daily["age"].between(first, last)]
        assert row["IC"] == pytest.approx(chosen.mean())
        assert row["n_dates"] == len(chosen)
    assert table["n_dates"].sum() == len(daily)
    assert ages_of_folds(measures, windows.head(2)) is None
    assert ages_of_folds(measures, None) is None


def test_many_ages_are_brought_into_few_rows():
    ages = pd.DataFrame({"IC": 0.5, "Rank IC": 0.25, "n_dates": 10}, index=pd.RangeIndex(-2, 81, name="age"))
    ages.loc[1, ["IC", "n_dates"]] = [0.0, 90]
    table = grouped_ages(ages)
    assert table.index.tolist()[:2] == ["1\N{EN DASH}10", "11\N{EN DASH}20"]
    assert table["IC"].iloc[0] == pytest.approx(0.5 * 90 / 180)
    assert table["Rank IC"].tolist() == pytest.approx([0.25] * 8)
    assert table["n_dates"].sum() == 80 * 10 + 80
    assert grouped_ages(ages.loc[:20]).index.tolist() == list(range(1, 21))


@pytest.mark.parametrize(
    ("n_dates", "kind"), [(100, "date"), (700, "week"), (2000, "month"), (5000, "quarter"), (15000, "year")]
)
def test_long_series_are_averaged_until_they_can_be_read(n_dates, kind):
    daily = pd.DataFrame({"x": np.arange(float(n_dates))}, index=pd.bdate_range("1960-01-04", periods=n_dates))
    smooth, found = smoothed(daily)
    assert found == kind
    assert len(smooth) <= 160
    assert smooth.index.is_monotonic_increasing
    assert daily.index[0] <= smooth.index[0] <= smooth.index[-1] <= daily.index[-1]
    if kind == "date":
        pd.testing.assert_frame_equal(smooth, daily)
        return
    # A straight line stays one: each mean stands in the middle of its dates.
    slope = np.diff(smooth["x"]) / (np.diff(smooth.index) / pd.Timedelta(days=1))
    assert slope == pytest.approx(np.full(len(slope), 5 / 7), rel=0.4)


@given(st.floats(-2, 2), st.floats(0.01, 1))
def test_a_shade_is_as_deep_as_the_value_is_far(value, bound):
    role = shade_of(value, bound)
    assert role.startswith("warm" if value < 0 else "cold")
    assert shade_of(2 * value, bound)[-1] >= role[-1]
    assert (role[-1] == "3") == (abs(value) / bound * 2 >= 2)


def test_missing_and_constant_values_have_shades_too():
    assert shade_of(float("nan"), 1.0) == ""
    assert bound_of(pd.DataFrame([[np.nan, 0.0]])) == 1.0
    assert bound_of(pd.DataFrame([[-0.5, np.nan, 0.5]])) == 0.5


def test_short_numbers():
    assert [short_number(value) for value in (0.0, -0.004, 0.126, -0.3, 1.25)] == [
        ".00",
        ".00",
        ".13",
        "\N{MINUS SIGN}.30",
        "1.25",
    ]


def test_what_is_rounded_to_zero_has_no_sign():
    assert [number(value, 2) for value in (-0.004, 0.004, -0.006, -1234.5)] == [
        "0.00",
        "0.00",
        "\N{MINUS SIGN}0.01",
        "\N{MINUS SIGN}1,234.50",
    ]


def test_pictures_are_made_once_when_asked_for():
    made = []
    pictures = Pictures({"a": lambda: made.append("a") or b"A", "b": lambda: made.append("b") or b"B"})
    assert list(pictures) == ["a", "b"]
    assert len(pictures) == 2
    assert not made
    assert pictures["b"] == pictures["b"] == b"B"
    assert made == ["b"]
    assert pickle.loads(pickle.dumps(pictures)) == {"a": b"A", "b": b"B"}
    assert pictures == {"a": b"A", "b": b"B"}
    with pytest.raises(KeyError):
        pictures["c"]


def test_plots_are_written_into_a_folder(bare, tmp_path):
    written = bare.save_plots(tmp_path / "plots")
    assert [path.name for path in written] == [f"{name}.png" for name in bare.figures]
    assert written[0].read_bytes() == bare.figures["cumulative_ic"]
