"""A named set of runs: how a recorder is found, created, started and ended."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from rollforward.errors import RecorderNotFoundError, TrackingError
from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.active import SCHEDULED, Scope, status_of
from rollforward.workflow.display import experiment_card
from rollforward.workflow.leaving import sigterm_as_exception, to_the_end
from rollforward.workflow.recorder import checked_status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from rollforward.workflow.active import ActiveRun
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

# Names that are searched for a similar one, and names that are shown.
_NEIGHBOURS, _SHOWN = 100, 5


class Experiment(ABC):
    """A named set of recorders.

    Parameters
    ----------
    id, name
        As in the store.
    scope
        The active runs of the manager that made this object; ``None`` starts a set of its own.
    """

    RT_D = "dict"
    RT_L = "list"
    DEFAULT_RECORDER_NAME = "abstract_recorder"

    def __init__(self, id: str, name: str, *, scope: Scope | None = None) -> None:  # noqa: A002  # Qlib's name
        self.id = id
        self.name = name
        self._scope = scope or Scope()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, name={self.name!r})"

    def __str__(self) -> str:
        """Show the newest runs as a table; asks the store once, and never fails."""
        return experiment_card(self).text

    def _repr_html_(self) -> str:
        return experiment_card(self).html

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_scope"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _scope=Scope())

    @property
    @abstractmethod
    def uri(self) -> str:
        """The store that the experiment is in."""

    @property
    @abstractmethod
    def tags(self) -> dict[str, str]:
        """The tags of the experiment; asks the store."""

    @abstractmethod
    def set_tags(self, **kwargs: Any) -> None:
        """Set tags of the experiment, one by one; an existing tag is replaced, and no reader sees half of one.

        Raises
        ------
        TrackingError
            For a key or a text that not every version of MLflow takes (at most 5,000 characters).
        """

    @abstractmethod
    def add_run(self, name: str, tags: Mapping[str, str] | None = None) -> Recorder:
        """Create a run that nobody accompanies: it is not active, and what is logged to it is written at once.

        Parameters
        ----------
        name
            Its name.
        tags
            It never exists without them.

        Returns
        -------
        Recorder
            ``RUNNING`` until its `end_run`.
        """

    @property
    def active_recorder(self) -> Recorder | None:
        """The innermost active recorder of this experiment, whichever object started it."""
        run = self._active_run()
        return None if run is None else run.recorder

    @property
    def info(self) -> dict[str, Any]:
        """The experiment as a dictionary; lists the ids of all its recorders."""
        active = self.active_recorder
        return {
            "class": "Experiment",
            "id": self.id,
            "name": self.name,
            "active_recorder": active.id if active is not None else None,
            "recorders": list(self.list_recorders()),
        }

    def start(
        self, *, recorder_id: str | None = None, recorder_name: str | None = None, resume: bool = False
    ) -> Recorder:
        """Start a recorder and make it the active one.

        Parameters
        ----------
        recorder_id, recorder_name
            The run to continue (an id, or the newest of a name), or the name of a new one.
        resume
            Continue a run. A name that does not exist starts a new run, with a warning.

        Raises
        ------
        RecorderNotFoundError
            If a run is to be continued and its id does not exist.
        TrackingError
            If an id is given without ``resume``.
        """
        run = self.begin(recorder_id=recorder_id, recorder_name=recorder_name, resume=resume)
        run.leave_open()
        recorder: Recorder = run.recorder
        return recorder

    def begin(
        self,
        *,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        resume: bool = False,
        uri_given: bool = False,
    ) -> ActiveRun:
        """Start a recorder as `start` does, and return its place among the active ones."""
        recorder = self._to_start(recorder_id, recorder_name, resume=resume)
        return self._activate(recorder, uri_given=uri_given)

    def end(self, recorder_status: str = SCHEDULED, *, error: BaseException | None = None) -> None:
        """End the innermost active recorder of this experiment; nothing if there is none."""
        self._scope.end(self._active_run(), checked_status(recorder_status), error)

    def get_recorder(
        self,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> Recorder:
        """Find a recorder.

        Parameters
        ----------
        recorder_id
            Wins over a name. The run may be of another experiment, and then says so.
        recorder_name
            The newest run of this name. Neither: the active recorder, else the newest of the default name.
        create
            Whether a name that does not exist is created.
        start
            Whether a recorder that was created is started and made active.

        Raises
        ------
        RecorderNotFoundError
            If there is no such recorder and none may be created.
        """
        if recorder_id is not None:
            return self._by_id(recorder_id)
        active = self.active_recorder
        if recorder_name is None and active is not None:
            return active
        name = recorder_name or self.DEFAULT_RECORDER_NAME
        found = self._newest(name)
        if found is not None:
            return self._scope.find(found.require_id()) or found
        if not create:
            raise self._not_found(name, is_given=recorder_name is not None)
        recorder = self.create_recorder(name)
        if start:
            self._activate(recorder).leave_open()
        return recorder

    @abstractmethod
    def create_recorder(self, recorder_name: str | None = None) -> Recorder:
        """Make a recorder that is not started; the store knows nothing of it yet."""

    @abstractmethod
    def search_records(self, **kwargs: Any) -> pd.DataFrame:
        """Search the runs of this experiment, see `ExpManager.search_records`."""

    @abstractmethod
    def delete_recorder(self, recorder_id: str | None = None, recorder_name: str | None = None) -> None:
        """Delete a run (MLflow keeps it in its trash).

        Raises
        ------
        RecorderNotFoundError
            If there is no such recorder.
        TrackingError
            If neither an id nor a name is given.
        """

    @abstractmethod
    def list_recorders(
        self,
        rtype: str = RT_D,
        max_results: int | None = None,
        status: str | None = None,
        filter_string: str = "",
    ) -> Any:
        """List the recorders, newest first; deleted ones are left out.

        Parameters
        ----------
        rtype
            ``"dict"`` from id to recorder, or ``"list"``.
        max_results
            ``None`` is all of them.
        status
            Only those of this status; the store filters.
        filter_string
            MLflow's filter grammar, e.g. ``"metrics.IC > 0.02 and tags.kind = 'fold'"``.
        """

    @abstractmethod
    def _find_by_id(self, recorder_id: str) -> Recorder | None:
        """Read a run by id."""

    @abstractmethod
    def _find_by_name(self, recorder_name: str, limit: int) -> Sequence[Recorder]:
        """Read the newest runs of a name, newest first."""

    def _active_run(self) -> ActiveRun | None:
        for run in reversed(self._scope.runs()):
            if self._is_same(run.experiment):
                return run
        current = self._scope.current()
        return current if current is not None and self._is_same(current.experiment) else None

    def _is_same(self, other: Experiment) -> bool:
        return other is self or (other.id == self.id and other.uri == self.uri)

    def _by_id(self, recorder_id: str) -> Recorder:
        found = self._scope.find(recorder_id) or self._find_by_id(recorder_id)
        if found is None:
            raise RecorderNotFoundError(
                f"There is no recorder with id {recorder_id!r} in {self!r}.", "the id of a run that is not deleted."
            )
        return found

    def _newest(self, name: str) -> Recorder | None:
        found = self._find_by_name(name, 2)
        if len(found) > 1:
            logger.warning(
                "Several recorders of experiment %r are named %r; taking the newest, %s. Names that are looked up "
                "should be unique.",
                self.name,
                name,
                found[0].id,
            )
        return found[0] if found else None

    def _not_found(self, name: str, *, is_given: bool) -> RecorderNotFoundError:
        newest = self.list_recorders(rtype=self.RT_L, max_results=_NEIGHBOURS)
        names = [recorder.name or "" for recorder in newest]
        if is_given:
            remedy = did_you_mean(name, names, otherwise="List them with list_recorders().")
            return RecorderNotFoundError(f"There is no recorder named {name!r} in {self!r}.", remedy=remedy)
        shown = ", ".join(repr(each) for each in list(dict.fromkeys(names))[:_SHOWN])
        return RecorderNotFoundError(
            f"No recorder is active, and experiment {self.name!r} has none of the default name {name!r}.",
            "a recorder_name or recorder_id, or to be asked while a recorder is active.",
            f"Its newest recorders: {shown}." if shown else "The experiment has no recorders.",
        )

    def _to_start(self, recorder_id: str | None, recorder_name: str | None, *, resume: bool) -> Recorder:
        if not resume:
            if recorder_id is not None:
                raise TrackingError(
                    f"recorder_id={recorder_id!r} was given without resume=True.",
                    "a new run gets its id from the store.",
                    "Pass resume=True to continue that run, or leave the id out.",
                )
            return self.create_recorder(recorder_name)
        if recorder_id is not None:
            return self._by_id(recorder_id)
        name = recorder_name or self.DEFAULT_RECORDER_NAME
        found = self._newest(name)
        if found is None:
            logger.warning("There is no recorder %r to resume in experiment %r; starting a new one.", name, self.name)
            return self.create_recorder(name)
        return found

    def _activate(self, recorder: Recorder, *, uri_given: bool = False) -> ActiveRun:
        stack = self._scope.runs()
        parent = stack[-1].recorder.id if stack and stack[-1].experiment.uri == self.uri else None
        # An interrupt that comes while the run is being opened must not leave it RUNNING for ever.
        with sigterm_as_exception():
            recorder.start_run(parent_id=parent)
            try:
                recorder.on_active()
                return self._scope.push(self, recorder, uri_given=uri_given)
            except BaseException as error:
                with to_the_end("The run is being ended"):
                    recorder.end_run(status_of(error), error=error)
                raise
