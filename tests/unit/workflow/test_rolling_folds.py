"""The table of the folds of a job, and the addresses in it."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from rollforward.errors import DataError, LoadObjectError, MissingArtifactError
from rollforward.workflow.rolling.folds import fold_status, fold_table, merge_folds, run_url

START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


class Stored:
    """A recorder that was read."""

    status = "FINISHED"
    experiment_id = "7"

    def __init__(self, name, ended=START + dt.timedelta(seconds=90), objects=None, **tags):
        self.id = name
        self.started_at, self.ended_at = START, ended
        self.tags = {"model": "M", "test_start": f"2020-0{name}-01", "test_end": f"2020-0{name}-20"} | tags
        self.objects = objects or {}

    @property
    def info(self):
        return {"id": self.id, "start_time": "2020-01-01 00:00:00"}

    def list_tags(self):
        return self.tags

    def load_object(self, name):
        if name not in self.objects:
            raise LoadObjectError(f"no {name}")
        return self.objects[name]


def frame(month):
    rows = pd.MultiIndex.from_product([pd.bdate_range(f"2020-0{month}-01", periods=2), ["A"]])
    return pd.DataFrame({"score": [1.0, 2.0]}, rows.set_names(["datetime", "instrument"]))


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("http://host:5000", "http://host:5000/#/experiments/7/runs/1"),
        ("https://me:secret@host/mlflow/", "https://host/mlflow/#/experiments/7/runs/1"),
    ],
)
def test_a_server_gives_each_fold_an_address_without_the_credentials(uri, url):
    assert run_url(Stored("1"), uri) == url
    assert list(fold_table(pd.DataFrame(index=[0]), [Stored("1")], ["trained"], uri)["url"]) == [url]


def test_a_database_gives_none():
    table = fold_table(pd.DataFrame(index=[0, 1]), [Stored("1"), Stored("2", None)], ["trained"] * 2, "sqlite:///x.db")

    assert "url" not in table
    assert table["seconds"].tolist()[:1] == [90.0]
    assert table["seconds"].isna().tolist() == [False, True]
    assert list(table["recorder_id"]) == ["1", "2"]


def test_the_status_says_who_fitted_a_model():
    tasks = [{}, {"refit": False}, {"refit": False}, {"refit": False}]
    recorders = [Stored("1"), Stored("2", model_from="1"), Stored("3"), Stored("4", model_from="1")]

    assert fold_status(tasks, recorders, ["4"]) == ["trained", "predicted", "trained", "reused"]


def test_folds_are_merged_in_time_order_and_a_missing_one_is_named():
    whole = [Stored(name, objects={"pred.pkl": frame(name), "label.pkl": frame(name)}) for name in "21"]

    merged = merge_folds(whole)

    assert merged["pred"].equals(pd.concat([frame(1), frame(2)]))
    with pytest.raises(MissingArtifactError, match=r"(?s)label.*run 3.*SignalRecord"):
        merge_folds([*whole, Stored("3", objects={"pred.pkl": frame(3)})])


def test_folds_that_all_predict_nothing_are_an_error():
    empty = {"pred.pkl": frame(1).iloc[:0], "label.pkl": frame(1).iloc[:0]}
    with pytest.raises(DataError, match="2 folds are without rows"):
        merge_folds([Stored("1", objects=empty), Stored("2", objects=empty)])
