"""The experiments of a store: how one is found, created, and told from one that was meant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from rollforward.errors import ExpAlreadyExistError, ExperimentNotFoundError
from rollforward.settings.masking import mask_credentials
from rollforward.settings.nearest import did_you_mean
from rollforward.settings.state import current

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.recorder import Recorder


class Catalog(ABC):
    """What a manager knows of experiments without starting any run.

    Parameters
    ----------
    default_exp_name
        Experiment that is used where none is named; ``None`` follows the settings.
    """

    def __init__(self, default_exp_name: str | None = None) -> None:
        self._default_exp_name = default_exp_name

    @property
    @abstractmethod
    def uri(self) -> str:
        """The store that is looked into where none is given."""

    @property
    def default_exp_name(self) -> str:
        """Experiment that is used where none is named."""
        return self._default_exp_name or current().experiment

    def create_exp(self, experiment_name: str) -> Experiment:
        """Create an experiment.

        Raises
        ------
        ExpAlreadyExistError
            If the name is taken, perhaps by an experiment in the trash.
        """
        return self._create(self._checked_name(experiment_name), self.uri)

    @abstractmethod
    def reachable_uri(self, action: str) -> str:
        """Return the store where nothing else may stand in for it while it is away.

        Parameters
        ----------
        action
            What is to be done there, as the end of "could not ...".

        Raises
        ------
        StoreUnreachableError
            If it is away.
        """

    @abstractmethod
    def create_exclusive(
        self, experiment_name: str, prepare: Callable[[Experiment], None], tags: Mapping[str, str] | None = None
    ) -> tuple[Experiment, bool]:
        """Create an experiment that nobody finds under its name before it is prepared.

        Parameters
        ----------
        experiment_name
            Its name.
        prepare
            Fills it, under another name; the next step gives it its own. A process that is killed in between leaves
            an experiment named ``<name> [new ...]``, which means nothing to anybody.
        tags
            Its first tags.

        Returns
        -------
        Experiment
            The one of this name, which somebody else may have made meanwhile.
        bool
            Whether it is the one that was prepared here.

        Raises
        ------
        ExpAlreadyExistError
            If an experiment in the trash has the name.
        StoreUnreachableError
            If the store is away.
        """

    @abstractmethod
    def search_records(self, experiment_ids: Sequence[str] | None = None, **kwargs: Any) -> pd.DataFrame:
        """Search runs.

        Parameters
        ----------
        experiment_ids
            Ids; ``None`` searches all experiments that are not deleted.
        **kwargs
            ``filter_string`` (MLflow's grammar), ``run_view_type`` (1 active, 2 deleted, 3 both), ``max_results``
            (``None`` is all) and ``order_by`` (a list; default newest first).

        Returns
        -------
        pd.DataFrame
            One row per run: ``run_id, experiment_id, run_name, status`` (MLflow's), ``start_time, end_time`` (UTC),
            ``artifact_uri``, and one column for each ``metrics.*``, ``params.*`` and ``tags.*`` that occurs.
        """

    @abstractmethod
    def delete_exp(self, experiment_id: str | None = None, experiment_name: str | None = None) -> None:
        """Delete an experiment and its runs (MLflow keeps them in its trash); the name is free again.

        Raises
        ------
        ExperimentNotFoundError
            If there is no such experiment.
        TrackingError
            If neither an id nor a name is given.
        """

    @abstractmethod
    def restore_exp(self, experiment_id: str | None = None, experiment_name: str | None = None) -> Experiment:
        """Bring a deleted experiment back with its runs, under the name that it had.

        Parameters
        ----------
        experiment_id
            Wins over a name.
        experiment_name
            The last experiment of this name that was deleted.

        Raises
        ------
        ExperimentNotFoundError
            If there is none in the trash.
        ExpAlreadyExistError
            If another experiment has the name now.
        TrackingError
            If neither an id nor a name is given.
        """

    def list_experiments(self) -> dict[str, Experiment]:
        """List the experiments that are not deleted, by name."""
        return dict(self._list(self.uri))

    @abstractmethod
    def _list(self, uri: str) -> Mapping[str, Experiment]:
        """Read the experiments of a store that are not deleted."""

    @abstractmethod
    def _find(self, uri: str, *, experiment_id: str | None = None, name: str | None = None) -> Experiment | None:
        """Read an experiment by id or by name; ``None`` if there is none or it is deleted."""

    @abstractmethod
    def _find_recorder(self, uri: str, recorder_id: str) -> Recorder | None:
        """Read a run by id; ``None`` if there is none or it is deleted."""

    @abstractmethod
    def _create(self, experiment_name: str, uri: str) -> Experiment:
        """Create an experiment in a store."""

    def _find_or_create(
        self, experiment_id: str | None, name: str | None, *, create: bool, uri: str | None = None
    ) -> Experiment:
        store = uri or self.uri
        if experiment_id is not None:
            found = self._find(store, experiment_id=experiment_id)
            if found is None:
                raise ExperimentNotFoundError(
                    f"There is no experiment with id {experiment_id!r} in {mask_credentials(store)}.",
                    "the id of an experiment that is not deleted.",
                )
            return found
        wanted = self._checked_name(self.default_exp_name if name is None else name)
        found = self._find(store, name=wanted)
        if found is not None:
            return found
        if not create:
            raise self._not_found(wanted, store, is_default=name is None)
        try:
            return self._create(wanted, store)
        except ExpAlreadyExistError:
            # Another process was faster; only an experiment in the trash leaves nothing to find.
            found = self._find(store, name=wanted)
            if found is None:
                raise
            return found

    def _checked_name(self, name: str) -> str:
        if isinstance(name, str) and name.strip():
            return name
        raise ExperimentNotFoundError(f"{name!r} is no name of an experiment.", "a text that is not blank.")

    def _not_found(self, name: str, uri: str, *, is_default: bool) -> ExperimentNotFoundError:
        remedy = did_you_mean(
            name, self._list(uri), otherwise="List them with R.list_experiments(), or `rollforward experiments list`."
        )
        given = f"no experiment named {name!r} in {mask_credentials(uri)}."
        if is_default:
            return ExperimentNotFoundError(
                f"No recorder is active, no experiment was named, and there is {given}",
                "the name or id of an experiment, or to be asked while a recorder is active.",
                remedy,
            )
        return ExperimentNotFoundError(f"There is {given}", remedy=remedy)
