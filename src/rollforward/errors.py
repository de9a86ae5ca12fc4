"""Every error that rollforward raises on purpose.

::

    RollforwardError                          (QlibException is the same class)
    ├── SettingsError(ValueError)             unknown or contradictory setting
    ├── InstantiationError(ValueError)        a configuration that cannot be turned into an object
    ├── MissingDependencyError(ImportError)   an optional package is not installed
    ├── SerializationError(ValueError)        an object or a file that cannot be written or read
    ├── CalendarError(ValueError)             a calendar that is not one
    │   ├── OutOfCalendarError(LookupError)   a time or a step outside the calendar
    │   └── NotASessionError                  a time that is not a session, and no direction was given
    ├── SegmentError(ValueError)              segments in the wrong order, overlapping or empty
    │   ├── EmptySegmentError                 a segment that selects no row
    │   └── LeakageError                      what a model trains on knows what it is tested on
    ├── DataError(ValueError)                 prices or features that are not as declared
    │   ├── DataSourceError(FileNotFoundError)  a file that is not there or cannot be read
    │   └── ColumnError(KeyError)             a column that is not there
    ├── ModelError(RuntimeError)              a model used before it was fitted, or fed what it cannot take
    ├── TrackingError(RuntimeError)           the tracking store refused or cannot be used
    │   ├── ExperimentNotFoundError(LookupError, ValueError)
    │   ├── RecorderNotFoundError(LookupError, ValueError)
    │   ├── ExpAlreadyExistError
    │   ├── NoActiveRunError(ValueError)
    │   ├── RecorderInitializationError
    │   ├── StoreRefusedError                 a store that MLflow no longer opens
    │   ├── StoreUnreachableError             a store that does not answer; what was asked may be tried again
    │   ├── SpoolError                        the local journal of a run cannot be written
    │   └── LoadObjectError                   an artifact that is missing or cannot be read
    │       ├── MissingArtifactError(FileNotFoundError)
    │       └── UntrustedClassError           a pickle that names a class the settings do not trust
    ├── PoolError(RuntimeError)               the task pool refused an operation or cannot be used
    │   ├── StaleClaimError                   a worker writes to a task that is no longer its own
    │   ├── PoolQueryError(ValueError)        a query that no store, or not every store, can answer
    │   ├── PoolTimeoutError(TimeoutError)    tasks were not done in time
    │   └── TaskFailedError                   a task of the pool failed for good
    ├── OnlineError(RuntimeError)             the models that serve cannot be served, switched or proved
    │   ├── OnlineBusyError                   somebody else is at the same routine
    │   ├── LedgerError                       what is recorded of the models that serve is not as it must be
    │   ├── ProofError                        a prediction that knew more than its day did, or was not proved
    │   └── UpdateError(ValueError)           predictions or labels that cannot be brought up to date
    ├── ModelEnvironmentError(RuntimeError)   an environment of a model cannot be made
    └── TaskError(ValueError)                 a task definition that cannot be run
        ├── TaskNotFoundError(LookupError)
        └── WorkflowFileError                 a workflow file with mistakes, each with file, line and key

An error is built from three parts: what was given, what was expected, what to do. They stay readable as
attributes, and the sentence is made of them. Where Qlib raises a builtin that scripts catch (``ValueError`` for
an unknown experiment, ``KeyError`` for a shift past the calendar), the class inherits that builtin too.
"""

from __future__ import annotations


class RollforwardError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    given
        What was found, with the offending value.
    expected
        What would have been right.
    remedy
        What to do now.
    """

    def __init__(self, given: str, expected: str = "", remedy: str = "") -> None:
        super().__init__(given, expected, remedy)
        self.given = given
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        """Join the parts into one message; parts that are empty leave no trace."""
        parts = [self.given]
        if self.expected:
            parts.append(f"Expected: {self.expected}")
        if self.remedy:
            parts.append(f"To do: {self.remedy}")
        return "\n  ".join(parts)


QlibException = RollforwardError


class SettingsError(RollforwardError, ValueError):
    """A setting is unknown, has the wrong type, or contradicts another one."""


class InstantiationError(RollforwardError, ValueError):
    """A configuration cannot be turned into an object; the message names its place in the configuration."""


class MissingDependencyError(RollforwardError, ImportError):
    """An optional package is needed and not installed."""

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> MissingDependencyError:
        """Build the error for one package.

        Parameters
        ----------
        package
            Name of the package on PyPI.
        extra
            The extra of rollforward that brings it; empty if there is none.
        purpose
            What it is needed for, as the object of "is needed for".
        """
        target = f"'rollforward[{extra}]'" if extra else package
        return cls(f"{package} is not installed.", f"{package} is needed for {purpose}.", f"pip install {target}")


class SerializationError(RollforwardError, ValueError):
    """An object cannot be written in the asked format, or a file cannot be read back."""


class CalendarError(RollforwardError, ValueError):
    """A calendar is missing, empty, unsorted, has duplicates or mixes time zones."""


class OutOfCalendarError(CalendarError, KeyError, IndexError):
    """A time or an index lies outside the calendar (Qlib raised KeyError or IndexError here)."""

    __str__ = RollforwardError.__str__


class NotASessionError(CalendarError):
    """A time is not a session of the calendar and no direction to snap to was given."""


class SegmentError(RollforwardError, ValueError):
    """Segments are malformed, in the wrong order or overlap."""


class EmptySegmentError(SegmentError):
    """A segment selects no row of the data, or no session of the calendar."""


class LeakageError(SegmentError):
    """What a model is trained on reaches into what it is tested on."""


class DataError(RollforwardError, ValueError):
    """Data are not as the handler or the loader declares them."""


class DataSourceError(DataError, FileNotFoundError):
    """A data file is missing or cannot be read."""

    __str__ = RollforwardError.__str__


class LaterDataError(DataError):
    """Data are asked for as they were on a date, and hold what came after it."""


class ColumnError(DataError, KeyError):
    """A column, a column group or a level is not in the data."""

    __str__ = RollforwardError.__str__


class ModelError(RollforwardError, RuntimeError):
    """A model is used before it was fitted, or is fed what it cannot take."""


class TrackingError(RollforwardError, RuntimeError):
    """The tracking store refused an operation or cannot be reached."""


class ExperimentNotFoundError(TrackingError, LookupError, ValueError):
    """No active experiment has this id or name."""


class RecorderNotFoundError(TrackingError, LookupError, ValueError):
    """No recorder has this id or name in the experiment."""


class ExpAlreadyExistError(TrackingError):
    """An experiment of this name exists already, perhaps in the trash."""


class NoActiveRunError(TrackingError, ValueError):
    """An operation needs a started recorder and there is none."""


class RecorderInitializationError(TrackingError):
    """The settings cannot be changed while a recorder is active."""


class StoreRefusedError(TrackingError):
    """MLflow does not open this kind of store."""


class StoreUnreachableError(TrackingError):
    """The store does not answer, or not in time: the same call may succeed when it is back."""


class SpoolError(TrackingError):
    """The local journal of a run cannot be written or read: no room, or a folder without permission."""


class LoadObjectError(TrackingError):
    """An artifact is missing or cannot be read."""


class MissingArtifactError(LoadObjectError, FileNotFoundError):
    """A run does not have an artifact."""

    __str__ = RollforwardError.__str__


class PoolError(RollforwardError, RuntimeError):
    """The task pool refused an operation or cannot be used."""


class StaleClaimError(PoolError):
    """A task was claimed by somebody else, or taken back, since this worker claimed it; nothing was written."""


class PoolQueryError(PoolError, ValueError):
    """A query of the task pool has an operator, a field or a value that is not supported."""


class PoolTimeoutError(PoolError, TimeoutError):
    """Tasks were not done in the time that was given to them."""


class TaskFailedError(PoolError):
    """A task of the pool failed for good.

    Parameters
    ----------
    given, expected, remedy
        See `RollforwardError`.
    task_id
        The task.
    traceback
        Of its last attempt.
    """

    def __init__(
        self, given: str, expected: str = "", remedy: str = "", *, task_id: object = None, traceback: str = ""
    ) -> None:
        super().__init__(given, expected, remedy)
        self.task_id = task_id
        self.traceback = traceback


class UntrustedClassError(LoadObjectError):
    """A pickle names a class that the setting ``trusted_classes`` does not list; nothing of it was called."""


class OnlineError(RollforwardError, RuntimeError):
    """The models that serve cannot be served, switched or proved."""


class OnlineBusyError(OnlineError):
    """Somebody else is at the same routine, or took it over."""


class LedgerError(OnlineError):
    """What is recorded of the models that serve is not as it must be, or somebody else recorded first."""


class ProofError(OnlineError):
    """A prediction knew more than its day did, or is asked for its proof and has none."""


class UpdateError(OnlineError, ValueError):
    """Predictions or labels cannot be brought up to date."""


class ModelEnvironmentError(RollforwardError, RuntimeError):
    """The environment that a model needs cannot be made."""


class TaskError(RollforwardError, ValueError):
    """A task definition cannot be run as it stands."""


class TaskNotFoundError(TaskError, LookupError):
    """No task has this id."""


class WorkflowFileError(TaskError):
    """A workflow file has mistakes.

    Parameters
    ----------
    given, expected, remedy
        See `RollforwardError`.
    problems
        All mistakes, in the order of the file; see `rollforward.workflow.config.Problem`.
    """

    def __init__(self, given: str, expected: str = "", remedy: str = "", *, problems: tuple[object, ...] = ()) -> None:
        super().__init__(given, expected, remedy)
        self.problems = problems
