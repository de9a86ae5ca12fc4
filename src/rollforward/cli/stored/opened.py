"""The store that the command line names, and what in it the command line means."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from rollforward import settings
from rollforward.errors import ExperimentNotFoundError, RecorderNotFoundError
from rollforward.settings.masking import mask_credentials
from rollforward.settings.nearest import did_you_mean
from rollforward.settings.words import counted
from rollforward.workflow import R
from rollforward.workflow.mlflow_backend.inventory import (
    OFFLINE_ID,
    FoundExperiment,
    FoundRun,
    check_is_there,
    find_runs,
    list_all,
    name_filter,
)
from rollforward.workflow.reporting.ids import is_whole_id, may_begin_id

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_SHOWN = 5


@dataclass(frozen=True)
class Store:
    """A store, and the experiments in it.

    Parameters
    ----------
    uri
        Its address.
    experiments
        All that are not deleted.
    """

    uri: str
    experiments: Sequence[FoundExperiment]

    @property
    def shown(self) -> str:
        """The address without credentials."""
        return mask_credentials(self.uri)

    def name_of(self, experiment_id: str) -> str:
        """Return the name of an experiment."""
        return next((found.name for found in self.experiments if found.id == experiment_id), experiment_id)

    def experiment(self, text: str) -> FoundExperiment:
        """Find an experiment by name, else by id.

        Raises
        ------
        ExperimentNotFoundError
            If there is none; names the nearest.
        """
        for key in ("name", "id"):
            for found in self.experiments:
                if getattr(found, key) == text:
                    return found
        known = [found.name for found in self.experiments]
        raise ExperimentNotFoundError(
            f"There is no experiment {text!r} in {self.shown}.",
            "the name or the id of an experiment.",
            did_you_mean(text, known, otherwise="List them: rollforward experiments list"),
        )

    def ids(self, experiment: str | None) -> list[str]:
        """Return the ids of the experiments to look into."""
        return [found.id for found in self.experiments] if experiment is None else [self.experiment(experiment).id]

    def run(self, text: str, experiment: str | None = None, *, deleted: bool = False) -> FoundRun:
        """Find the one run that a text means.

        Parameters
        ----------
        text
            Its id, 6 or more of the first digits of it, its name, or ``experiment/name``.
        experiment
            Where to look; ``None`` is every experiment.
        deleted
            In the trash.

        Raises
        ------
        RecorderNotFoundError
            If it means none, or several.
        """
        found = self._with_id(text, experiment, deleted=deleted) or self._named(text, experiment, deleted=deleted)
        if len(found) == 1:
            return found[0]
        where = f"{'the trash of ' if deleted else ''}{self.shown if experiment is None else repr(experiment)}"
        if not found:
            raise RecorderNotFoundError(
                f"There is no run {text!r} in {where}.",
                "an id, 6 of its first digits or more, a name, or EXPERIMENT/NAME.",
                f"List them: rollforward runs list{' --deleted' if deleted else ''}",
            )
        shown = ", ".join(f"{run.id} ({run.name})" for run in found[:_SHOWN])
        raise RecorderNotFoundError(
            f"{text!r} may be {counted(len(found), 'run')} of {where}: {shown}{', ...' * (len(found) > _SHOWN)}",
            "one run.",
            "Give its id.",
        )

    def _with_id(self, text: str, experiment: str | None, *, deleted: bool) -> list[FoundRun]:
        digits = text.lower()
        if not (is_whole_id(digits) or may_begin_id(digits)):
            return []
        ids = self.ids(experiment)
        found = list(find_runs(self.uri, ids, filter_string=f"attributes.run_id LIKE '{digits}%'", deleted=deleted))
        if found or not is_whole_id(digits):
            return found
        # The id that it had in the store it was uploaded from.
        return list(find_runs(self.uri, ids, filter_string=f"tags.{OFFLINE_ID} = '{digits}'", deleted=deleted))

    def _named(self, text: str, experiment: str | None, *, deleted: bool) -> list[FoundRun]:
        above, _, below = text.rpartition("/")
        if experiment is None and any(above == found.name for found in self.experiments):
            inside = self._named(below, above, deleted=deleted)
            if inside:
                return inside
        found = find_runs(self.uri, self.ids(experiment), filter_string=name_filter(text), deleted=deleted)
        return [run for run in found if run.name == text]


def choose_store(uri: str | None) -> str:
    """Let a command look into the store that it names, or that of this directory, and return the address.

    Raises
    ------
    TrackingError
        If there is none: a look into it would make it one.
    """
    if uri:
        settings.init(uri=uri)
    chosen = R.get_uri()
    check_is_there(chosen)
    return chosen


def open_store(arguments: argparse.Namespace) -> Store:
    """Open the store that the command line names, or that of this directory; nothing is created."""
    uri = choose_store(arguments.uri)
    return Store(uri, list_all(uri))


def act(action: str, arguments: argparse.Namespace) -> int:
    """Call ``module.function`` of this package with the store."""
    module, _, name = action.partition(".")
    done: int = getattr(import_module(f"rollforward.cli.stored.{module}"), name)(open_store(arguments), arguments)
    return done
