"""Track an experiment: parameters, metrics by step, tags and objects of a plain research script."""

import numpy as np
import pandas as pd

from rollforward import R

if __name__ == "__main__":
    with R.start(experiment_name="research", recorder_name="first try"):
        R.log_params(learning_rate=0.1, layers=[32, 16])
        for step in range(3):
            R.log_metrics(step=step, loss=1.0 / (step + 1))
        R.set_tags(stage="draft")
        R.save_objects(**{"pred.pkl": pd.DataFrame({"score": np.arange(3.0)})})
        print(R.load_object("pred.pkl"))
        run_id = R.get_recorder().id

    recorder = R.get_recorder(recorder_id=run_id, experiment_name="research")
    print(recorder.status, recorder.list_params()["learning_rate"], recorder.list_metrics())
