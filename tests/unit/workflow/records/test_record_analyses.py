"""What `SigAnaRecord` adds to Qlib's figures; answers come from plain pandas."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rollforward import DatasetH, PriceHandler
from rollforward.errors import DataError, MissingArtifactError, TaskError
from rollforward.evaluation.age import ic_by_age
from rollforward.evaluation.alpha import calc_ic
from rollforward.evaluation.monthly import monthly_ic
from rollforward.workflow.record_temp import SigAnaRecord

QLIB = ["ic.pkl", "ric.pkl"]
CHEAP = ["quantile_returns.pkl", "rank_autocorrelation.pkl", "turnover.pkl"]


def stored(recorder):
    return sorted(name.removeprefix("sig_analysis/") for name in recorder.objects if name.startswith("sig_analysis/"))


def wide(column):
    return column.unstack("instrument")  # noqa: PD010  # each pair is there once: nothing to pivot


def rank_ic(pred, label):
    return np.mean([pred.loc[day].corr(label.loc[day], method="spearman") for day in pred.index])


def test_the_input_decides_what_is_computed(recorder, signal):
    SigAnaRecord(recorder).generate()
    assert stored(recorder) == sorted(QLIB + CHEAP)
    groups = dict.fromkeys(signal.names[:6], "a") | dict.fromkeys(signal.names[6:], "b")
    SigAnaRecord(recorder, prices=signal.prices, groups=groups).generate()
    assert stored(recorder) == sorted([*QLIB, *CHEAP, "ic_by_group.csv", "ic_by_horizon.csv", "long_short_net.pkl"])


def test_none_and_one(recorder):
    SigAnaRecord(recorder, analyses=()).generate()
    assert stored(recorder) == QLIB
    assert set(recorder.metrics) == {"IC", "ICIR", "Rank IC", "Rank ICIR"}
    record = SigAnaRecord(recorder, analyses="turnover")
    record.generate()
    assert record.list() == [*QLIB, "turnover.pkl"] == stored(recorder)


def test_quantiles_are_those_of_pandas(recorder, signal):
    SigAnaRecord(recorder, analyses={"quantiles": {"n_quantiles": 3}}).generate()
    pred, label = wide(signal.pred["score"]), wide(signal.label["LABEL0"])
    group = pred.apply(lambda row: pd.qcut(row, 3, labels=False), axis=1)
    expected = pd.DataFrame({k + 1: label.where(group == k).mean(axis=1) for k in range(3)})
    np.testing.assert_allclose(recorder.objects["sig_analysis/quantile_returns.pkl"], expected)
    spread = expected[3] - expected[1]
    assert recorder.metrics["Quantile Spread"] == pytest.approx(spread.mean())
    assert recorder.metrics["Quantile Spread IR"] == pytest.approx(spread.mean() / spread.std())


def test_turnover_and_autocorrelation(recorder, signal):
    SigAnaRecord(recorder, analyses={"turnover": {"n_quantiles": 3, "lag": 2}, "autocorrelation": None}).generate()
    pred = wide(signal.pred["score"])
    group = pred.apply(lambda row: pd.qcut(row, 3, labels=False), axis=1)
    left = {k: ((group == k) & (group.shift(2) != k)).sum(axis=1) / (group == k).sum(axis=1) for k in (0, 2)}
    assert recorder.metrics["Top Quantile Turnover"] == pytest.approx(left[2].iloc[2:].mean())
    assert recorder.metrics["Bottom Quantile Turnover"] == pytest.approx(left[0].iloc[2:].mean())
    steady = [pred.loc[day].corr(pred.shift(1).loc[day], method="spearman") for day in pred.index[1:]]
    assert recorder.metrics["Rank Autocorrelation"] == pytest.approx(np.mean(steady))
    assert recorder.objects["sig_analysis/rank_autocorrelation.pkl"].isna().sum() == 1


def test_horizons_from_prices(recorder, signal):
    SigAnaRecord(recorder, analyses={"horizons": {"horizons": [1, 5]}}, prices=signal.prices).generate()
    table = recorder.objects["sig_analysis/ic_by_horizon.csv"]
    assert list(table.index) == [1, 5]
    five = (signal.prices.shift(-6) / signal.prices.shift(-1) - 1).loc[signal.days]
    expected = rank_ic(wide(signal.pred["score"]), five)
    assert table["Rank IC"][5] == recorder.metrics["Rank IC h5"] == pytest.approx(expected)
    # The stored label is the return of one session.
    assert recorder.metrics["IC h1"] == pytest.approx(recorder.metrics["IC"])


def test_horizons_from_labels(recorder, signal):
    recorder.objects["label.pkl"] = signal.label.assign(LABEL1=-signal.pred["score"])
    SigAnaRecord(recorder, analyses={"horizons": {"labels": {1: "LABEL0", 5: 1}}}).generate()
    assert recorder.metrics["IC h1"] == pytest.approx(recorder.metrics["IC"])
    assert recorder.metrics["Rank IC h5"] == pytest.approx(-1)
    with pytest.raises(DataError, match="no column 'LABEL7'"):
        SigAnaRecord(recorder, analyses={"horizons": {"labels": {1: "LABEL7"}}}).generate()


def test_groups(recorder, signal):
    groups = pd.Series(["a"] * 6 + ["b"] * 6, signal.names)
    SigAnaRecord(recorder, analyses=["groups"], groups=groups).generate()
    table = recorder.objects["sig_analysis/ic_by_group.csv"]
    pred, label = wide(signal.pred["score"]), wide(signal.label["LABEL0"])
    for name, members in (("a", signal.names[:6]), ("b", signal.names[6:])):
        assert table["Rank IC"][name] == pytest.approx(rank_ic(pred[members], label[members]))


def test_long_short_pays_for_its_trades(recorder, signal):
    record = SigAnaRecord(recorder, analyses={"long_short": {"cost": 0.001}}, prices=signal.prices, ann_scaler=100)
    record.generate()
    table = recorder.objects["sig_analysis/long_short_net.pkl"]
    np.testing.assert_allclose(table["net"], table["gross"] - 0.001 * table["turnover"])
    net = table["net"].dropna()
    assert recorder.metrics["Long-Short Net Ann Return"] == pytest.approx(net.mean() * 100)
    assert recorder.metrics["Long-Short Net Ann Sharpe"] == pytest.approx(net.mean() / net.std() * 10)
    assert recorder.metrics["Long-Short Turnover"] == pytest.approx(table["turnover"].mean())


@pytest.mark.parametrize("known_by", ["tag", "handler", "task"])
def test_long_short_holds_as_long_as_the_label_spans_and_pays(recorder, signal, known_by, monkeypatch):
    dataset = SimpleNamespace(handler=SimpleNamespace(label_lookahead=6)) if known_by == "handler" else None
    if known_by == "tag":
        monkeypatch.setattr(recorder, "list_tags", lambda: {"label_horizon": "5"}, raising=False)
    if known_by == "task":
        recorder.objects["task"] = {"label_lookahead": 6}
    SigAnaRecord(recorder, analyses=["long_short"], prices=signal.prices, dataset=dataset).generate()
    found = recorder.objects["sig_analysis/long_short_net.pkl"]
    given = {"long_short": {"cost": 0.001, "holding": 5}}
    SigAnaRecord(recorder, analyses=given, prices=signal.prices).generate()
    pd.testing.assert_frame_equal(found, recorder.objects["sig_analysis/long_short_net.pkl"])


def test_age_from_the_column_cutoff(recorder, signal):
    cutoff = signal.pred.index.get_level_values("datetime").map(
        lambda day: signal.days[0 if day < signal.days[9] else 9]
    )
    recorder.objects["pred.pkl"] = signal.pred.assign(cutoff=cutoff)
    SigAnaRecord(recorder, analyses={"age": {"width": 5}}, prices=signal.prices).generate()
    table = recorder.objects["sig_analysis/ic_by_age.csv"]
    pd.testing.assert_frame_equal(
        table, ic_by_age(recorder.objects["pred.pkl"], signal.label, pd.DatetimeIndex(signal.prices.index), width=5)
    )
    assert table["n_dates"].sum() == 30


def test_age_from_overlapping_predictions(recorder, signal):
    recorder.objects["folds.pkl"] = {"first": signal.pred, "second": signal.pred.iloc[120:]}
    cutoffs = {"first": signal.days[0], "second": signal.days[9]}
    SigAnaRecord(recorder, analyses={"age": {"preds": "folds.pkl", "cutoffs": cutoffs}}).generate()
    assert recorder.objects["sig_analysis/ic_by_age.csv"]["n_folds"].max() == 2


def test_months(recorder, signal):
    SigAnaRecord(recorder, analyses=["monthly"]).generate()
    ic, _ = calc_ic(signal.pred, signal.label)
    pd.testing.assert_frame_equal(recorder.objects["sig_analysis/monthly_ic.csv"], monthly_ic(ic))


@pytest.mark.parametrize(
    ("name", "lack"),
    [("horizons", "no prices"), ("long_short", "no prices"), ("groups", "no groups"), ("age", "no column 'cutoff'")],
)
def test_an_analysis_that_is_asked_for_and_has_no_input_is_an_error(recorder, name, lack):
    with pytest.raises(DataError, match=rf"analysis '{name}': .*{lack}"):
        SigAnaRecord(recorder, analyses=[name]).generate()
    assert stored(recorder) == []


def test_what_the_input_does_not_allow_is_left_out_with_a_line_in_the_log(recorder, signal, caplog):
    few = signal.pred.loc[(slice(None), signal.names[:4]), :]
    recorder.objects["pred.pkl"] = few.loc[signal.days[:1]]
    with caplog.at_level(logging.INFO):
        SigAnaRecord(recorder).generate()
    assert stored(recorder) == QLIB
    for name in ("quantiles", "turnover", "autocorrelation", "horizons", "groups"):
        assert f"The analysis '{name}' is left out" in caplog.text
    with pytest.raises(DataError, match="no date has 5 predictions"):
        SigAnaRecord(recorder, analyses=["quantiles"]).generate()


def test_rows_that_are_there_twice_do_not_stop_qlibs_figures(recorder, signal, caplog):
    twice = pd.concat([signal.pred, signal.pred.iloc[:3]])
    recorder.objects |= {"pred.pkl": twice, "label.pkl": pd.concat([signal.label, signal.label.iloc[:3]])}
    with caplog.at_level(logging.INFO):
        SigAnaRecord(recorder).generate()
    assert "there twice" in caplog.text
    assert "ic.pkl" in stored(recorder)


def test_prices_of_the_handler_when_they_are_asked_for(recorder, signal):
    dataset = DatasetH(PriceHandler(source=signal.prices, features=["MOM5"]), {"test": (None, None)})
    SigAnaRecord(recorder, dataset=dataset).generate()
    assert "ic_by_horizon.csv" not in stored(recorder)
    SigAnaRecord(recorder, analyses=["horizons"], dataset=dataset).generate()
    assert recorder.metrics["IC h1"] == pytest.approx(recorder.metrics["IC"])


def test_prices_that_are_an_artifact_and_missing(recorder, signal):
    with pytest.raises(MissingArtifactError, match=r"prices\.pkl"):
        SigAnaRecord(recorder, prices="prices.pkl").generate()
    assert SigAnaRecord(recorder, prices="prices.pkl", optional=True).generate() is None
    recorder.objects["prices.pkl"] = signal.prices
    SigAnaRecord(recorder, prices="prices.pkl").generate()
    assert "ic_by_horizon.csv" in stored(recorder)


@pytest.mark.parametrize(
    ("analyses", "message"),
    [
        (["quantile"], "no analysis 'quantile'.*(?s:.*)Did you mean 'quantiles'"),
        ({"turnover": {"lags": 2}}, "no option 'lags'.*(?s:.*)Did you mean 'lag'"),
        ({"groups": {"x": 1}}, "no options"),
    ],
)
def test_a_misspelt_analysis_is_found_at_once(recorder, analyses, message):
    with pytest.raises(TaskError, match=message):
        SigAnaRecord(recorder, analyses=analyses)


def test_a_label_that_is_given_needs_no_stored_one(recorder, signal):
    del recorder.objects["label.pkl"]
    with pytest.raises(MissingArtifactError):
        SigAnaRecord(recorder).generate()
    SigAnaRecord(recorder).generate(label=signal.label)
    assert recorder.metrics["IC"] > 0.3
    del recorder.objects["pred.pkl"]
    with pytest.raises(MissingArtifactError):
        SigAnaRecord(recorder).generate(label=signal.label)
