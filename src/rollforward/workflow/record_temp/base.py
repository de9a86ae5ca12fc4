"""What a record is: it names its files, the record it builds on, and computes."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from rollforward.errors import DataError, LoadObjectError, MissingArtifactError, TaskError

logger = logging.getLogger(__name__)

PRED, LABEL = "pred.pkl", "label.pkl"
_PARENT = "mlflow.parentRunId"


class RecordTemp:
    """Base of all records.

    Parameters
    ----------
    recorder
        The run that holds the artifacts: anything with ``save_objects``, ``load_object``, ``list_artifacts`` and
        ``log_metrics``.

    Attributes
    ----------
    artifact_path
        Folder of this record's artifacts in the run; ``None`` is the root.
    depend_cls
        The record whose artifacts this one needs; ``None`` if it needs none.
    """

    artifact_path: ClassVar[str | None] = None
    depend_cls: ClassVar[type[RecordTemp] | None] = None

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder

    @property
    def recorder(self) -> Any:
        """The run.

        Raises
        ------
        TaskError
            If none was given.
        """
        if self._recorder is None:
            raise TaskError(
                f"{type(self).__name__} has no recorder.", "the run to read and write.", "Give recorder=..."
            )
        return self._recorder

    @classmethod
    def get_path(cls, path: str | None = None) -> str:
        """Join the record's folder and a name; without both it is the empty text.

        Parameters
        ----------
        path
            Name below the folder; ``None`` gives the folder itself.
        """
        return "/".join(part for part in (cls.artifact_path, path) if part is not None)

    def save(self, **kwargs: Any) -> None:
        """Store objects in the record's folder.

        Parameters
        ----------
        kwargs
            Object by file name; the suffix decides the format.
        """
        self.recorder.save_objects(artifact_path=self.artifact_path, **kwargs)

    def generate(self, **kwargs: Any) -> Any:
        """Compute this record and store it."""
        raise NotImplementedError(f"{type(self).__name__} does not define generate().")

    def list(self) -> list[str]:
        """Name the files that `generate` leaves in the record's folder."""
        return []

    def dependency(self) -> RecordTemp | None:
        """Build the record that this one depends on, on the same run; ``None`` if there is none."""
        return None if self.depend_cls is None else self.depend_cls(recorder=self._recorder)

    def load(self, name: str, parents: bool = True) -> Any:
        """Load an artifact of this record, else of the records it depends on, nearest first.

        Parameters
        ----------
        name
            File name in the record's folder.
        parents
            Look in the folders of the dependencies too.

        Raises
        ------
        MissingArtifactError
            If none of them has it.
        LoadObjectError
            If the nearest that has it cannot be read.
        """
        try:
            return self.recorder.load_object(self.get_path(name))
        except LoadObjectError as error:
            dependency = self.dependency() if parents else None
            if dependency is None or not self._is_missing(name, error):
                raise
            return dependency.load(name)

    def _is_missing(self, name: str, error: LoadObjectError) -> bool:
        """Tell a file that is not there from one that is there and cannot be read."""
        path = self.get_path(name)
        folder = path.rpartition("/")[0] or None
        return isinstance(error, MissingArtifactError) or path not in self.recorder.list_artifacts(folder)

    def check(self, include_self: bool = False, parents: bool = True) -> None:
        """Make sure that artifacts are there, without loading them.

        Parameters
        ----------
        include_self
            Check this record's own files.
        parents
            Check the files of everything it depends on.

        Raises
        ------
        MissingArtifactError
            If a file is missing; names all missing ones.
        """
        missing = missing_files(self) if include_self else []
        dependency = self.dependency()
        while parents and dependency is not None:
            missing += missing_files(dependency)
            dependency = dependency.dependency()
        if missing:
            raise MissingArtifactError(
                f"The run {name_of(self.recorder)} has no {', '.join(missing)}.",
                f"the artifacts that {type(self).__name__} needs.",
                _remedy(self.depend_cls) if parents else "Call generate() first.",
            )


class ACRecordTemp(RecordTemp):
    """A record that checks, before it computes, whether its input is there and its output too.

    Parameters
    ----------
    recorder
        The run.
    skip_existing
        Do nothing if all files are there already.
    optional
        If an artifact that the record needs is missing, warn and do nothing, instead of failing.
    """

    def __init__(self, recorder: Any, skip_existing: bool = False, *, optional: bool = False) -> None:
        super().__init__(recorder=recorder)
        self.skip_existing = skip_existing
        self.optional = optional

    def generate(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Compute and store.

        Parameters
        ----------
        args, kwargs
            Passed on to the record's own computation.

        Returns
        -------
        dict or None
            The stored objects by file name; ``None`` if they were there already and ``skip_existing`` is set, if the
            record is optional and its input is missing, or, with a warning, if `SignalRecord` had nothing to predict
            yet.

        Raises
        ------
        MissingArtifactError
            If an artifact that the record needs is missing, and the record is not optional.
        """
        if self.skip_existing and not missing_files(self):
            logger.info("%s: all files exist, nothing to do", type(self).__name__)
            return None
        try:
            self._require(*args, **kwargs)
            artifacts = self._generate(*args, **kwargs)
        except MissingArtifactError as error:
            if not self.optional:
                raise
            logger.warning("%s is left out, it is optional: %s", type(self).__name__, error.given)
            return None
        except DataError:
            if not _is_all_to_come(self.recorder):
                raise
            logger.warning(
                "%s of the run %s: there is nothing to judge yet, all that it predicts is to come.",
                type(self).__name__,
                name_of(self.recorder),
            )
            return None
        self.save(**artifacts)
        return artifacts

    def _require(self, *args: Any, **kwargs: Any) -> None:
        """Make sure that what the computation needs is there; its arguments may take the place of artifacts."""
        del args, kwargs
        self.check()

    def _generate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Compute; return the objects to store by file name."""
        raise NotImplementedError(f"{type(self).__name__} does not define _generate().")


def missing_files(record: RecordTemp) -> list[str]:
    """Name the files of a record that its run does not have."""
    paths = [record.get_path(name) for name in record.list()]
    there: set[str] = set()
    for folder in sorted({path.rpartition("/")[0] for path in paths}):
        there.update(record.recorder.list_artifacts(folder or None))
    return [path for path in paths if path not in there]


def _is_all_to_come(recorder: Any) -> bool:
    """Tell whether prediction and label are both without rows, as `SignalRecord` stores them before their time."""
    try:
        return all(getattr(recorder.load_object(name), "empty", False) is True for name in (PRED, LABEL))
    except LoadObjectError:
        return False


def is_child(recorder: Any) -> bool:
    """Tell whether a run belongs to another one, as the folds of a job do."""
    return hasattr(recorder, "list_tags") and _PARENT in recorder.list_tags()


def name_of(recorder: Any) -> str:
    """Name a run in a message: its id, else what it looks like."""
    return str(getattr(recorder, "id", None) or recorder)


def _remedy(depend_cls: type[RecordTemp] | None) -> str:
    if depend_cls is None:
        return "Call generate() first."
    return (
        f"List {depend_cls.__name__} before it in the task's record. The label is stored when the dataset still has "
        "its raw data (drop_raw=False)."
    )
