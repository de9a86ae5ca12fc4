"""The timeline of a plan as a picture of its own."""

import pandas as pd
import pytest

from rollforward.errors import ColumnError, EmptySegmentError
from rollforward.report import windows as module
from rollforward.report import windows_png


@pytest.fixture
def plan():
    starts = pd.date_range("2020-01-01", periods=4, freq="QS")
    table = pd.DataFrame({"train_start": starts - pd.DateOffset(years=2), "train_end": starts - pd.DateOffset(days=9)})
    return table.assign(test_start=starts, test_end=starts + pd.DateOffset(days=80)).rename_axis("fold")


def test_it_is_a_picture_and_the_same_each_time(plan):
    picture = windows_png(plan, title="Plan")

    assert picture.startswith(b"\x89PNG")
    assert windows_png(plan, title="Plan") == picture
    assert windows_png(plan.head(2), title="Plan") != picture


def test_an_open_test_segment_is_drawn_as_long_as_the_one_before(plan, monkeypatch):
    drawn = []
    draw = module.plots.draw_windows
    monkeypatch.setattr(module.plots, "draw_windows", lambda *args: drawn.append(args[0]) or draw(*args))
    open_ended = plan.astype({"test_end": object})
    open_ended.loc[3, "test_end"] = None

    windows_png(open_ended)
    windows_png(open_ended.tail(1))

    assert drawn[0].loc[3, "test_end"] == plan.loc[3, "test_end"]
    assert drawn[1].loc[0, "test_end"] == plan.loc[3, "test_start"]


def test_what_is_no_plan_is_refused(plan):
    with pytest.raises(EmptySegmentError, match="no fold"):
        windows_png(plan.head(0))
    with pytest.raises(ColumnError, match="test_start"):
        windows_png(plan.drop(columns="test_start"))
