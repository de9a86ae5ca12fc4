"""Processors: Qlib's names, each against a recomputation with plain pandas."""

from __future__ import annotations

import logging
import pickle

import numpy as np
import pandas as pd
import pytest

from rollforward.data import processor as processor_package
from rollforward.data.processor import (
    Clip,
    CSRankNorm,
    CSZFillna,
    CSZScoreNorm,
    DropCol,
    DropnaLabel,
    DropnaProcessor,
    Fillna,
    FilterCol,
    MinMaxNorm,
    ProcessInf,
    Processor,
    RobustZScoreNorm,
    TanhProcess,
    ZScoreNorm,
    build_processors,
)
from rollforward.errors import ColumnError, DataError, EmptySegmentError

START, END = "2020-01-03", "2020-01-07"


@pytest.fixture
def df():
    """Ten days, four instruments (one listed late), two features, a label; some values are missing."""
    rng = np.random.default_rng(5)
    days = pd.date_range("2020-01-01", periods=10)
    index = pd.MultiIndex.from_product([days, list("ABCD")], names=["datetime", "instrument"])
    columns = pd.MultiIndex.from_tuples([("feature", "x"), ("feature", "y"), ("label", "LABEL0")])
    frame = pd.DataFrame(rng.normal(2, 3, (40, 3)), index=index, columns=columns)
    frame.iloc[rng.integers(0, 40, 6), 0] = np.nan
    frame.iloc[rng.integers(0, 40, 6), 2] = np.nan
    return frame.drop([(day, "D") for day in days[:3]])


def fitted(processor, df):
    processor.fit(df)
    return processor(df)


def test_zscore(df):
    window = df.loc[START:END]
    expected = (df - window.mean()) / window.std(ddof=0)
    pd.testing.assert_frame_equal(fitted(ZScoreNorm(START, END), df), expected)


def test_minmax(df):
    window = df.loc[START:END]
    expected = (df - window.min()) / (window.max() - window.min())
    pd.testing.assert_frame_equal(fitted(MinMaxNorm(START, END), df), expected)


@pytest.mark.parametrize("clip", [True, False])
def test_robust_zscore(df, clip):
    df.iloc[-1, 1] = 1e6
    window = df.loc[START:END, ["feature"]]
    deviation = (window - window.median()).abs().median() * 1.4826
    expected = (df[["feature"]] - window.median()) / deviation
    expected = expected.clip(-3, 3) if clip else expected
    result = fitted(RobustZScoreNorm(START, END, fields_group="feature", clip_outlier=clip), df)
    pd.testing.assert_frame_equal(result[["feature"]], expected)
    # The label is not of the group, so it is not clipped either.
    pd.testing.assert_frame_equal(result[["label"]], df[["label"]])


@pytest.mark.parametrize("cls", [ZScoreNorm, MinMaxNorm, RobustZScoreNorm])
def test_constant_column_is_centred_only(df, cls):
    df[("feature", "x")] = 0.1
    df.iloc[-1, 0] = 0.35
    result = fitted(cls(START, END), df)[("feature", "x")]
    assert (result.iloc[:-1] == 0).all()
    assert result.iloc[-1] == pytest.approx(0.25)


def test_zero_mad_is_no_scale(df):
    df[("feature", "x")] = 0.0
    df.loc[("2020-01-04", "A"), ("feature", "x")] = 0.5
    result = fitted(RobustZScoreNorm(START, END), df)
    assert result.loc[("2020-01-04", "A"), ("feature", "x")] == 0.5


@pytest.mark.parametrize("cls", [ZScoreNorm, MinMaxNorm, RobustZScoreNorm])
def test_fit_window_without_rows(df, cls):
    with pytest.raises(EmptySegmentError, match=r"2021-01-01 to None(.|\n)*2020-01-10"):
        cls("2021-01-01", None).fit(df)


def test_column_without_a_value_in_the_fit_window_becomes_missing(df, caplog):
    df.loc[START:END, ("feature", "x")] = np.nan
    with caplog.at_level(logging.WARNING):
        result = fitted(ZScoreNorm(START, END), df)
    assert result[("feature", "x")].isna().all()
    assert "'x'" in caplog.text


def test_fitted_processor_is_used_on_other_data_by_column_name(df):
    processor = ZScoreNorm(START, END, fields_group="feature")
    processor.fit(df)
    other = df.loc["2020-01-08":, [("label", "LABEL0"), ("feature", "y"), ("feature", "x")]]
    pd.testing.assert_frame_equal(processor(other)[df.columns], processor(df).loc["2020-01-08":])
    with pytest.raises(ColumnError, match="'x'"):
        processor(df.drop(columns=[("feature", "x")]))


def test_unfitted_processor_is_refused(df):
    with pytest.raises(DataError, match="not fitted"):
        MinMaxNorm(START, END)(df)


def test_what_was_learned_survives_pickling(df):
    processor = RobustZScoreNorm(START, END)
    processor.fit(df)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(processor))(df), processor(df))


def test_fit_window_can_be_moved(df):
    processor = ZScoreNorm("2020-01-01", "2020-01-02")
    processor.config(fit_start_time=START, fit_end_time=END)
    pd.testing.assert_frame_equal(fitted(processor, df), fitted(ZScoreNorm(START, END), df))
    Fillna().config(fit_start_time=START)


@pytest.mark.parametrize("group", [None, "feature", "label", ["feature", "label"]])
def test_cross_sectional_zscore(df, group):
    part = df if group is None or isinstance(group, list) else df[[group]]
    expected = part.groupby(level="datetime", group_keys=False).apply(lambda x: (x - x.mean()) / x.std())
    result = CSZScoreNorm(group)(df)
    pd.testing.assert_frame_equal(result[expected.columns], expected)
    untouched = [column for column in df.columns if column not in expected.columns]
    pd.testing.assert_frame_equal(result[untouched], df[untouched])


def test_cross_sectional_robust_zscore(df):
    df.loc[("2020-01-05", "A"), ("feature", "x")] = 1e4

    def robust(x):
        x = x - x.median()
        return (x / (x.abs().median() * 1.4826)).clip(-3, 3)

    expected = df.groupby(level="datetime", group_keys=False).apply(robust)
    pd.testing.assert_frame_equal(CSZScoreNorm(method="robust")(df), expected)
    with pytest.raises(DataError, match="'zcore'"):
        CSZScoreNorm(method="zcore")


@pytest.mark.parametrize("method", ["zscore", "robust"])
def test_cross_section_without_spread_is_zero(df, method):
    df.loc["2020-01-05", ("feature", "x")] = 0.1
    df.loc["2020-01-06", ("feature", "x")] = np.nan
    df.loc[("2020-01-06", "B"), ("feature", "x")] = 7.0
    result = CSZScoreNorm("feature", method=method)(df)[("feature", "x")]
    assert (result.xs("2020-01-05") == 0).all()
    assert result.xs("2020-01-06").fillna(-1).to_dict() == {"A": -1, "B": 0, "C": -1, "D": -1}


@pytest.mark.parametrize("sparse", [False, True])
def test_cross_sectional_rank(df, sparse):
    df[("feature", "y")] = df[("feature", "y")].round()
    if sparse:  # as contracts that come and go: a matrix of times x instruments would be nearly empty
        index = df.index.to_frame(index=False)
        index["instrument"] += index["datetime"].dt.strftime("%m%d")
        df.index = pd.MultiIndex.from_frame(index)
    expected = df.groupby(level="datetime", group_keys=False).apply(lambda x: (x.rank(pct=True) - 0.5) * 3.46)
    pd.testing.assert_frame_equal(CSRankNorm()(df), expected)


@pytest.mark.parametrize("method", ["zscore", "robust"])
def test_infinite_values_in_a_cross_section_do_not_warn(df, method):
    spoilt = df.copy()
    spoilt.loc["2020-01-02", ("feature", "x")] = [np.inf, -np.inf, np.inf, 1.0][: len(spoilt.loc["2020-01-02"])]

    result, expected = (CSZScoreNorm("feature", method=method)(frame) for frame in (spoilt, df))

    pd.testing.assert_frame_equal(result.drop(pd.Timestamp("2020-01-02")), expected.drop(pd.Timestamp("2020-01-02")))


def test_cross_sectional_fill(df):
    df.loc["2020-01-05", ("feature", "x")] = np.nan
    expected = df.groupby(level="datetime", group_keys=False).apply(lambda x: x.fillna(x.mean()))
    result = CSZFillna()(df)
    pd.testing.assert_frame_equal(result, expected)
    assert result.loc["2020-01-05", ("feature", "x")].isna().all()


def test_process_inf(df):
    df.loc[("2020-01-05", "A"), ("feature", "x")] = np.inf
    df.loc[("2020-01-05", "B"), ("feature", "x")] = -np.inf
    df.loc["2020-01-06", ("feature", "y")] = np.inf
    result = ProcessInf()(df)
    finite = df.loc[[("2020-01-05", "C"), ("2020-01-05", "D")], ("feature", "x")]
    assert result.loc[("2020-01-05", "A"), ("feature", "x")] == pytest.approx(finite.mean())
    assert result.loc["2020-01-06", ("feature", "y")].isna().all()
    assert not np.isinf(result.to_numpy()).any()


def test_drops(df):
    pd.testing.assert_frame_equal(DropnaProcessor()(df), df.dropna())
    pd.testing.assert_frame_equal(DropnaProcessor("feature")(df), df[df["feature"].notna().all(axis=1)])
    pd.testing.assert_frame_equal(DropnaLabel()(df), df[df[("label", "LABEL0")].notna()])
    assert not DropnaLabel().is_for_infer()
    assert DropnaProcessor().is_for_infer()


def test_columns(df):
    assert list(DropCol(["x"])(df).columns) == [("feature", "y"), ("label", "LABEL0")]
    assert list(FilterCol("feature", ["y"])(df).columns) == [("feature", "y"), ("label", "LABEL0")]
    flat = df["feature"]
    assert list(DropCol(["x"])(flat).columns) == ["y"]
    with pytest.raises(ColumnError, match="LABEL0"):
        DropCol(["LABEL"])(df)
    with pytest.raises(ColumnError, match="'z'"):
        FilterCol("feature", ["z"])(df)


def test_fillna(df):
    pd.testing.assert_frame_equal(Fillna()(df), df.fillna(0))
    only = Fillna(fields_group="feature", fill_value=-1)(df)
    pd.testing.assert_frame_equal(only[["feature"]], df[["feature"]].fillna(-1))
    pd.testing.assert_frame_equal(only[["label"]], df[["label"]])


def test_clip(df):
    pd.testing.assert_frame_equal(Clip(-1, 1, fields_group=None)(df), df.clip(-1, 1))
    pd.testing.assert_frame_equal(Clip(None, 1)(df)[["feature"]], df[["feature"]].clip(upper=1))
    with pytest.raises(DataError):
        Clip(1, -1)
    with pytest.raises(DataError):
        Clip(None, None)


def test_tanh_leaves_labels(df):
    result = TanhProcess()(df)
    pd.testing.assert_frame_equal(result[["feature"]], np.tanh(df[["feature"]] - 1))
    pd.testing.assert_frame_equal(result[["label"]], df[["label"]])


@pytest.mark.parametrize(
    "processor",
    [
        Fillna(fields_group="featur"),
        CSRankNorm("featur"),
        Clip(fields_group="featur"),
        ZScoreNorm(START, END, "featur"),
    ],
)
def test_unknown_group_names_the_nearest(df, processor):
    with pytest.raises(ColumnError, match="Did you mean 'feature'"):
        fitted(processor, df)


ALL = [
    DropnaProcessor(),
    DropnaLabel(),
    DropCol(["x"]),
    FilterCol("feature", ["x"]),
    Fillna(),
    Fillna("feature"),
    ProcessInf(),
    TanhProcess(),
    Clip(),
    ZScoreNorm(START, END),
    RobustZScoreNorm(START, END, "feature"),
    MinMaxNorm(START, END),
    CSZScoreNorm(),
    CSZScoreNorm("label", method="robust"),
    CSRankNorm("label"),
    CSZFillna(),
]


@pytest.mark.parametrize("processor", ALL, ids=lambda p: type(p).__name__)
def test_no_processor_changes_what_it_is_given(df, processor):
    df.iloc[3, 1] = np.inf
    before = df.copy()
    assert processor.readonly()
    result = fitted(processor, df)
    pd.testing.assert_frame_equal(df, before)
    if len(result):
        result = result.copy()
        result.iloc[:, 0] = 0.0
        pd.testing.assert_frame_equal(df, before)


@pytest.mark.parametrize("processor", ALL, ids=lambda p: type(p).__name__)
def test_frame_without_rows_stays_so(df, processor):
    processor.fit(df)
    assert processor(df.iloc[:0]).empty


@pytest.mark.parametrize("processor", ALL, ids=lambda p: type(p).__name__)
def test_number_types_stay(df, processor):
    df = df.astype({("feature", "x"): "float32"})
    result = fitted(processor, df)
    assert (result.dtypes == df.dtypes[result.columns]).all()


def test_building_from_configurations(df):
    ready = Fillna()
    built = build_processors(
        [
            "DropnaLabel",
            {"class": "Clip", "kwargs": {"lower": -2}},
            {"class": "CSRankNorm", "module_path": "rollforward.data.processor", "kwargs": {"fields_group": "label"}},
            {"class": "ZScoreNorm", "kwargs": {"fit_start_time": "2000-01-01", "fields_group": "feature"}},
            ready,
        ],
        START,
        END,
    )
    assert [type(processor).__name__ for processor in built] == [
        "DropnaLabel",
        "Clip",
        "CSRankNorm",
        "ZScoreNorm",
        "Fillna",
    ]
    assert built[1].lower == -2
    assert (built[3].fit_start_time, built[3].fit_end_time) == (START, END)
    assert built[4] is ready


def test_fit_window_may_start_open_but_not_end_open():
    (processor,) = build_processors(["ZScoreNorm"], None, END)
    assert (processor.fit_start_time, processor.fit_end_time) == (None, END)
    with pytest.raises(DataError, match="fit_end_time"):
        build_processors(["ZScoreNorm"])


@pytest.mark.parametrize("config", [3, np.tanh, {"class": "dict", "module_path": "builtins"}])
def test_what_is_no_processor_is_refused(config):
    with pytest.raises(DataError, match="not a processor"):
        build_processors([config])


def test_every_listed_name_is_there():
    for name in dir(processor_package):
        assert getattr(processor_package, name) is not None
    assert issubclass(ZScoreNorm, Processor)
    with pytest.raises(AttributeError):
        _ = processor_package.ZScore
