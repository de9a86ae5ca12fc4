from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rollforward

NAMES = [
    "AverageEnsemble",
    "Calendar",
    "DataHandlerLP",
    "DatasetH",
    "Model",
    "PriceHandler",
    "R",
    "RecorderCollector",
    "RollingEnsemble",
    "RollingGen",
    "RollingGroup",
    "RollingJob",
    "Settings",
    "SklearnModel",
    "TSDatasetH",
    "TrainerR",
    "__version__",
    "errors",
    "init",
    "signal_report",
    "task_generator",
]


def test_the_public_names_are_these_and_sorted():
    assert rollforward.__all__ == NAMES == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there(name):
    assert getattr(rollforward, name) is not None
    assert name in dir(rollforward)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Rr'"):
        _ = rollforward.Rr


@pytest.mark.parametrize(
    "statement",
    [
        "import rollforward",
        "from rollforward import init, Settings, errors, __version__",
        "from rollforward import R",
        "import rollforward.settings, rollforward.serialize, rollforward.instantiate, rollforward.data",
        "from rollforward.serialize import Serializable, save_object, load_object",
        "from rollforward.instantiate import init_instance_by_config, preflight, MOVED",
        "from rollforward.settings import init; init()",
    ],
)
def test_a_light_import_loads_nothing_heavy(statement, tmp_path):
    heavy = ("mlflow", "pandas", "pymongo", "numpy", "sklearn", "matplotlib", "pyarrow")
    code = f"import sys; {statement}; print(*[name for name in {heavy} if name in sys.modules])"
    source = str(Path(rollforward.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": source},
    )
    assert done.stdout.split() == []
