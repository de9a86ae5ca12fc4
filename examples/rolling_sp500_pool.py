"""The job of `rolling_sp500.py` through a task pool, with two workers.

The pool is in ``tasks.db``. With ``ROLLFORWARD_TASK_STORE=mongodb://host/`` it is on a MongoDB server, and with
``--workers 0`` other machines train: ``rollforward worker ridge_sp500_pool``, with the same tracking server.
"""

import os
import sys

from rolling_sp500 import TASK

import rollforward as rf
from rollforward.workflow.trainer import TrainerRM

NAME = "ridge_sp500_pool"
STORE = os.environ.get("ROLLFORWARD_TASK_STORE", "sqlite:///tasks.db")

if __name__ == "__main__":
    rf.init(experiment=NAME, calendar="bundled:sp500_close")
    n_workers = int(sys.argv[2]) if sys.argv[1:2] == ["--workers"] else 2
    trainer = TrainerRM(store=STORE, n_workers=n_workers, skip_run_task=n_workers == 0)
    result = rf.RollingJob(TASK, NAME, step=252, rtype="sliding", trainer=trainer).run(progress=True)
    print(result.report.tables["ic_by_year"].round(4).to_string())
    print(f"{result.n_trained} folds trained, {result.n_reused} reused")
