from __future__ import annotations

import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from rollforward.errors import InstantiationError, MissingDependencyError, ModelError
from rollforward.model.base import Model, Reweighter
from rollforward.model.sklearn import SklearnModel

DATES = pd.bdate_range("2020-01-01", periods=120)
SEGMENTS = {"train": slice(0, 80), "valid": slice(80, 100), "test": slice(100, 120)}


takes_validation_rows = pytest.mark.skipif(
    "X_val" not in inspect.signature(HistGradientBoostingRegressor.fit).parameters, reason="scikit-learn before 1.7"
)


class FrameDataset:
    """A dataset over one frame, with the method that models use."""

    def __init__(self, frame, segments=tuple(SEGMENTS)):
        self.frame = frame
        self.segments = {name: (DATES[SEGMENTS[name]][0], DATES[SEGMENTS[name]][-1]) for name in segments}
        self.asked = []

    def prepare(self, segments, col_set=None, data_key="infer"):
        self.asked.append((segments, data_key))
        start, end = self.segments[segments] if isinstance(segments, str) else segments
        rows = self.frame.loc[start:end]
        return rows[col_set]


@pytest.fixture(autouse=True)
def _one_thread():
    """Boosting with a thread per core crawls when the cores are busy with other tests."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([DATES, [f"S{i}" for i in range(10)]], names=["datetime", "instrument"])
    x = rng.normal(size=(len(index), 4))
    y = x[:, 0] - 0.5 * x[:, 1] ** 2 + rng.normal(scale=0.5, size=len(index))
    columns = [("feature", name) for name in ("MOM5", "VOL 20", "Ref($close,1)", "x")] + [("label", "LABEL0")]
    return pd.DataFrame(np.column_stack([x, y]), index, pd.MultiIndex.from_tuples(columns))


def test_predicts_what_the_estimator_itself_predicts(frame):
    dataset = FrameDataset(frame)
    model = SklearnModel("sklearn.linear_model.Ridge", alpha=2.0)
    model.fit(dataset)
    score = model.predict(dataset)
    train, test = frame.loc[slice(*dataset.segments["train"])], frame.loc[slice(*dataset.segments["test"])]
    direct = Ridge(alpha=2.0).fit(train["feature"], train[("label", "LABEL0")])
    np.testing.assert_allclose(score.to_numpy(), direct.predict(test["feature"]))
    assert score.name == "score"
    assert score.index.equals(test.index)
    assert score.index.names == ["datetime", "instrument"]
    assert isinstance(model, Model)
    assert model(dataset, "valid").index.equals(frame.loc[slice(*dataset.segments["valid"])].index)


@takes_validation_rows
def test_learns_from_learn_data_and_predicts_infer_data(frame):
    dataset = FrameDataset(frame)
    model = SklearnModel(HistGradientBoostingRegressor, max_iter=5, random_state=0)
    model.fit(dataset)
    model.predict(dataset)
    assert dataset.asked == [("train", "learn"), ("valid", "learn"), ("test", "infer")]


def test_a_model_without_use_for_valid_does_not_load_it(frame):
    dataset = FrameDataset(frame)
    SklearnModel().fit(dataset)
    assert dataset.asked == [("train", "learn")]


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("sklearn.linear_model.Ridge", {"alpha": 3.0}),
        (Ridge, {"alpha": 3.0}),
        (Ridge(alpha=1.0), {"alpha": 3.0}),
        ({"class": "Ridge", "module_path": "sklearn.linear_model", "kwargs": {"alpha": 3.0}}, {}),
    ],
)
def test_an_estimator_is_named_in_four_ways(estimator, params):
    assert SklearnModel(estimator, **params).estimator.get_params()["alpha"] == 3.0


def test_a_given_instance_stays_unfitted(frame):
    given = LinearRegression()
    model = SklearnModel(given)
    model.fit(FrameDataset(frame))
    assert not hasattr(given, "coef_")
    assert not hasattr(model.estimator, "coef_")


def test_an_unknown_parameter_is_refused_when_the_model_is_built():
    with pytest.raises(InstantiationError, match=r"(?s)Ridge has no parameter 'alhpa'.*Did you mean 'alpha'"):
        SklearnModel("sklearn.linear_model.Ridge", alhpa=1.0)
    with pytest.raises(InstantiationError, match="no parameter 'depth'"):
        SklearnModel(HistGradientBoostingRegressor(), depth=3)
    with pytest.raises(InstantiationError, match="early_stopping"):
        SklearnModel(early_stopping="yes")


def test_what_is_no_estimator_is_refused_when_the_model_is_built():
    with pytest.raises(InstantiationError):
        SklearnModel("sklearn.linear_model.Rigde")
    with pytest.raises(InstantiationError, match="no fit or no predict"):
        SklearnModel(dict)


def test_a_booster_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'rollforward\[xgboost\]'"):
        SklearnModel("xgboost.XGBRegressor")


def test_rows_without_label_are_dropped(frame):
    dataset = FrameDataset(frame)
    expected = SklearnModel()
    expected.fit(FrameDataset(frame.iloc[50:]))
    frame = frame.copy()
    frame.iloc[:50, -1] = np.nan
    model = SklearnModel()
    model.fit(FrameDataset(frame))
    pd.testing.assert_series_equal(model.predict(dataset), expected.predict(dataset))


def test_no_labelled_row_and_several_labels_are_refused(frame):
    unlabelled = frame.copy()
    unlabelled[("label", "LABEL0")] = np.nan
    with pytest.raises(ModelError, match="None of the 800 rows of segment 'train' has a label"):
        SklearnModel().fit(FrameDataset(unlabelled))
    two = frame.copy()
    two[("label", "LABEL1")] = 0.0
    with pytest.raises(ModelError, match="2 label columns"):
        SklearnModel().fit(FrameDataset(two))


def test_a_frame_without_column_groups_is_refused(frame):
    class Flat(FrameDataset):
        def prepare(self, *args, **kwargs):
            return self.frame["feature"]

    with pytest.raises(ModelError, match="no column group 'label'"):
        SklearnModel().fit(Flat(frame))


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_missing_features_name_the_columns_and_the_remedy(frame, hole):
    frame.iloc[3, 1] = hole
    with pytest.raises(ModelError, match=r"(?s)1 of 800 rows.*VOL 20.*Fillna"):
        SklearnModel().fit(FrameDataset(frame))


def test_missing_features_at_prediction_are_named_too(frame):
    model = SklearnModel()
    model.fit(FrameDataset(frame))
    frame = frame.copy()
    frame.loc[DATES[110] :, ("feature", "MOM5")] = np.nan
    with pytest.raises(ModelError, match="100 of 200 rows have some, in 1 columns: MOM5"):
        model.predict(FrameDataset(frame))


@pytest.mark.parametrize("estimator", [HistGradientBoostingRegressor(), make_pipeline(SimpleImputer(), Ridge())])
def test_missing_features_reach_an_estimator_that_takes_them(frame, estimator):
    frame.iloc[::7, 0] = np.nan
    model = SklearnModel(estimator)
    model.fit(FrameDataset(frame))
    assert model.predict(FrameDataset(frame)).notna().all()


def test_another_error_of_the_estimator_stays_itself(frame):
    frame.iloc[3, 1] = np.nan
    with pytest.raises(ValueError, match="max_iter") as caught:
        SklearnModel(HistGradientBoostingRegressor, max_iter=-1).fit(FrameDataset(frame))
    assert not isinstance(caught.value, ModelError)


@takes_validation_rows
def test_hist_gradient_boosting_stops_on_valid(frame):
    model = SklearnModel(HistGradientBoostingRegressor, max_iter=500, random_state=0)
    model.fit(FrameDataset(frame))
    assert model.best_iteration_ == model.estimator_.n_iter_ < 500
    direct = HistGradientBoostingRegressor(max_iter=500, random_state=0, early_stopping=True)
    train, valid = (frame.loc[DATES[SEGMENTS[name]][0] : DATES[SEGMENTS[name]][-1]] for name in ("train", "valid"))
    direct.fit(train["feature"], train[("label", "LABEL0")], X_val=valid["feature"], y_val=valid[("label", "LABEL0")])
    assert direct.n_iter_ == model.best_iteration_
    patient = SklearnModel(HistGradientBoostingRegressor, early_stopping=40, max_iter=500, random_state=0)
    patient.fit(FrameDataset(frame))
    assert 40 < patient.best_iteration_ > model.best_iteration_


@pytest.mark.parametrize(("early_stopping", "segments"), [(False, ("train", "valid")), ("auto", ("train",))])
def test_without_valid_all_iterations_are_trained_and_no_random_split_is_made(frame, early_stopping, segments):
    model = SklearnModel(HistGradientBoostingRegressor, early_stopping=early_stopping, max_iter=7)
    # Above 10,000 rows this estimator would otherwise judge itself on a random tenth of them.
    model.fit(FrameDataset(frame, segments))
    assert model.estimator_.n_iter_ == 7
    assert model.estimator_.get_params()["early_stopping"] is False
    assert model.best_iteration_ is None


@takes_validation_rows
def test_early_stopping_that_is_insisted_on_is_an_error_where_it_cannot_be(frame):
    with pytest.raises(ModelError, match="takes no validation rows"):
        SklearnModel(Ridge, early_stopping=True).fit(FrameDataset(frame))
    with pytest.raises(ModelError, match="no segment 'valid'"):
        SklearnModel(HistGradientBoostingRegressor, early_stopping=10).fit(FrameDataset(frame, ("train", "test")))


def test_lightgbm_stops_on_valid_and_keeps_its_own_feature_names(frame):
    pytest.importorskip("lightgbm")
    params = {"n_estimators": 400, "random_state": 0, "verbose": -1, "n_jobs": 1}
    model = SklearnModel("lightgbm.LGBMRegressor", **params)
    model.fit(FrameDataset(frame))
    assert 0 < model.best_iteration_ < 400
    assert model.best_iteration_ == model.estimator_.best_iteration_
    assert model.feature_names_ == ["MOM5", "VOL_20", "Ref($close_1)", "x"]
    again = SklearnModel("lightgbm.LGBMRegressor", **params)
    again.fit(FrameDataset(frame))
    pd.testing.assert_series_equal(model.predict(FrameDataset(frame)), again.predict(FrameDataset(frame)))
    whole = SklearnModel("lightgbm.LGBMRegressor", early_stopping=False, **params | {"n_estimators": 20})
    whole.fit(FrameDataset(frame))
    assert whole.estimator_.n_estimators_ == 20
    assert whole.best_iteration_ is None


class Later(Reweighter):
    """Weighs the second half of the rows only."""

    def __init__(self, weight=1.0):
        self.weight = weight

    def reweight(self, data):
        assert list(data.columns.levels[0]) == ["feature", "label"]
        return pd.Series(np.where(np.arange(len(data)) < len(data) // 2, 0.0, self.weight), data.index)


@takes_validation_rows
def test_weights_reach_the_estimator(frame):
    dataset = FrameDataset(frame)
    model = SklearnModel(Ridge, alpha=1e-9)
    model.fit(dataset, reweighter=Later())
    half = FrameDataset(frame.loc[DATES[40] :])
    expected = SklearnModel(Ridge, alpha=1e-9)
    expected.fit(half)
    np.testing.assert_allclose(model.predict(dataset), expected.predict(dataset), rtol=1e-6)
    boosted = SklearnModel(HistGradientBoostingRegressor, max_iter=20, random_state=0)
    boosted.fit(dataset, reweighter=Later())
    assert boosted.best_iteration_ is not None


def test_weights_that_cannot_be_used_are_an_error(frame):
    with pytest.raises(ModelError, match="takes no sample_weight"):
        SklearnModel(KNeighborsRegressor).fit(FrameDataset(frame), reweighter=Later())
    with pytest.raises(ModelError, match="400 of them missing or infinite"):
        SklearnModel(Ridge).fit(FrameDataset(frame), reweighter=Later(np.inf))


def test_features_are_matched_by_name(frame):
    model = SklearnModel()
    model.fit(FrameDataset(frame))
    turned = FrameDataset(frame[[frame.columns[i] for i in (2, 1, 0, 3, 4)]])
    np.testing.assert_allclose(model.predict(turned), model.predict(FrameDataset(frame)))
    with pytest.raises(ModelError, match=r"1 of the 4 features are missing: \['x'\]"):
        model.predict(FrameDataset(frame.drop(columns=[("feature", "x")])))


def test_predicting_before_fitting_is_an_error(frame):
    with pytest.raises(ModelError, match="not been fitted"):
        SklearnModel().predict(FrameDataset(frame))


def test_a_dataset_of_sequences_is_refused(frame):
    class Sequences(FrameDataset):
        def prepare(self, *args, **kwargs):
            return object()

    with pytest.raises(ModelError, match="TSDatasetH"):
        SklearnModel().fit(Sequences(frame))


def test_a_fitted_model_is_stored_without_data(frame):
    dataset = FrameDataset(frame)
    model = SklearnModel(HistGradientBoostingRegressor, max_iter=3, random_state=0)
    model.fit(dataset)
    text = pickle.dumps(model)
    assert len(text) < 60_000
    pd.testing.assert_series_equal(pickle.loads(text).predict(dataset), model.predict(dataset))
    assert repr(SklearnModel(Ridge(alpha=3.0))) == "SklearnModel(Ridge(alpha=3.0))"


def test_the_same_seed_gives_the_same_prediction(frame):
    scores = []
    for _ in range(2):
        model = SklearnModel("sklearn.ensemble.ExtraTreesRegressor", n_estimators=5, random_state=7)
        model.fit(FrameDataset(frame))
        scores.append(model.predict(FrameDataset(frame)))
    pd.testing.assert_series_equal(*scores, check_exact=True)
