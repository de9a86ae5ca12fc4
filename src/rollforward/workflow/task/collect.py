"""Bring together what the recorders of many runs hold."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rollforward import workflow
from rollforward.errors import LoadObjectError, TaskError, TrackingError
from rollforward.serialize import Serializable

if TYPE_CHECKING:
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

Process: TypeAlias = Callable[..., Any]
Processes: TypeAlias = "Process | Sequence[Process] | None"

_FINISHED = "FINISHED"


class Missing(NamedTuple):
    """An artifact that could not be collected.

    Attributes
    ----------
    recorder_id
        Whose it is.
    artifact
        Its key in ``artifacts_path``.
    reason
        What loading it said.
    """

    recorder_id: str | None
    artifact: str
    reason: str


class Collector(Serializable, ABC):
    """Collects values into a dictionary and processes each.

    Parameters
    ----------
    process_list
        Functions through which each value goes, in order; a single one need not be in a list.
    """

    def __init__(self, process_list: Processes = None) -> None:
        self.process_list = _as_list(process_list)

    @abstractmethod
    def collect(self) -> dict[Any, Any]:
        """Collect values."""

    @staticmethod
    def process_collect(
        collected_dict: Mapping[Any, Any], process_list: Processes = None, *args: Any, **kwargs: Any
    ) -> dict[Any, Any]:
        """Send each value through functions.

        Parameters
        ----------
        collected_dict
            Stays as it is.
        process_list
            As for the class.
        *args, **kwargs
            Go to each function, after the value.

        Raises
        ------
        TaskError
            If one of the functions cannot be called.
        """
        processed = dict(collected_dict)
        for process in _as_list(process_list):
            if not callable(process):
                raise TaskError(f"{process!r} cannot be called.", "a function, such as RollingGroup().")
            processed = {key: process(value, *args, **kwargs) for key, value in processed.items()}
        return processed

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        """Collect and process; arguments go to each function of the process list."""
        return self.process_collect(self.collect(), self.process_list, *args, **kwargs)


class MergeCollector(Collector):
    """Puts what several collectors collect and process into one dictionary.

    Parameters
    ----------
    collector_dict
        Collectors by name.
    process_list
        As for `Collector`; applied to the merged dictionary.
    merge_func
        Makes a key of a collector's name and a key of what it collected; by default the pair of the two.
    """

    def __init__(
        self,
        collector_dict: Mapping[str, Collector],
        process_list: Processes = None,
        merge_func: Callable[[str, Any], Any] | None = None,
    ) -> None:
        super().__init__(process_list)
        self.collector_dict = dict(collector_dict)
        self.merge_func = merge_func

    def collect(self) -> dict[Any, Any]:
        """Collect and process with each collector.

        Raises
        ------
        TaskError
            If `merge_func` makes the same key twice.
        """
        merged: dict[Any, Any] = {}
        for name, collector in self.collector_dict.items():
            for key, value in collector().items():
                merged_key = (name, key) if self.merge_func is None else self.merge_func(name, key)
                if merged_key in merged:
                    raise TaskError(
                        f"merge_func made the key {merged_key!r} twice.", "a key of its own for each value."
                    )
                merged[merged_key] = value
        return merged


class RecorderCollector(Collector):
    """Collects artifacts of the recorders of an experiment.

    Parameters
    ----------
    experiment
        The name of an experiment, an experiment, or a function that returns recorders (a list, or a dictionary by id).
    process_list
        As for `Collector`.
    rec_key_func
        Makes a recorder's key in the result; by default its id. ``None`` leaves the recorder out. Of recorders with the
        same key, the newest that has the artifact wins.
    rec_filter_func
        Keeps a recorder where it returns true.
    artifacts_path
        Artifact keys to names of artifacts; ``{"pred": "pred.pkl"}`` by default. The key ``"__raw"`` needs no name: it
        collects the recorders themselves.
    artifacts_key
        Which artifact keys to collect; all by default.
    list_kwargs
        Go to `Experiment.list_recorders`.
    status
        Statuses of the recorders to take; ``None`` takes all.

    Attributes
    ----------
    missing
        What the last `collect` could not load.
    """

    ART_KEY_RAW = "__raw"

    def __init__(
        self,
        experiment: Any,
        process_list: Processes = None,
        rec_key_func: Callable[[Any], Any] | None = None,
        rec_filter_func: Callable[[Any], bool] | None = None,
        artifacts_path: Mapping[str, str] | None = None,
        artifacts_key: str | Sequence[str] | None = None,
        list_kwargs: Mapping[str, Any] | None = None,
        status: str | Iterable[str] | None = (_FINISHED,),
    ) -> None:
        super().__init__(process_list)
        if not (isinstance(experiment, str) or hasattr(experiment, "list_recorders") or callable(experiment)):
            raise TrackingError(
                f"experiment={experiment!r}.", "the name of an experiment, an Experiment, or a function of recorders."
            )
        self.experiment = experiment
        self.rec_key_func = rec_key_func
        self.rec_filter_func = rec_filter_func
        self.artifacts_path = {"pred": "pred.pkl"} if artifacts_path is None else dict(artifacts_path)
        self.artifacts_key = list(self.artifacts_path) if artifacts_key is None else _names(artifacts_key)
        self.list_kwargs = dict(list_kwargs or {})
        self.status = None if status is None else set(_names(status))
        self.missing: list[Missing] = []

    def collect(
        self,
        artifacts_key: str | Sequence[str] | None = None,
        rec_filter_func: Callable[[Any], bool] | None = None,
        only_exist: bool = True,
    ) -> dict[str, dict[Any, Any]]:
        """Load artifacts.

        Parameters
        ----------
        artifacts_key, rec_filter_func
            Instead of those of the collector.
        only_exist
            Whether an artifact that is missing or cannot be read is left out, with a warning and a place in `missing`.

        Returns
        -------
        dict
            Artifact keys to recorder keys to objects; recorders newest first. An artifact key of which nothing was
            found is not there.

        Raises
        ------
        LoadObjectError
            If an artifact cannot be loaded and `only_exist` is false.
        ExperimentNotFoundError
            If there is no experiment of this name.
        TrackingError
            If an artifact key has no name in `artifacts_path`.
        """
        wanted = self.artifacts_key if artifacts_key is None else _names(artifacts_key)
        self._check_known(wanted)
        self.missing = []
        candidates = self._candidates(rec_filter_func or self.rec_filter_func)
        collected: dict[str, dict[Any, Any]] = {}
        for key, recorders in candidates.items():
            for artifact in wanted:
                for recorder in recorders:
                    loaded = self._load(recorder, artifact, only_exist)
                    if loaded is not None:
                        collected.setdefault(artifact, {})[key] = loaded[0]
                        break
        if self.missing:
            logger.warning("%d artifacts could not be collected; see `missing`.", len(self.missing))
        return collected

    def get_exp_name(self) -> str:
        """Name the experiment.

        Raises
        ------
        TrackingError
            If the recorders come from a function.
        """
        name = self.experiment if isinstance(self.experiment, str) else getattr(self.experiment, "name", None)
        if not isinstance(name, str):
            raise TrackingError("The recorders come from a function.", "an experiment, which has a name.")
        return name

    def _candidates(self, keep: Callable[[Any], bool] | None) -> dict[Any, list[Recorder]]:
        """Sort the recorders by their keys, the newest of each key first."""
        candidates: dict[Any, list[Recorder]] = {}
        for recorder in self._recorders():
            if self.status is not None and recorder.status not in self.status:
                continue
            if keep is not None and not keep(recorder):
                continue
            key = recorder.info["id"] if self.rec_key_func is None else self.rec_key_func(recorder)
            if key is not None:
                candidates.setdefault(key, []).append(recorder)
        n_older = sum(map(len, candidates.values())) - len(candidates)
        if n_older:
            logger.warning("%d recorders have the key of a newer one, which is taken instead.", n_older)
        return candidates

    def _recorders(self) -> list[Recorder]:
        """List the recorders, newest first."""
        source = self.experiment
        if isinstance(source, str):
            source = workflow.R.get_exp(experiment_name=source, create=False)
        if hasattr(source, "list_recorders"):
            return _listed(source.list_recorders(**self._server_filter()))
        # A function may list in any order; an experiment lists the newest first.
        return sorted(_listed(source()), key=lambda recorder: str(recorder.info["start_time"] or ""), reverse=True)

    def _server_filter(self) -> dict[str, Any]:
        if self.status is not None and len(self.status) == 1 and "status" not in self.list_kwargs:
            return {**self.list_kwargs, "status": next(iter(self.status))}
        return self.list_kwargs

    def _check_known(self, artifacts: list[str]) -> None:
        for artifact in artifacts:
            if artifact != self.ART_KEY_RAW and artifact not in self.artifacts_path:
                known = [*self.artifacts_path, self.ART_KEY_RAW]
                raise TrackingError(f"The artifact key {artifact!r} is unknown.", f"one of {known!r}.")

    def _load(self, recorder: Recorder, artifact: str, only_exist: bool) -> tuple[Any] | None:
        if artifact == self.ART_KEY_RAW:
            return (recorder,)
        try:
            return (recorder.load_object(self.artifacts_path[artifact]),)
        except LoadObjectError as error:
            if not only_exist:
                raise
            logger.warning("Recorder %s: %s", recorder.info["id"], error)
            self.missing.append(Missing(recorder.info["id"], artifact, str(error)))
            return None


def _as_list(process_list: Processes) -> list[Process]:
    if process_list is None:
        return []
    return list(process_list) if isinstance(process_list, list | tuple) else [process_list]  # type: ignore[list-item]


def _names(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _listed(recorders: Any) -> list[Any]:
    return list(recorders.values() if isinstance(recorders, Mapping) else recorders)
