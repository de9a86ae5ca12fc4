"""All experiments of one store, and the runs of this process that are active in them."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.errors import RecorderNotFoundError, TrackingError
from rollforward.settings.masking import mask_credentials
from rollforward.settings.normalize import absolute_sqlite
from rollforward.workflow.active import FINISHED, SCHEDULED, Scope, status_of
from rollforward.workflow.catalog import Catalog
from rollforward.workflow.default_store import DefaultStore
from rollforward.workflow.leaving import sigterm_as_exception
from rollforward.workflow.recent import RecentExperiments
from rollforward.workflow.recorder import checked_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.workflow.active import ActiveRun
    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)


class ExpManager(Catalog):
    """The experiments of one store, and the active runs.

    Parameters
    ----------
    uri
        The store; ``None`` follows the settings.
    default_exp_name
        Experiment that is used where none is named; ``None`` follows the settings.
    """

    def __init__(self, uri: str | None = None, default_exp_name: str | None = None) -> None:
        super().__init__(default_exp_name)
        self._store = DefaultStore(uri, self.checked_uri)
        self._scope = Scope()
        self._recent = RecentExperiments()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(uri={mask_credentials(self.default_uri)!r})"

    def checked_uri(self, uri: str) -> str:
        """Return a store's address as it is kept: relative SQLite paths become absolute now.

        Raises
        ------
        StoreRefusedError
            If the backend does not open this kind of store.
        """
        return absolute_sqlite(str(uri), Path.cwd())

    @property
    def default_uri(self) -> str:
        """The store that is used where none is given."""
        return self._store.uri

    @property
    def uri(self) -> str:
        """The store of the active experiment if one was given to start it, else the default one."""
        run = self._scope.current()
        if run is not None and run.uri_given:
            return str(run.experiment.uri)
        return self.default_uri

    def set_uri(self, uri: str | None) -> None:
        """Change the default store; an active experiment stays where it is.

        Parameters
        ----------
        uri
            The store; ``None`` goes back to the one that was the default before this method changed it.
        """
        self._store.set(uri)

    @contextmanager
    def uri_context(self, uri: str) -> Iterator[None]:
        """Change the default store for the length of a ``with`` block."""
        with self._store.instead(uri):
            yield

    @property
    def active_experiment(self) -> Experiment | None:
        """The experiment of the innermost active run."""
        run = self._scope.current()
        return None if run is None else run.experiment

    @property
    def active_recorder(self) -> Recorder | None:
        """The innermost active run."""
        run = self._scope.current()
        return None if run is None else run.recorder

    def is_busy(self) -> bool:
        """Whether a run is active in any thread or task of this process."""
        return self._scope.is_busy()

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
        """Start a run and make it and its experiment active until `end_exp`.

        Parameters
        ----------
        experiment_id, experiment_name
            The experiment; a name that does not exist is created. Neither: that of the active run around this one, else
            the default one.
        recorder_id, recorder_name, resume
            As in `Experiment.start`.
        uri
            The store; ``None`` is the default one.

        Raises
        ------
        TrackingError
            If it cannot be started. What was active before is active still, and no run is left behind.
        """
        run = self._begin(
            experiment_id=experiment_id,
            experiment_name=experiment_name,
            recorder_id=recorder_id,
            recorder_name=recorder_name,
            uri=uri,
            resume=resume,
        )
        run.leave_open()
        experiment: Experiment = run.experiment
        return experiment

    def end_exp(self, recorder_status: str = SCHEDULED, *, error: BaseException | None = None) -> None:
        """End the innermost active run; nothing if there is none."""
        self._scope.end(self._scope.current(), checked_status(recorder_status), error)

    @contextmanager
    def running(self, **kwargs: Any) -> Iterator[Experiment]:
        """Start a run for the length of a ``with`` block.

        The run is FINISHED after a normal end and after ``sys.exit(0)``, else FAILED, with the traceback kept. While
        the block runs in the main thread, SIGTERM leaves it as an exception, unless the program handles the signal.

        Parameters
        ----------
        **kwargs
            As in `start_exp`.
        """
        with sigterm_as_exception():
            run = self._begin(**kwargs)
            try:
                yield run.experiment
            except BaseException as error:
                self._end_failed(run, error)
                raise
            else:
                self._scope.end(run, FINISHED)

    def running_recorder(self) -> Recorder:
        """Return the active recorder; if there is none, start one in the default experiment.

        That run belongs to the process: threads without a run of their own share it, and it is FINISHED when the
        interpreter exits.
        """
        run = self._scope.current()
        if run is None or run is self._scope.default_run:
            run = self._scope.default(self._open_default)
        recorder: Recorder = run.recorder
        return recorder

    def get_exp(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> Experiment:
        """Find an experiment.

        Parameters
        ----------
        experiment_id
            Wins over a name, and is never created.
        experiment_name
            Neither: the active experiment, else the default one.
        create
            Whether a name that does not exist is created.
        start
            Whether a recorder is started in the experiment, if none is active.

        Raises
        ------
        ExperimentNotFoundError
            If there is no such experiment and none may be created; the message names the nearest one.
        """
        active = self.active_experiment
        if experiment_id is None and experiment_name is None and active is not None:
            return active
        experiment = self._find_or_create(experiment_id, experiment_name, create=create)
        if start and active is None:
            experiment.start()
        return experiment

    def get_recorder(self, recorder_id: str) -> Recorder:
        """Find a recorder of any experiment by its id.

        Raises
        ------
        RecorderNotFoundError
            If there is none, or if it is deleted.
        """
        found = self._scope.find(recorder_id) or self._find_recorder(self.uri, recorder_id)
        if found is None:
            raise RecorderNotFoundError(
                f"There is no recorder with id {recorder_id!r} in {mask_credentials(self.uri)}.",
                "the id of a run that is not deleted.",
            )
        return found

    def _begin(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        uri: str | None = None,
        **which: Any,
    ) -> ActiveRun:
        checked = None if uri is None else self.checked_uri(uri)
        store, is_given = checked or self.uri, checked is not None
        around = self._scope.runs()
        is_child = bool(around) and uri is None and experiment_id is None and experiment_name is None
        if is_child and around[-1].experiment.uri == store:
            # A child belongs to its parent's experiment: MLflow's pages show the two together there only.
            experiment: Experiment = around[-1].experiment
        elif experiment_id is not None:
            experiment = self._find_or_create(experiment_id, None, create=False, uri=store)
        else:
            name = self._checked_name(self.default_exp_name if experiment_name is None else experiment_name)
            return self._begin_named(name, store, which | {"uri_given": is_given})
        return experiment.begin(**which, uri_given=is_given)

    def _begin_named(self, name: str, store: str, which: dict[str, Any]) -> ActiveRun:
        recent = None if which.get("resume") else self._recent.get(store, name)
        if recent is not None:
            try:
                return recent.begin(**which)
            except TrackingError as error:
                # Deleted by somebody else, perhaps: it is looked up, and an error that has another cause comes again.
                logger.debug("Experiment %r is looked up once more: %s", name, error)
                self._recent.forget()
        experiment = self._find_or_create(None, name, create=True, uri=store)
        self._recent.put(name, experiment)
        return experiment.begin(**which)

    def _open_default(self) -> tuple[Experiment, Recorder]:
        experiment = self._find_or_create(None, None, create=True)
        recorder = experiment.create_recorder()
        recorder.start_run()
        return experiment, recorder

    def _end_failed(self, run: ActiveRun, error: BaseException) -> None:
        try:
            self._scope.end(run, status_of(error), error)
        except Exception:
            # What ended the block matters more than that its run could not be ended.
            logger.exception("The run could not be ended: %r", run.recorder)
