"""What the report says, and that it says the same thing twice."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pandas as pd
import pytest

from rollforward.errors import ColumnError, DataError
from rollforward.report import SignalReport, inputs, signal_report
from rollforward.report.picture import to_svg
from rollforward.report.plots.canvas import Shape, held_back
from rollforward.report.plots.ic import draw_cumulative_ic
from rollforward.report.words import MISSING

REASONS = "fewer than two instruments, or no variation in score or label"
ALWAYS = [
    "cumulative_ic",
    "ic_by_year",
    "ic_by_month",
    "quantile_returns",
    "quantile_spread",
    "turnover",
    "equity",
]
BETWEEN = "between the first prediction and the last, the first on"
PNG = b"\x89PNG\r\n\x1a\n"


def daily_correlation(pred: pd.DataFrame, label: pd.Series, method: str) -> pd.Series:
    pairs = pd.concat([pred["score"], label], axis=1).dropna()
    return pairs.groupby(level="datetime").apply(lambda day: day.iloc[:, 0].corr(day.iloc[:, 1], method=method))


def rank_correlation(pred: pd.DataFrame, label: pd.Series) -> pd.Series:
    pairs = pd.concat([pred["score"], label], axis=1).dropna().groupby(level="datetime").rank()
    return daily_correlation(pairs.iloc[:, [0]], pairs.iloc[:, 1], "pearson")


def test_summary_equals_plain_pandas(pred, label, bare):
    ic, ric = daily_correlation(pred, label, "pearson"), rank_correlation(pred, label)
    expected = {
        "IC": ic.mean(),
        "ICIR": ic.mean() / ic.std(),
        "Rank IC": ric.mean(),
        "Rank ICIR": ric.mean() / ric.std(),
    }
    assert bare.summary == pytest.approx(expected, rel=1e-12)


def test_page_shows_the_headline_figures(pred, label, folds):
    report = signal_report(pred, label, folds=folds, title="Ridge", subtitle="sp500", when="2024-05-01 12:00")
    for words in (f"{report.summary['IC']:.4f}", f"{report.summary['Rank ICIR']:.3f}", "<h1>Ridge</h1>", "sp500"):
        assert words in report.html
    assert "Made 2024-05-01 12:00." in report.html
    assert '<dt>Folds</dt><dd class="value">4</dd>' in report.html
    assert '<dt>Instruments</dt><dd class="value">8</dd>' in report.html
    assert "2018-01-01 to 2021-12-24" in report.html


def test_figures_are_pngs_at_two_pixels_per_point(usual):
    figures = usual.figures
    assert list(figures) == ["windows", *ALWAYS, "ic_by_age"]
    for png in figures.values():
        assert png.startswith(PNG)
        assert struct.unpack(">I", png[16:20]) == (2048,)


def test_without_folds_there_are_no_windows(pred, label, bare):
    assert list(bare.figures) == ALWAYS
    assert list(bare.tables) == ["ic_by_year", "ic_by_month", "equity"]
    assert ">Windows</h2>" not in bare.html
    assert ">Folds</h2>" not in bare.html
    assert signal_report(pred, label, folds=pd.DataFrame(), horizon=1).html == bare.html


def test_tables_hold_years_and_folds(pred, label, folds):
    before = folds.copy()
    tables = signal_report(pred, label, folds=folds).tables
    assert list(tables["ic_by_year"].index) == [2018, 2019, 2020, 2021, "all"]
    ic = daily_correlation(pred, label, "pearson")
    assert tables["folds"]["IC"].tolist() == pytest.approx([ic.loc[str(year)].mean() for year in range(2018, 2022)])
    assert tables["folds"]["name"].tolist() == ["0", "1", "2", "3"]
    assert tables["folds"]["test_start"].iloc[0] == pd.Timestamp("2018-01-01")
    assert pd.isna(tables["folds"]["test_end"].iloc[-1])
    pd.testing.assert_frame_equal(folds, before)


def test_figures_that_the_caller_brings_for_a_fold_are_kept(pred, label, folds):
    table = signal_report(pred, label, folds=folds.assign(IC=0.5)).tables["folds"]
    assert table["IC"].tolist() == [0.5] * 4
    assert table["Rank IC"].abs().max() < 0.5


def test_same_input_gives_the_same_bytes_in_any_order_of_rows(pred, label, folds, usual):
    shuffled = signal_report(pred.sample(frac=1, random_state=1), label.iloc[::-1], folds=folds, horizon=1)
    assert shuffled.html == usual.html
    assert shuffled.figures == usual.figures


def test_forms_of_the_same_input_are_alike(pred, label, folds, usual):
    stamps = folds.copy()
    for column in stamps.columns[:6]:
        stamps[column] = pd.to_datetime(stamps[column])
    swapped = pred["score"].swaplevel()
    wide_label = label.to_frame()
    wide_label.columns = pd.MultiIndex.from_tuples([("label", "LABEL0")])
    assert signal_report(swapped, wide_label, folds=stamps, horizon=1).html == usual.html
    assert signal_report(pred.assign(cutoff=0), label, folds=folds, horizon=1).html == usual.html


@pytest.mark.parametrize("style", ["dark_background", "ggplot"])
def test_a_style_of_the_user_changes_nothing_and_is_left_alone(pred, label, folds, usual, style):
    with mpl.rc_context():
        mpl.style.use(style)
        before = dict(mpl.rcParams)
        styled = signal_report(pred, label, folds=folds, horizon=1)
        assert dict(mpl.rcParams) == before
    assert styled.html == usual.html
    assert styled.figures == usual.figures


def test_nothing_heavy_is_loaded_before_a_report_and_never_pyplot():
    code = """
import sys
import rollforward.report
assert not {"matplotlib", "pandas", "jinja2"} & set(sys.modules), "import is heavy"
import pandas as pd
rows = pd.MultiIndex.from_product([pd.bdate_range("2020-01-01", periods=9), list("ABC")], names=["datetime", "instrument"])
score = pd.Series([i * 7 % 5 + i / 99 for i in range(27)], rows)
rollforward.report.signal_report(score, -score * 0.01)
assert "matplotlib.pyplot" not in sys.modules, "pyplot"
assert "mlflow" not in sys.modules, "mlflow"
"""
    environment = os.environ | {"PYTHONPATH": str(Path(inputs.__file__).parents[2])}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120, env=environment)


def test_a_remark_on_overlap_follows_the_horizon(pred, label, bare):
    assert "A label spans 5 sessions, so neighbouring ones overlap" in signal_report(pred, label, horizon=5).html
    assert "do not overlap" in bare.html
    assert "If a label spans more than one session" in signal_report(pred, label).html


def test_without_a_horizon_there_is_no_equity_and_a_note_says_why(pred, label, bare):
    unknown = signal_report(pred, label)
    assert 'id="equity"' in bare.html
    assert 'id="equity"' not in unknown.html
    assert "equity" not in unknown.figures
    assert "How many sessions a label spans is not known" in unknown.html
    assert "How many sessions" not in bare.html
    assert "How many sessions" not in signal_report(pred, label, percent=False).html, "no money, no equity"


@pytest.mark.parametrize("horizon", [0, -5, True])
def test_a_horizon_below_one_is_refused(pred, label, horizon):
    with pytest.raises(DataError, match=f"horizon is {horizon}"):
        signal_report(pred, label, horizon=horizon)


@pytest.mark.parametrize("side", [0, 1])
def test_dates_of_another_time_zone_are_refused(pred, label, side):
    sides = [pred, label]
    sides[side] = sides[side].tz_localize("UTC", level="datetime")
    with pytest.raises(DataError, match="different time zones: None, UTC"):
        signal_report(*sides, horizon=1)
    sides[1 - side] = sides[1 - side].tz_localize("UTC", level="datetime")
    assert signal_report(*sides, horizon=1).summary == signal_report(pred, label, horizon=1).summary


def test_a_year_of_two_dates_is_marked_and_sets_no_scale():
    dates = pd.DatetimeIndex([*pd.bdate_range("2018-01-01", "2018-12-31"), *pd.bdate_range("2019-01-01", periods=2)])
    rows = pd.MultiIndex.from_product([dates, list("ABCDEFGHIJ")], names=["datetime", "instrument"])
    target = pd.Series(np.random.default_rng(1).normal(0, 0.02, len(rows)), rows)
    score = pd.Series(np.random.default_rng(2).normal(0, 0.02, len(rows)), rows)
    score[score.index.get_level_values("datetime").year == 2019] = target
    found = signal_report(score, target, horizon=1)
    years = section(found.html, "years")
    assert '<th scope="row">2019*</th>' in years
    assert "* Fewer than 20 dates" in years
    widths = [float(width) for width in re.findall(r"width:([0-9.]+)%", years)]
    assert max(widths[:2]) > 30, "2018 is not crushed by the IC of 1 of 2019"
    assert max(widths) <= 100
    assert ">2019*</text>" in section(found.html, "quantiles")
    assert found.figures["ic_by_year"] != signal_report(score[:-20], target[:-20], horizon=1).figures["ic_by_year"]
    table = pd.DataFrame({"IC": [0.1, 0.9, -0.2], "Rank IC": [0.0, np.nan, 0.3]}, index=[2018, 2019, 2020])
    held = held_back(table, [2019])
    assert held.index.tolist() == [2018, "2019*", 2020]
    assert held["IC"].tolist() == [0.1, 0.3, -0.2]
    # Where all years are short, each counts.
    short = signal_report(score[-20:], target[-20:], horizon=1)
    assert "2019*" not in short.html


def test_labels_that_are_no_returns_are_not_written_as_percentages(pred, label, bare):
    whole = signal_report(pred, label, percent=False).html
    for key in ("quantiles", "spread"):
        assert " %</text>" in section(bare.html, key)
        assert " %</text>" not in section(whole, key)
    assert 'id="equity"' not in whole


def section(html: str, key: str) -> str:
    begin = html.index(f'<section id="{key}"')
    return html[begin : html.index("</section>", begin)]


@pytest.mark.parametrize("n_folds", [1, 300])
def test_any_number_of_folds_can_be_drawn(pred, label, n_folds):
    starts = pd.date_range("2018-01-01", "2021-12-31", periods=n_folds + 1).normalize()
    folds = pd.DataFrame({"test_start": starts[:-1], "test_end": starts[1:] - pd.Timedelta(days=1)})
    report = signal_report(pred, label, folds=folds)
    assert report.figures["windows"].startswith(PNG)
    assert section(report.html, "folds").count('<th scope="row">') == n_folds


@pytest.mark.parametrize("n_dates", [1, 2])
def test_a_day_or_two_is_enough(n_dates):
    rows = pd.MultiIndex.from_product(
        [pd.bdate_range("2024-01-02", periods=n_dates), ["A", "B", "C"]], names=["datetime", "instrument"]
    )
    score = pd.Series(np.arange(3.0 * n_dates) ** 2, rows)
    report = signal_report(score, score.rank() / 100)
    assert report.summary["Rank IC"] == pytest.approx(1)
    assert f">{MISSING}</td>" in report.html  # no deviation, no ratio


@pytest.mark.parametrize("n_dates", [5, 20, 45, 90, 130, 260, 400, 640, 900, 1300, 2600])
def test_dates_of_any_length_get_an_axis_without_a_warning(n_dates):
    dates = pd.bdate_range("2018-07-02", periods=n_dates)
    daily = pd.Series(np.random.default_rng(7).normal(size=n_dates), dates)

    for shape in (Shape(1024, 320), Shape(360, 250, narrow=True)):
        assert "<text" in to_svg(draw_cumulative_ic(daily, -daily, shape), "")


def series(values, dates=("2024-01-02", "2024-01-02"), instruments=("A", "B")) -> pd.Series:
    index = pd.MultiIndex.from_arrays(
        [pd.to_datetime(list(dates)), list(instruments)], names=["datetime", "instrument"]
    )
    return pd.Series(values, index)


GOOD = series([1.0, 2.0])


@pytest.mark.parametrize(
    ("pred", "label", "error", "words"),
    [
        (GOOD[:0], GOOD, DataError, "prediction is empty"),
        (GOOD, GOOD[:0], DataError, "label is empty"),
        (GOOD * np.nan, GOOD, DataError, "All 2 values of the prediction are missing"),
        (GOOD, GOOD * np.nan, DataError, "All 2 values of the label are missing"),
        (GOOD, series([1.0, 2.0], instruments=("C", "D")), DataError, "No row has both"),
        (series([1.0, 1.0]), GOOD, DataError, "No date has an information coefficient"),
        (series([1.0, 2.0], instruments=("A", "A")), GOOD, DataError, "1 duplicate rows, the first at"),
        (GOOD.reset_index(drop=True), GOOD, DataError, "two index levels"),
        (GOOD.rename_axis(["day", "instrument"]), GOOD, ColumnError, "levels datetime and instrument"),
        (series(["a", "b"]), GOOD, DataError, "Expected: numbers"),
        (pd.DataFrame({"a": GOOD, "b": GOOD}), GOOD, ColumnError, "a column 'score', or one column only"),
        (GOOD, pd.DataFrame({"a": GOOD, "b": GOOD}), ColumnError, "Expected: one column"),
        (GOOD.to_numpy(), GOOD, DataError, "is a ndarray"),
        (
            GOOD.set_axis(pd.MultiIndex.from_arrays([["x", "y"], ["A", "B"]], names=["datetime", "instrument"])),
            GOOD,
            DataError,
            "timestamps",
        ),
    ],
)
def test_input_that_cannot_be_judged_is_refused(pred, label, error, words):
    with pytest.raises(error, match=words):
        signal_report(pred, label)


@pytest.mark.parametrize(
    ("folds", "error", "words"),
    [
        ({"train_start": ["2020-01-01"]}, ColumnError, "no column 'test_start'"),
        ({"test_start": ["soon"], "test_end": [None]}, DataError, "'test_start' of the folds holds what is no date"),
    ],
)
def test_folds_that_cannot_be_read_are_refused(pred, label, folds, error, words):
    with pytest.raises(error, match=words):
        signal_report(pred, label, folds=pd.DataFrame(folds))


def test_findings_stand_first(pred, label, folds):
    frozen = pred.copy()
    frozen.loc["2019-03-04":"2019-03-05", "score"] = 1.0
    frozen.loc[("2019-03-06", "A"), "score"] = np.inf
    frozen = frozen.drop(frozen.loc["2020-01-01":"2020-12-31"].index)
    folds["test_start"] = ["2018-01-03", "2018-12-31", "2020-01-01", "2021-01-01"]
    folds.loc[1, "status"] = "FAILED"
    html = signal_report(frozen, label, folds=folds, horizon=1, notes=["The caller's own."]).html
    notes = html[html.index('<aside class="notes">') : html.index("</aside>")].splitlines()
    assert [line.removeprefix("<li>").removesuffix("</li>") for line in notes if line.startswith("<li>")] == [
        "The caller&#39;s own.",
        f"Labelled dates without an IC: 2 ({REASONS}). They are left out; 776 remain.",
        "Infinite scores and labels: 1. They count as missing.",
        "Predicted dates outside every test window: 2, the first on 2018-01-01.",
        "Predicted dates in the test windows of several folds: 1, the first on 2018-12-31.",
        "Folds without a prediction in their test window: 2.",
        "Folds that did not finish: 1.",
        f"Dates with labels but without any score: 262 {BETWEEN} 2020-01-01.",
    ]


def test_a_clean_signal_needs_no_notes(usual):
    assert "Read first" not in usual.html


def test_save_writes_the_page_whole(bare, tmp_path):
    path = tmp_path / "new" / "report.html"
    assert bare.save(path) == path
    assert path.read_text(encoding="utf-8") == bare.html
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]


def test_a_failing_save_leaves_the_old_page(bare, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(DataError, match="No space left on device"):
        bare.save(path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_notebook_shows_the_page_in_a_frame_and_repr_stays_short(pred, label):
    report = signal_report(pred, label, title='"quoted"')
    assert isinstance(report, SignalReport)
    frame = report._repr_html_()
    assert frame.startswith("<iframe srcdoc=")
    assert frame.count('"') == 6
    assert len(repr(report)) < 300
