"""Which models of an experiment are online: read it, change it, keep their predictions up to date."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from rollforward import workflow
from rollforward.errors import ExperimentNotFoundError, MissingArtifactError, OnlineError, UpdateError
from rollforward.settings.words import counted
from rollforward.workflow.online.pointer import ONLINE_BY, is_own, read_set, recorders_of, write_set
from rollforward.workflow.online.update import update_many
from rollforward.workflow.task.recorders import tag_filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rollforward.data.times import TimeLike
    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)


class OnlineTool(ABC):
    """Reads and changes which models are online."""

    ONLINE_KEY: Final = "online_status"
    ONLINE_TAG: Final = "online"
    OFFLINE_TAG: Final = "offline"

    @abstractmethod
    def set_online_tag(self, tag: str, recorder: Any) -> None:
        """Mark models as online or offline, and leave the others as they are."""

    @abstractmethod
    def get_online_tag(self, recorder: Any) -> str:
        """Tell whether a model is online or offline."""

    @abstractmethod
    def reset_online_tag(self, recorder: Any) -> None:
        """Put models online in place of those that are."""

    @abstractmethod
    def online_models(self) -> list[Any]:
        """List the models that are online."""

    @abstractmethod
    def update_online_pred(self, to_date: TimeLike | None = None) -> None:
        """Bring the predictions of the models that are online up to date."""


class OnlineToolR(OnlineTool):
    """Keeps in the tracking store which models of an experiment are online.

    One tag of the experiment, ``online.set``, decides: it changes in one write, so that there is never no set and never
    two. The tag ``online_status`` of the recorders, as Qlib has it, follows after it; it decides only where an
    experiment has no ``online.set``, as Qlib left it.

    Parameters
    ----------
    default_exp_name
        The experiment, where a method is not given one.
    """

    def __init__(self, default_exp_name: str | None = None) -> None:
        self.default_exp_name = default_exp_name

    def set_online_tag(self, tag: str, recorder: Recorder | Sequence[Recorder]) -> None:
        """Mark recorders as online or offline, and leave the others as they are.

        Parameters
        ----------
        tag
            ``"online"`` or ``"offline"``.
        recorder
            One or several, in the experiment of this tool or, without one, in the experiment of the recorder.

        Raises
        ------
        OnlineError
            If the tag is neither.
        """
        if tag not in (self.ONLINE_TAG, self.OFFLINE_TAG):
            raise OnlineError(f"The tag is {tag!r}.", f"{self.ONLINE_TAG!r} or {self.OFFLINE_TAG!r}.")
        for experiment, recorders in self._by_experiment(_as_list(recorder)):
            own = [one for one in recorders if is_own(one, experiment)]
            places = read_set(experiment)
            if places is not None or len(own) < len(recorders):
                online = self._tagged(experiment) if places is None else recorders_of(experiment, places)
                kept = [one for one in online if one not in recorders]
                write_set(experiment, [*kept, *recorders] if tag == self.ONLINE_TAG else kept)
            for one in own:
                one.set_tags(**{self.ONLINE_KEY: tag})
        logger.info("Now %s: %s.", tag, counted(len(_as_list(recorder)), "model"))

    def get_online_tag(self, recorder: Recorder) -> str:
        """Tell whether a recorder is ``"online"`` or ``"offline"``, which it is if nobody ever said."""
        ((experiment, _),) = self._by_experiment([recorder])
        places = read_set(experiment)
        if places is None:
            return recorder.list_tags().get(self.ONLINE_KEY, self.OFFLINE_TAG)
        return self.ONLINE_TAG if recorder.id in {place.id for place in places} else self.OFFLINE_TAG

    def reset_online_tag(self, recorder: Recorder | Sequence[Recorder], exp_name: str | None = None) -> None:
        """Put recorders online in place of those that are.

        Parameters
        ----------
        recorder
            One or several, of whatever experiment; an empty list leaves nothing online.
        exp_name
            The experiment; ``None``: that of the tool.

        Raises
        ------
        ExperimentNotFoundError
            If there is no such experiment, or none is named anywhere.
        """
        experiment = self.show(recorder, exp_name)
        logger.info("Online in experiment %r: %s.", experiment.name, counted(len(_as_list(recorder)), "model"))

    def show(self, recorder: Recorder | Sequence[Recorder], exp_name: str | None = None) -> Experiment:
        """Do what `reset_online_tag` does without a word; return the experiment."""
        recorders, experiment = _as_list(recorder), self._experiment(exp_name)
        write_set(experiment, recorders)
        self._mirror(experiment, recorders)
        return experiment

    def mirror(self, exp_name: str | None = None) -> int:
        """Let the tags of the recorders say what the tag of the experiment says, for those who read only them.

        Returns
        -------
        int
            How many recorders said something else, such as after a kill between the two.
        """
        experiment = self._experiment(exp_name)
        places = read_set(experiment)
        return 0 if places is None else self._mirror(experiment, recorders_of(experiment, places))

    def holder(self, exp_name: str | None = None) -> str | None:
        """Name the ledger that decides what is online; ``None`` if none does, or it was deleted."""
        try:
            name = self._experiment(exp_name).tags.get(ONLINE_BY)
            return None if name is None else workflow.R.get_exp(experiment_name=name, create=False).name
        except ExperimentNotFoundError:
            return None

    def hold(self, ledger: str, exp_name: str | None = None) -> None:
        """Let a ledger decide what is online from now on."""
        experiment = self._experiment(exp_name)
        if experiment.tags.get(ONLINE_BY) != ledger:
            experiment.set_tags(**{ONLINE_BY: ledger})

    def online_models(self, exp_name: str | None = None) -> list[Recorder]:
        """List the recorders that are online, newest first; a constant number of requests.

        Raises
        ------
        OnlineError
            If a recorder that is online was deleted.
        ExperimentNotFoundError
            If there is no such experiment, or none is named anywhere.
        """
        experiment = self._experiment(exp_name)
        places = read_set(experiment)
        return self._tagged(experiment) if places is None else recorders_of(experiment, places)

    def update_online_pred(
        self, to_date: TimeLike | None = None, from_date: TimeLike | None = None, exp_name: str | None = None
    ) -> None:
        """Bring the predictions of the recorders that are online up to date.

        Parameters
        ----------
        to_date
            Last date to predict, inclusive; ``None``: the last session so far.
        from_date
            Predictions from here on are made anew; ``None``: only dates that are missing.
        exp_name
            The experiment; ``None``: that of the tool.

        Raises
        ------
        UpdateError
            If one of them cannot be updated; the others are. One that has made no predictions yet is left out, with a
            warning.
        """
        updates = update_many(self.online_models(exp_name), to_date, errors="keep", from_date=from_date)
        failed = {key: one.error for key, one in updates.items() if one.error is not None}
        logger.info(
            "The predictions of %d of %d online models are up to date.", len(updates) - len(failed), len(updates)
        )
        broken = {key: error for key, error in failed.items() if not isinstance(error, MissingArtifactError)}
        for key, error in broken.items():
            raise UpdateError(
                f"{len(broken)} of {len(updates)} online models could not be updated. {key}: {error}",
                "models whose predictions can be made anew.",
                "The others are up to date; the log names each.",
            ) from error

    def _mirror(self, experiment: Experiment, online: Iterable[Recorder]) -> int:
        """Write the tags that differ, new models first: whoever reads only tags sees one model too many, never none.

        Recorders of other experiments stay as they are: their tags speak of their own experiment.
        """
        tagged = {one.require_id(): one for one in self._tagged(experiment)}
        wanted = {one.require_id(): one for one in online if is_own(one, experiment)}
        added = [one for key, one in wanted.items() if key not in tagged]
        over = [one for key, one in tagged.items() if key not in wanted]
        for recorders, tag in ((added, self.ONLINE_TAG), (over, self.OFFLINE_TAG)):
            for one in recorders:
                one.set_tags(**{self.ONLINE_KEY: tag})
        return len(added) + len(over)

    def _tagged(self, experiment: Experiment) -> list[Recorder]:
        wanted = tag_filter(**{self.ONLINE_KEY: self.ONLINE_TAG})
        found: list[Recorder] = experiment.list_recorders(rtype=experiment.RT_L, filter_string=wanted)
        return found

    def _by_experiment(self, recorders: Sequence[Recorder]) -> list[tuple[Experiment, list[Recorder]]]:
        if self.default_exp_name is not None:
            return [(self._experiment(None), list(recorders))]
        ids = dict.fromkeys(recorder.experiment_id for recorder in recorders)
        return [
            (
                workflow.R.get_exp(experiment_id=key, create=False),
                [one for one in recorders if one.experiment_id == key],
            )
            for key in ids
        ]

    def _experiment(self, exp_name: str | None) -> Experiment:
        name = self.default_exp_name if exp_name is None else exp_name
        if name is None:
            raise ExperimentNotFoundError(
                "OnlineToolR was given no experiment.", "exp_name here, or default_exp_name when it is made."
            )
        return workflow.R.get_exp(experiment_name=name, create=False)


class NotingTool(OnlineTool):
    """Notes what it is told, instead of doing it: to ask what a strategy would do.

    Parameters
    ----------
    models
        What is online.
    """

    def __init__(self, models: Iterable[Any]) -> None:
        self._models = list(models)

    def set_online_tag(self, tag: str, recorder: Any) -> None:
        """See `OnlineTool`."""
        given = _as_list(recorder)
        kept = [model for model in self._models if model not in given]
        self._models = [*kept, *given] if tag == self.ONLINE_TAG else kept

    def get_online_tag(self, recorder: Any) -> str:
        """See `OnlineTool`."""
        return self.ONLINE_TAG if recorder in self._models else self.OFFLINE_TAG

    def reset_online_tag(self, recorder: Any) -> None:
        """See `OnlineTool`."""
        self._models = _as_list(recorder)

    def online_models(self) -> list[Any]:
        """See `OnlineTool`."""
        return list(self._models)

    def update_online_pred(self, to_date: TimeLike | None = None) -> None:
        """Do nothing: predictions change nothing about what is online."""


def _as_list(recorder: Any) -> list[Any]:
    return list(recorder) if isinstance(recorder, list | tuple | set | frozenset) else [recorder]
