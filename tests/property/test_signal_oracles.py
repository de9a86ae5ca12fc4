"""Horizons, groups, turnover, long-short and age against loops over dates in plain pandas and scipy."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from ragged import NAMES, assert_close, by_date, pairwise, panels
from scipy import stats

from rollforward.errors import DataError
from rollforward.evaluation.age import ic_by_age
from rollforward.evaluation.alpha import ic_summary
from rollforward.evaluation.bydate import Panel
from rollforward.evaluation.groups import ic_by_group
from rollforward.evaluation.horizon import ic_by_horizon
from rollforward.evaluation.long_short import long_short_returns
from rollforward.evaluation.turnover import quantile_turnover, rank_autocorrelation

DAYS = pd.bdate_range("2024-01-02", periods=6)


def known_by_date(pred):
    """Known predictions by name of each date, also of dates that have none, in the order of the rows."""
    known = {date: {} for date in sorted(pred.index.get_level_values("datetime").unique())}
    for (date, name), value in pred.dropna().items():
        known[date][name] = value
    return known


def condensed(frame):
    """A row of a table of ICs, from pairs of prediction and label."""
    ic, ric = (by_date(frame["pred"], frame["label"], pairwise(corr)) for corr in (stats.pearsonr, stats.spearmanr))
    judged = frame.dropna().groupby(level="datetime").size().reindex(ic.dropna().index)
    return [*ic_summary(ic, ric).values(), ic.notna().sum(), judged.sum()]


@settings(max_examples=25, deadline=None)
@given(panels(), st.integers(0, 2), st.integers(0, 2**32 - 1))
def test_horizons_equal_shifted_prices(panel, delay, seed):
    pred = panel[0]
    prices = pd.DataFrame(np.random.default_rng(seed).uniform(1, 2, (9, 12)), pd.bdate_range(DAYS[0], periods=9), NAMES)
    prices = prices.where(prices < 1.9)
    prices = prices.rename_axis(index="datetime", columns="instrument")
    table = ic_by_horizon(pred, prices, (1, 3), delay=delay)

    for horizon in (1, 3):
        label = (prices.shift(-delay - horizon) / prices.shift(-delay) - 1).stack()
        expected = condensed(pd.DataFrame({"pred": pred, "label": label.reindex(pred.index)}))
        np.testing.assert_allclose(table.loc[horizon].to_numpy(float), expected, rtol=1e-7, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(panels(), st.lists(st.sampled_from(["u", "v", "w", None]), min_size=12, max_size=12), st.booleans())
def test_groups_equal_selections(panel, letters, is_changing):
    pred, label = panel
    frame = pd.DataFrame({"pred": pred, "label": label})
    if not any(letters):
        return
    groups = pd.Series(letters, NAMES, dtype=object)
    of_row = frame.index.get_level_values("instrument").map(groups)
    if is_changing:
        groups = pd.Series(np.asarray(of_row), frame.index).sample(frac=1, random_state=0)
    try:
        table = ic_by_group(pred, label, groups)
    except DataError:
        assert not of_row[frame.notna().all(axis=1)].notna().any()
        return

    for group, row in table.iterrows():
        expected = condensed(frame[of_row == group])
        np.testing.assert_allclose(row.to_numpy(float), expected, rtol=1e-7, atol=1e-12)
    assert set(of_row[frame.notna().all(axis=1)].dropna()) <= set(table.index)


@settings(max_examples=40, deadline=None)
@given(panels(), st.integers(2, 5), st.integers(1, 3))
def test_turnover_equals_comparing_sets(panel, n_quantiles, lag):
    groups = []
    for known in known_by_date(panel[0]).values():
        values = np.array(list(known.values()))
        edges = [np.quantile(values, k / n_quantiles) for k in range(1, n_quantiles)] if known else []
        members = defaultdict(set)
        for name, value in known.items():
            members[1 + sum(value > edge for edge in edges)].add(name)
        groups.append(members)
    table = quantile_turnover(panel[0], n_quantiles, lag)

    for at, members in enumerate(groups):
        for k in range(1, n_quantiles + 1):
            before = groups[at - lag][k] if at >= lag else set()
            expected = len(members[k] - before) / len(members[k]) if members[k] and before else np.nan
            np.testing.assert_allclose(table.iloc[at][k], expected)


@settings(max_examples=40, deadline=None)
@given(panels(), st.integers(1, 3))
def test_rank_autocorrelation_equals_scipy(panel, lag):
    dates = known_by_date(panel[0])
    days, expected = list(dates), []
    for at, known in enumerate(dates.values()):
        before = dates[days[at - lag]] if at >= lag else {}
        both = [(value, before[name]) for name, value in known.items() if name in before]
        expected.append(pairwise(stats.spearmanr)(pd.DataFrame(both, columns=["pred", "label"])))

    assert_close(rank_autocorrelation(panel[0], lag), pd.Series(expected, days, dtype=float))


@settings(max_examples=40, deadline=None)
@given(panels(), st.sampled_from([0.2, 0.34, 0.5]), st.integers(1, 3))
def test_long_short_equals_keeping_books(panel, quantile, holding):
    pred, returns = panel
    try:
        table = long_short_returns(pred, returns, quantile, cost=0.01, holding=holding)
    except DataError:
        assert pred.dropna().index.intersection(returns.index).empty
        return
    choices, books = [], [defaultdict(float)]
    for date, known in known_by_date(pred).items():
        names = sorted(known, key=known.get)
        size = int(len(known) * quantile)
        best = sorted(known, key=lambda name: -known[name])[:size]
        choices.append(dict.fromkeys(best, 0.5 / max(size, 1)))
        for name in names[:size]:
            choices[-1][name] = choices[-1].get(name, 0) - 0.5 / size
        book = defaultdict(float)
        for choice in choices[-holding:]:
            for name, weight in choice.items():
                book[name] += weight / holding
        books.append(book)
        traded = sum(abs(book[name] - books[-2][name]) for name in NAMES)
        gross = earned(book, {name: returns.get((date, name), np.nan) for name in NAMES})
        np.testing.assert_allclose(table.loc[date], [gross, traded, traded * 0.01, gross - traded * 0.01], atol=1e-12)


def earned(book, returns):
    total = 0.0
    for sign in (1, -1):
        side = {name: weight for name, weight in book.items() if weight * sign > 1e-15}
        known = {name: weight for name, weight in side.items() if not np.isnan(returns[name])}
        if side:
            rest = sum(known.values())
            total += sum(side.values()) * sum(known[n] * returns[n] for n in known) / rest if known else np.nan
    return total


@settings(max_examples=25, deadline=None)
@given(st.lists(panels(), min_size=1, max_size=3), st.integers(1, 3))
def test_age_equals_counting_sessions(folds, width):
    label = folds[0][1]
    calendar = pd.bdate_range("2023-12-01", periods=60)
    cutoffs = {key: calendar[15 + 3 * key] for key in range(len(folds))}
    table = ic_by_age({key: pred for key, (pred, _) in enumerate(folds)}, label, calendar, cutoffs=cutoffs, width=width)

    rows = []
    for key, (pred, _) in enumerate(folds):
        frame = pd.DataFrame({"pred": pred, "label": label.reindex(pred.index)})
        ic = by_date(frame["pred"], frame["label"], pairwise(stats.pearsonr)).dropna()
        ages = [sum((calendar > cutoffs[key]) & (calendar <= date)) for date in ic.index]
        rows += [
            (key, date, value, (age - 1) // width * width + 1)
            for (date, value), age in zip(ic.items(), ages, strict=True)
        ]
    daily = pd.DataFrame(rows, columns=["fold", "date", "IC", "age"])
    assert sorted(table.index) == sorted(daily["age"].unique())
    for age, part in daily.groupby("age"):
        others = [daily[daily["date"] == date]["IC"] for date in part["date"]]
        excess = [ic - other.mean() for ic, other in zip(part["IC"], others, strict=True) if len(other) > 1]
        row = table.loc[age]
        np.testing.assert_allclose(row["IC"], part["IC"].mean(), atol=1e-9)
        np.testing.assert_allclose(row["IC excess"], np.mean(excess) if excess else np.nan, atol=1e-9)
        assert (row["n_folds"], row["n_dates"]) == (part["fold"].nunique(), len(part))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_rows_are_sorted_within_their_date_whatever_the_dates_sizes(sizes, seed):
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(len(sizes)), sizes)
    values = rng.choice([0.0, 1.0, 2.0, np.inf, -np.inf, np.nan], len(code))
    panel = Panel(values, values, code, pd.RangeIndex(len(sizes)), code, pd.RangeIndex(len(sizes)))

    assert panel.order(values).tolist() == np.lexsort((values, code)).tolist()
