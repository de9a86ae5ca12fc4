"""Prices and groups, in every form that a record takes them."""

from __future__ import annotations

import pandas as pd
import pytest

from rollforward import DatasetH, PriceHandler
from rollforward.data.handler import DataHandler
from rollforward.data.loader import FrameLoader
from rollforward.errors import ColumnError, DataError
from rollforward.workflow.record_temp.sources import find_groups, find_prices, has_prices


def nothing(name):
    raise AssertionError(name)


def long_of(prices):
    return prices.rename_axis(index="datetime", columns="instrument").stack().rename("close")


@pytest.mark.parametrize("form", ["wide", "long", "series", "csv", "loader", "function", "artifact", "field"])
def test_forms_of_prices(form, signal, tmp_path):
    long = long_of(signal.prices)
    load = nothing
    if form == "csv":
        given = str(tmp_path / "prices.csv")
        signal.prices.to_csv(given, index_label="date")
    elif form == "artifact":
        given, load = "prices.pkl", {"prices.pkl": signal.prices}.__getitem__
    elif form == "field":
        given = {"source": pd.DataFrame({"close": long * 0, "Adj Close": long}), "field": "Adj Close"}
    else:
        forms = {"wide": signal.prices, "long": long.to_frame(), "series": long}
        given = forms.get(form, FrameLoader(signal.prices) if form == "loader" else lambda *_: signal.prices)
    found = find_prices(given, load)
    pd.testing.assert_series_equal(found, long, check_names=False, check_index_type=False)


def test_prices_of_handlers(signal):
    dataset = DatasetH(PriceHandler(source=signal.prices, features=["MOM5"]), {"test": (None, None)})
    assert has_prices(dataset)
    pd.testing.assert_series_equal(find_prices(None, nothing, dataset), long_of(signal.prices), check_index_type=False)
    column = find_prices({"column": "LABEL0"}, nothing, dataset)
    assert column.dropna().round(9).isin((signal.prices.shift(-6) / signal.prices.shift(-1) - 1).stack().round(9)).all()
    frame = long_of(signal.prices).to_frame("$close")
    plain = DatasetH(DataHandler(data_loader=frame), {"test": (None, None)})
    assert not has_prices(plain)
    pd.testing.assert_series_equal(
        find_prices({"column": "$close"}, nothing, plain), frame["$close"], check_index_type=False
    )


def test_prices_that_cannot_be_found(signal):
    with pytest.raises(DataError, match=r"There are no prices(?s:.*)bundled:sp500_close"):
        find_prices(None, nothing)
    with pytest.raises(DataError, match="there is none"):
        find_prices({"column": "$close"}, nothing)
    both = pd.DataFrame({"open": long_of(signal.prices), "high": 1.0})
    with pytest.raises(ColumnError, match="called 'close'"):
        find_prices(both, nothing)
    with pytest.raises(ColumnError, match="Did you mean 'open'"):
        find_prices({"source": both, "field": "opn"}, nothing)
    with pytest.raises(DataError, match="not a source"):
        find_prices(3, nothing)


def test_forms_of_groups(tmp_path):
    expected = {"000001": "bank", "AAPL": "tech"}
    path = tmp_path / "groups.csv"
    pd.Series(expected, name="group").rename_axis("instrument").to_csv(path)
    for given in (expected, pd.Series(expected), pd.Series(expected).to_frame("sector"), str(path), path):
        assert dict(find_groups(given, nothing)) == expected
    assert find_groups("groups.pkl", {"groups.pkl": expected}.__getitem__) is expected
    with pytest.raises(DataError, match="type int"):
        find_groups(3, nothing)
