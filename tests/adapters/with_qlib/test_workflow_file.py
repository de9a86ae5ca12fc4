"""A benchmark file of Qlib's usual shape runs after ``rollforward migrate``."""

from pathlib import Path

import numpy as np
import yaml

from rollforward.cli.main import main
from rollforward.workflow import R

FILE = Path(__file__).resolve().parents[2] / "unit" / "migrate" / "benchmark.yaml"


def test_migrated_and_run(data, alone, tmp_path, capsys):
    file = tmp_path / "workflow_config_lightgbm_Alpha158.yaml"
    file.write_text(FILE.read_text().replace("~/.qlib/qlib_data/us_data", str(data)))

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
