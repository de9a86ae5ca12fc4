"""`R`: one short name for the active run, and for everything that was recorded before."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rollforward.errors import RecorderInitializationError, TrackingError
from rollforward.instantiate import init_instance_by_config
from rollforward.settings.state import current, register_guard
from rollforward.workflow.active import FINISHED
from rollforward.workflow.block import Block
from rollforward.workflow.expm import ExpManager

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.recorder import Recorder


class QlibRecorder:
    """The interface of `R`.

    Parameters
    ----------
    exp_manager
        A manager to use; ``None`` builds the one that the settings name, when it is first needed.
    """

    def __init__(self, exp_manager: ExpManager | None = None) -> None:
        self._fixed = exp_manager
        self._built: tuple[Any, ExpManager] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        manager = self._fixed or (self._built[1] if self._built else None)
        return f"{type(self).__name__}({manager!r})" if manager else f"{type(self).__name__}()"

    @property
    def exp_manager(self) -> ExpManager:
        """The manager behind `R`."""
        if self._fixed is not None:
            return self._fixed
        config = current().exp_manager
        built = self._built
        if built is not None and (built[0] is config or built[0] == config):
            return built[1]
        with self._lock:
            if self._built is None or self._built[0] != config:
                manager = init_instance_by_config(dict(config), accept_types=ExpManager)
                register_guard(self._refuse_while_active)
                self._built = (config, manager)
            return self._built[1]

    def _refuse_while_active(self) -> None:
        if self._built is not None and self._built[1].is_busy():
            raise RecorderInitializationError(
                "init() was called while a recorder is active.",
                "no active recorder.",
                "End it first (R.end_exp()), or call init() before R.start(...).",
            )

    def start(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        uri: str | None = None,
        resume: bool = False,
    ) -> Block:
        """Run a block as one recorder.

        Inside the block MLflow's own active run is the same run, so that ``mlflow.autolog()`` and ``mlflow.log_*`` land
        in it. A block inside a block is a child run.

        Parameters
        ----------
        experiment_id, experiment_name
            The experiment; a name that does not exist is created. Neither: that of the active run around this one, else
            the default one.
        recorder_id, recorder_name
            The run to continue (an id, or the newest of a name), or the name of a new one.
        uri
            The store; ``None`` is the default one.
        resume
            Continue a run instead of starting a new one.

        Returns
        -------
        Block
            For ``with``, which gives the experiment; its ``active_recorder`` is the run. Also a decorator: each call of
            the function is a run.

        Examples
        --------
        ::

            with R.start(experiment_name="momentum", recorder_name="ridge"):
                R.log_params(alpha=1.0)
                R.log_metrics(IC=0.03)
                R.save_objects(**{"pred.pkl": pred})
        """
        given = {
            "experiment_id": experiment_id,
            "experiment_name": experiment_name,
            "recorder_id": recorder_id,
            "recorder_name": recorder_name,
            "uri": uri,
            "resume": resume,
        }
        return Block(lambda: self.exp_manager.running(**given))

    def start_exp(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        uri: str | None = None,
        resume: bool = False,
    ) -> Experiment:
        """Start a recorder without a block, as `start`; it is active until `end_exp` or the end of the process."""
        return self.exp_manager.start_exp(
            experiment_id=experiment_id,
            experiment_name=experiment_name,
            recorder_id=recorder_id,
            recorder_name=recorder_name,
            uri=uri,
            resume=resume,
        )

    def end_exp(self, recorder_status: str = FINISHED, *, error: BaseException | None = None) -> None:
        """End the innermost active recorder; nothing if there is none.

        Parameters
        ----------
        recorder_status
            One of the four statuses.
        error
            What ended it; the traceback is kept with the run.
        """
        self.exp_manager.end_exp(recorder_status, error=error)

    def search_records(self, experiment_ids: Sequence[str] | None = None, **kwargs: Any) -> pd.DataFrame:
        """Search runs, see `ExpManager.search_records`."""
        return self.exp_manager.search_records(experiment_ids, **kwargs)

    def list_experiments(self) -> dict[str, Experiment]:
        """List the experiments that are not deleted, by name."""
        return self.exp_manager.list_experiments()

    def list_recorders(
        self, experiment_id: str | None = None, experiment_name: str | None = None, **kwargs: Any
    ) -> Any:
        """List the recorders of an experiment, newest first, see `Experiment.list_recorders`.

        Parameters
        ----------
        experiment_id, experiment_name
            Neither: the active experiment, else the default one.
        **kwargs
            ``rtype, max_results, status, filter_string``.

        Raises
        ------
        ExperimentNotFoundError
            If there is no such experiment; a read creates none.
        """
        return self._existing(experiment_id, experiment_name).list_recorders(**kwargs)

    def get_exp(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> Experiment:
        """Find an experiment, or create it, see `ExpManager.get_exp`."""
        return self.exp_manager.get_exp(
            experiment_id=experiment_id, experiment_name=experiment_name, create=create, start=start
        )

    def delete_exp(self, experiment_id: str | None = None, experiment_name: str | None = None) -> None:
        """Delete an experiment, see `ExpManager.delete_exp`."""
        self.exp_manager.delete_exp(experiment_id, experiment_name)

    def restore_exp(self, experiment_id: str | None = None, experiment_name: str | None = None) -> Experiment:
        """Bring a deleted experiment back with its runs, see `ExpManager.restore_exp`."""
        return self.exp_manager.restore_exp(experiment_id, experiment_name)

    def get_uri(self) -> str:
        """Return the store: that of the active experiment if one was given to start it, else the default one."""
        return self.exp_manager.uri

    def set_uri(self, uri: str | None) -> None:
        """Change the default store (``None``: back to the one before); an active experiment stays where it is."""
        self.exp_manager.set_uri(uri)

    @contextmanager
    def uri_context(self, uri: str) -> Iterator[None]:
        """Change the default store for the length of a ``with`` block."""
        with self.exp_manager.uri_context(uri):
            yield

    def get_recorder(
        self,
        *,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
    ) -> Recorder:
        """Find a recorder; nothing is created.

        Parameters
        ----------
        recorder_id
            Enough by itself; wins over a name.
        recorder_name
            The newest of this name in the experiment. No id and no name: the active recorder, else the newest of the
            default name.
        experiment_id, experiment_name
            Neither: the active experiment, else the default one.

        Raises
        ------
        ExperimentNotFoundError, RecorderNotFoundError
            If there is none.
        """
        if recorder_id is not None and experiment_id is None and experiment_name is None:
            return self.exp_manager.get_recorder(recorder_id)
        experiment = self._existing(experiment_id, experiment_name)
        return experiment.get_recorder(recorder_id, recorder_name, create=False, start=False)

    def delete_recorder(self, recorder_id: str | None = None, recorder_name: str | None = None) -> None:
        """Delete a recorder of the active experiment, else of the default one, see `Experiment.delete_recorder`."""
        self._existing(None, None).delete_recorder(recorder_id, recorder_name)

    def save_objects(self, local_path: Any = None, artifact_path: Any = None, **kwargs: Any) -> None:
        """Store objects in the active recorder, see `Recorder.save_objects`."""
        if local_path is not None and kwargs:
            raise TrackingError(
                f"save_objects got both a path and the objects {sorted(kwargs)}.", "one of them.", "Make two calls."
            )
        self._recorder().save_objects(local_path, artifact_path, **kwargs)

    def load_object(self, name: str, unpickler: Any = None) -> Any:
        """Read an artifact of the recorder that `get_recorder` finds, see `Recorder.load_object`."""
        return self.get_recorder().load_object(name, unpickler)

    def log_params(self, **kwargs: Any) -> None:
        """Log parameters to the active recorder, see `Recorder.log_params`.

        Outside any recorder the first call starts one in the default experiment; it ends with the process. The same
        holds for every ``log_*``, `set_tags` and `save_objects`.
        """
        self._recorder().log_params(**kwargs)

    def log_metrics(self, step: Any = None, **kwargs: Any) -> None:
        """Log metrics to the active recorder, see `Recorder.log_metrics`."""
        self.exp_manager.running_recorder().log_metrics(step, **kwargs)

    def log_artifact(self, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Store a copy of a file or folder in the active recorder."""
        self._recorder().log_artifact(local_path, artifact_path)

    def log_text(self, text: str, artifact_file: str) -> None:
        """Store a text in the active recorder, under any name."""
        self._recorder().log_text(text, artifact_file)

    def log_dict(self, dictionary: Any, artifact_file: str) -> None:
        """Store a dictionary or list in the active recorder, as JSON or YAML by the suffix."""
        self._recorder().log_dict(dictionary, artifact_file)

    def log_figure(self, figure: Any, artifact_file: str) -> None:
        """Store a figure in the active recorder; the suffix decides the format."""
        self._recorder().log_figure(figure, artifact_file)

    def log_table(self, data: Any, artifact_file: str) -> None:
        """Append rows to a table in the active recorder; an index is dropped."""
        self._recorder().log_table(data, artifact_file)

    def log_image(self, image: Any, artifact_file: str | None = None, **kwargs: Any) -> None:
        """Store a picture in the active recorder, see `Recorder.log_image`."""
        self._recorder().log_image(image, artifact_file, **kwargs)

    def log_input(
        self, dataset: Any, context: str | None = None, tags: Mapping[str, str] | None = None, name: str | None = None
    ) -> None:
        """Note what data the active recorder works on, see `Recorder.log_input`."""
        self._recorder().log_input(dataset, context, tags, name)

    def download_artifact(self, path: str, dst_path: str | None = None) -> str:
        """Bring an artifact to this machine and return its path, see `Recorder.download_artifact`."""
        return self.get_recorder().download_artifact(path, dst_path)

    def set_tags(self, **kwargs: Any) -> None:
        """Set tags of the active recorder."""
        self._recorder().set_tags(**kwargs)

    def flush(self) -> None:
        """Wait until what was logged to the active recorder is in its store, see `Recorder.flush`."""
        recorder = self.exp_manager.active_recorder
        if recorder is not None:
            recorder.flush()

    def _recorder(self) -> Recorder:
        return self.exp_manager.running_recorder()

    def _existing(self, experiment_id: str | None, experiment_name: str | None) -> Experiment:
        return self.exp_manager.get_exp(experiment_id=experiment_id, experiment_name=experiment_name, create=False)


R = QlibRecorder()
