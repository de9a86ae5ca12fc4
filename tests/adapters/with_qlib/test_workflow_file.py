"""A benchmark file of Qlib's usual shape runs after ``rollforward migrate``."""

import numpy as np
import yaml

from rollforward.cli.main import main
from rollforward.workflow import R

FILE = """\
qlib_init:
    provider_uri: "{data}"
    region: us
    kernels: 1
market: &market all
benchmark: &benchmark KO
data_handler_config: &data_handler_config
    start_time: 2012-07-02
    end_time: 2013-10-31
    fit_start_time: 2012-07-02
    fit_end_time: 2013-03-28
    instruments: *market
port_analysis_config: &port_analysis_config
    strategy:
        class: TopkDropoutStrategy
        module_path: qlib.contrib.strategy
        kwargs:
            signal: <PRED>
            topk: 5
            n_drop: 1
    backtest:
        start_time: 2013-08-01
        end_time: 2013-10-31
        account: 1000000
        benchmark: *benchmark
        exchange_kwargs:
            deal_price: close
            open_cost: 0.0005
            close_cost: 0.0015
            min_cost: 5
task:
    model:  # gradient boosting
        class: LGBModel
        module_path: qlib.contrib.model.gbdt
        kwargs:
            loss: mse
            num_threads: 1
            num_boost_round: 20
            max_depth: 4
            seed: 7
            deterministic: true
    dataset:
        class: DatasetH
        module_path: qlib.data.dataset
        kwargs:
            handler:
                class: Alpha158
                module_path: qlib.contrib.data.handler
                kwargs: *data_handler_config
            segments:
                train: [2012-07-02, 2013-03-28]
                valid: [2013-04-01, 2013-07-31]
                test: [2013-08-01, 2013-10-31]
    record:
        - class: SignalRecord
          module_path: qlib.workflow.record_temp
          kwargs:
            model: <MODEL>
            dataset: <DATASET>
        - class: SigAnaRecord
          module_path: qlib.workflow.record_temp
          kwargs:
            ana_long_short: False
            ann_scaler: 252
        - class: PortAnaRecord
          module_path: qlib.workflow.record_temp
          kwargs:
            config: *port_analysis_config
"""


def test_migrated_and_run(data, alone, tmp_path, capsys):
    file = tmp_path / "workflow_config_lightgbm_Alpha158.yaml"
    file.write_text(FILE.format(data=data))

    main(["migrate", str(file)])
    text = file.read_text()
    assert "# gradient boosting" in text
    assert yaml.safe_load(text)["task"]["model"]["module_path"] == "qlib.contrib.model.gbdt"
    assert main(["run", str(file), "--experiment", "benchmark"]) == 0, capsys.readouterr().err

    (recorder,) = R.list_recorders(experiment_name="benchmark").values()
    pred, theirs = recorder.load_object("pred.pkl").sort_index(), alone["lgb"]["pred.pkl"].sort_index()
    np.testing.assert_allclose(pred.to_numpy().ravel(), theirs.to_numpy().ravel(), rtol=1e-9)
    report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    assert list(report.index) == list(alone["lgb"]["report"].index)
    np.testing.assert_allclose(report["bench"], alone["lgb"]["report"]["bench"], atol=3e-7)
    metrics = recorder.list_metrics()
    assert {"IC", "l2.train", "1day.excess_return_with_cost.annualized_return"} <= set(metrics)
