"""One run: its identity, its status, and what may be logged to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

from rollforward.errors import NoActiveRunError, TrackingError
from rollforward.workflow.active import FAILED, FINISHED, RUNNING, SCHEDULED, STATUSES
from rollforward.workflow.display import recorder_card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

# `step` and the paths are Any below: `**metrics` of a typed dictionary would otherwise be refused by type checkers.
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


def checked_status(status: str) -> str:
    """Return one of the four statuses.

    Raises
    ------
    TrackingError
        For anything else.
    """
    if status not in STATUSES:
        raise TrackingError(f"{status!r} is no status of a recorder.", f"one of {', '.join(STATUSES)}.")
    return status


class Recorder(ABC):
    """A run: parameters, metrics, tags and artifacts of one training.

    A recorder that was read from the store is a snapshot: ``status``, ``name`` and the times are those of the moment
    it was read. The ``list_*`` methods always ask the store.

    Parameters
    ----------
    experiment_id
        The experiment that the run belongs to.
    name
        Name of the run; need not be unique.

    Attributes
    ----------
    id
        Id of the run; ``None`` before `start_run`.
    status
        ``SCHEDULED``, ``RUNNING``, ``FINISHED`` or ``FAILED``. A run that was stopped from outside is FAILED here and
        KILLED in MLflow.
    start_time, end_time
        Local times as ``YYYY-mm-dd HH:MM:SS``, or ``None``; `started_at` and `ended_at` are the same with a zone.
    """

    STATUS_S = SCHEDULED
    STATUS_R = RUNNING
    STATUS_FI = FINISHED
    STATUS_FA = FAILED

    def __init__(self, experiment_id: str, name: str | None) -> None:
        self.id: str | None = None
        self.name = name
        self.experiment_id = experiment_id
        self.status = self.STATUS_S
        self.started_at: datetime | None = None
        self.ended_at: datetime | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, id={self.id!r}, status={self.status!r})"

    def __str__(self) -> str:
        """Show the run as a table; asks the store at most twice, and never fails."""
        return recorder_card(self).text

    def _repr_html_(self) -> str:
        return recorder_card(self).html

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Recorder):
            return NotImplemented
        return self is other or (self.id is not None and self.id == other.id)

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def start_time(self) -> str | None:
        """When the run started, in local time."""
        return _local(self.started_at)

    @property
    def end_time(self) -> str | None:
        """When the run ended, in local time."""
        return _local(self.ended_at)

    @property
    def info(self) -> dict[str, Any]:
        """The identity of the run as a dictionary."""
        return {
            "class": "Recorder",
            "id": self.id,
            "name": self.name,
            "experiment_id": self.experiment_id,
            "start_time": self.start_time,
            "end_time": self.end_time,
            "status": self.status,
        }

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether this object started the run and has not ended it."""

    def require_id(self) -> str:
        """Return the id of the run.

        Raises
        ------
        NoActiveRunError
            If the run was never started.
        """
        if self.id is None:
            self._refuse_unstarted()
        return self.id

    def _refuse_unstarted(self) -> NoReturn:
        raise NoActiveRunError(
            f"Recorder {self.name!r} has not been started.",
            "a run in the store.",
            "Use R.start(...), or experiment.start(...).",
        )

    @abstractmethod
    def start_run(self, *, parent_id: str | None = None) -> None:
        """Open the run in the store; a recorder that has an id continues its run.

        Parameters
        ----------
        parent_id
            The run of the same store that this one is started in.

        Raises
        ------
        TrackingError
            If it cannot be opened. Nothing is left of it then.
        """

    def on_active(self) -> None:  # noqa: B027  # a recorder need not care
        """Take note that the recorder became the active one of this context; `end_run` undoes it."""

    @abstractmethod
    def end_run(self, status: str = SCHEDULED, *, error: BaseException | None = None) -> None:
        """Write what is pending and close the run.

        Parameters
        ----------
        status
            One of the four statuses.
        error
            What ended the run; its traceback is kept with the run.

        Raises
        ------
        TrackingError
            If the status is none, or if not everything could be written. The run counts as ended in any case. What
            the store refused is also in the tag ``logging_errors`` and the artifact ``logging_errors.txt``; while
            another error is ending the run it is only warned of.
        """

    @abstractmethod
    def set_recorder_name(self, rname: str) -> None:
        """Rename the run."""

    @abstractmethod
    def log_params(self, **kwargs: Any) -> None:
        """Log parameters: fixed once written, kept as text.

        An open recorder writes in the background, unless the setting ``async_log`` is off: the call returns at once,
        and another value of a parameter that is there already is reported by `flush` or `end_run`.

        Raises
        ------
        TrackingError
            For a key that the store does not take. When not in the background, also for what the store refuses.
        """

    @abstractmethod
    def log_metrics(self, step: Any = None, **kwargs: Any) -> None:
        """Log one value of each metric.

        Parameters
        ----------
        step
            Position on the metric's axis; ``None`` is 0.
        **kwargs
            Numbers: Python's, NumPy's, 0-d arrays and tensors, Decimal, bool. NaN is kept.

        Raises
        ------
        TypeError
            For a value that is no number, or a step that is no integer.
        TrackingError
            For a key that the store does not take.
        """

    @abstractmethod
    def put_param_once(self, key: str, value: str) -> str:
        """Log one parameter now, unless it is there; the store decides who of several was first.

        Nothing is queued, and the run may have ended: what is returned is in the store.

        Returns
        -------
        str
            The value that stands: the one that was given, or that of somebody who was faster.

        Raises
        ------
        TrackingError
            For a key or a value that the store does not take, and for a run that is deleted.
        StoreUnreachableError
            If the store does not answer. The value may stand; the same call again tells.
        """

    def keep(self, objects: Mapping[str, Any]) -> dict[str, str]:
        """Save the last objects of a run by their names; return the tags that `conclude` has to set for them."""
        self.save_objects(**objects)
        return {}

    def conclude(self, status: str, tags: Mapping[str, str]) -> None:
        """Set the last tags and close a run that nobody accompanies, in one write if the store can.

        Whoever finds it closed finds all of it.
        """
        self.set_tags(**tags)
        self.end_run(status)

    @abstractmethod
    def set_tags(self, **kwargs: Any) -> None:
        """Set tags; an existing tag is replaced."""

    def flush(self) -> None:  # noqa: B027  # a recorder need not write in the background
        """Return when all that was logged is in the store. Whatever reads through this recorder waits by itself.

        Raises
        ------
        TrackingError
            Naming what the store refused since the last time, and why; everything else is written.
        """

    @abstractmethod
    def delete_tags(self, *keys: str) -> None:
        """Remove tags; one that is not there is no error."""

    @abstractmethod
    def log_artifact(self, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Store a copy of a file, or of a folder, below ``artifact_path``."""

    @abstractmethod
    def log_text(self, text: str, artifact_file: str) -> None:
        """Store a text as it is, under any name."""

    @abstractmethod
    def log_dict(self, dictionary: Any, artifact_file: str) -> None:
        """Store a dictionary or list as JSON or, by the suffix, as YAML."""

    @abstractmethod
    def log_figure(self, figure: Any, artifact_file: str) -> None:
        """Store a figure; the suffix decides the format."""

    @abstractmethod
    def log_table(self, data: Any, artifact_file: str) -> None:
        """Append rows to a table; an index is dropped."""

    @abstractmethod
    def log_image(self, image: Any, artifact_file: str | None = None, **kwargs: Any) -> None:
        """Store a picture.

        Parameters
        ----------
        image
            A NumPy array (height, width[, channels]), a picture of PIL, or ``mlflow.Image``.
        artifact_file
            Name, such as ``"plots/weights.png"``; the suffix decides the format.
        **kwargs
            Instead of a name ``key`` and ``step``: MLflow's pages then show the pictures of a key step by step.
        """

    @abstractmethod
    def log_input(
        self, dataset: Any, context: str | None = None, tags: Mapping[str, str] | None = None, name: str | None = None
    ) -> None:
        """Note what data the run works on: name, digest, schema, size; the data are not stored.

        Parameters
        ----------
        dataset
            A dataset of ``mlflow.data``, a DataFrame (columns with one level) or an array.
        context
            What it is used for, such as ``"train"``.
        tags
            Further notes.
        name
            Name of a DataFrame or an array.

        Notes
        -----
        The digest of a DataFrame or an array covers all of it; that of MLflow's own datasets the first 10,000 rows.
        """

    @abstractmethod
    def save_objects(self, local_path: Any = None, artifact_path: Any = None, **kwargs: Any) -> None:
        """Store objects, or what lies at a path.

        Parameters
        ----------
        local_path
            A file, or a folder whose content is stored.
        artifact_path
            Folder inside the run; ``None`` is its root.
        **kwargs
            Artifact name (``/`` makes folders) to object. The suffix decides the format, see `serialize.save_object`;
            any other name is a pickle. An artifact of the same name is replaced, and no reader sees half of it. If one
            of the objects cannot be written, none is stored.

        Raises
        ------
        TrackingError
            If both or neither of a path and objects are given, or for a name that leaves the run's folder.
        SerializationError
            If an object cannot be written in the format of its suffix.
        """

    @abstractmethod
    def load_object(self, name: str, unpickler: Any = None) -> Any:
        """Read an artifact back.

        Parameters
        ----------
        name
            Artifact name.
        unpickler
            A subclass of ``pickle.Unpickler`` that reads a pickle; ``None`` is the usual one, or a restricted one if
            the setting ``trusted_classes`` is given. Unpickling runs code: load only from stores you trust.

        Raises
        ------
        LoadObjectError
            If there is no such artifact (`MissingArtifactError`), if it cannot be read, or if its content is not what
            `save_objects` wrote; the message says which.
        UntrustedClassError
            If it is a pickle and names a class that ``trusted_classes`` does not allow.
        """

    @abstractmethod
    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """List the artifacts and folders of one folder, as paths from the run's root, sorted."""

    @abstractmethod
    def download_artifact(self, path: str, dst_path: str | None = None) -> str:
        """Bring an artifact to this machine.

        Parameters
        ----------
        path
            Artifact name.
        dst_path
            Existing folder to copy into; ``None`` leaves an artifact that is on this machine where it is, and puts
            any other into a temporary folder of its own.

        Returns
        -------
        str
            Where it is now.
        """

    @abstractmethod
    def get_artifact_uri(self) -> str:
        """Return the address of the run's artifacts."""

    @abstractmethod
    def get_local_dir(self) -> str:
        """Return the folder of the run on this machine, the parent of its artifacts.

        Raises
        ------
        TrackingError
            If the artifacts are elsewhere.
        """

    @abstractmethod
    def list_metrics(self) -> dict[str, float]:
        """Read the metrics: the value at the greatest step of each."""

    @abstractmethod
    def list_params(self) -> dict[str, str]:
        """Read the parameters; all are text."""

    @abstractmethod
    def list_tags(self) -> dict[str, str]:
        """Read the tags, those of MLflow (``mlflow.*``) included."""


def _local(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone().strftime(TIME_FORMAT)
