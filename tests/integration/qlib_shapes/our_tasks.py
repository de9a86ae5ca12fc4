"""What Qlib's examples take out of qlib.tests.config, with data and models that are here."""


def task(estimator, first, last):
    handler = {
        "class": "PriceHandler",
        "module_path": "rollforward.data.price_handler",
        "kwargs": {
            "source": "bundled:sp500_close",
            "horizon": 1,
            "features": ["REV1", "REV5"],
            "infer_processors": [],
            "start_time": "2021-01-04",
        },
    }
    return {
        "model": {
            "class": "SklearnModel",
            "module_path": "rollforward.model.sklearn",
            "kwargs": {"estimator": f"sklearn.linear_model.{estimator}"},
        },
        "dataset": {
            "class": "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {
                "handler": handler,
                "segments": {"train": ("2021-03-01", "2021-12-20"), "test": (first, last)},
            },
        },
        "record": [{"class": "SignalRecord", "module_path": "qlib.workflow.record_temp"}],
    }


RIDGE = task("Ridge", "2022-01-03", "2022-12-28")
LINEAR = task("LinearRegression", "2022-01-03", "2022-12-28")
