"""Collect the artifacts of the recorders of an experiment."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rollforward.errors import TrackingError
from rollforward.workflow.display import Card, Section
from rollforward.workflow.task.collect.base import Collector
from rollforward.workflow.task.collect.jobs import mixtures
from rollforward.workflow.task.collect.listing import Listing, by_key, holes, selected
from rollforward.workflow.task.collect.loading import Lazy, Wanted, load_all
from rollforward.workflow.task.collect.origin import Origins
from rollforward.workflow.task.collect.report import CollectReport
from rollforward.workflow.task.collect.table import recorder_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pandas as pd

    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.task.collect.base import Processes
    from rollforward.workflow.task.collect.report import Missing

logger = logging.getLogger(__name__)

_FINISHED = "FINISHED"


class RecorderCollector(Collector):
    """Collects artifacts of the recorders of an experiment.

    One listing brings the recorders with their tags, parameters and last metrics: filters, keys and `to_frame` send no
    request of their own. Artifacts of a server are loaded several at a time, and the same content is fetched once: a
    copy stays on this machine, see `clear_cache`. The collector shows itself as a table of what it found.

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
        Go to `Experiment.list_recorders`, such as ``{"filter_string": tag_filter(model="Ridge")}``.
    status
        Statuses of the recorders to take; ``None`` takes all. A warning counts those that failed or still run.
    progress
        ``None`` shows a bar while artifacts are loaded if standard error is a terminal; ``True`` writes lines if it is
        none; ``False`` is silent.
    with_origin
        Whether predictions (every Series and DataFrame) get the columns ``cutoff``, the last session that the model was
        trained on, and ``recorder_id``.
    parent
        A rolling job, its run or its id: only its folds are taken, those that it has reused from other jobs and
        experiments among them. Without it, folds of several jobs with the same kind of model in one experiment have
        keys that `RollingGroup` puts together; a warning names the jobs and what differs between their models.

    Attributes
    ----------
    report
        What became of the last `collect`; ``None`` before, and after one that failed.
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
        *,
        progress: bool | None = None,
        with_origin: bool = False,
        parent: Recorder | str | None = None,
    ) -> None:
        super().__init__(process_list)
        self.experiment = experiment
        self.list_kwargs = dict(list_kwargs or {})
        self.rec_key_func = rec_key_func
        self.rec_filter_func = rec_filter_func
        self.artifacts_path = _paths(artifacts_path)
        self.artifacts_key = list(self.artifacts_path) if artifacts_key is None else _names(artifacts_key)
        self.status = None if status is None else set(_names(status))
        self.progress = progress
        self.with_origin = with_origin
        self.parent = None if parent is None else _run_id(parent)
        self.report: CollectReport | None = None
        self._listing.check()

    @property
    def missing(self) -> list[Missing]:
        """What the last `collect` could not load."""
        return [] if self.report is None else list(self.report.missing)

    def collect(
        self,
        artifacts_key: str | Sequence[str] | None = None,
        rec_filter_func: Callable[[Any], bool] | None = None,
        only_exist: bool = True,
        *,
        lazy: bool = False,
    ) -> dict[str, dict[Any, Any]]:
        """Load artifacts.

        Parameters
        ----------
        artifacts_key, rec_filter_func
            Instead of those of the collector.
        only_exist
            Whether an artifact that is missing or cannot be read is left out, with a warning and a place in `missing`.
        lazy
            Whether the values are `Lazy` objects, which load when they are called. Nothing is loaded now, so that
            nothing is left out: one that cannot be loaded raises then, whatever `only_exist` says.

        Returns
        -------
        dict
            Artifact keys to recorder keys to objects; recorders newest first. An artifact key of which nothing was
            found is not there.

        Raises
        ------
        LoadObjectError
            If an artifact cannot be loaded and `only_exist` is false.
        StoreUnreachableError
            If the store does not answer, whatever `only_exist` says.
        ExperimentNotFoundError
            If there is no experiment of this name.
        TrackingError
            If an artifact key has no name in `artifacts_path`.
        """
        names = self.artifacts_key if artifacts_key is None else _names(artifacts_key)
        self._check_known(names)
        self.report = None
        with self._listing.recorders() as recorders:
            unfinished = holes(recorders, self.status)
            kept, counts = selected(recorders, self.status, rec_filter_func or self.rec_filter_func)
            candidates = by_key(kept, self.rec_key_func)
            self._warn_of_mixtures(candidates, recorders)
            keyed = sum(map(len, candidates.values()))
            counts = replace(counts, without_key=len(kept) - keyed, older=keyed - len(candidates))
            finish = self._finish(recorders)
            places = [(artifact, key) for key in candidates for artifact in names]
            wanted = [
                Wanted(name, self.artifacts_path[name], tuple(candidates[key]), finish)
                for name, key in places
                if name != self.ART_KEY_RAW
            ]
            values, missing = self._values(wanted, only_exist=only_exist, lazy=lazy)
        collected: dict[str, dict[Any, Any]] = {}
        for artifact, key in places:
            given = (candidates[key][0],) if artifact == self.ART_KEY_RAW else next(values)
            if given:
                collected.setdefault(artifact, {})[key] = given[0]
        found = {name: len(collected.get(name, {})) for name in names}
        self.report = CollectReport(self._title(), counts, len(candidates), found, tuple(missing), lazy)
        self._warn(self.report, unfinished)
        return collected

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        """Collect and process; functions get the oldest recorder's value first, so that the newest of equals wins."""
        collected = self.collect()
        if self.process_list:
            collected = {artifact: dict(reversed(values.items())) for artifact, values in collected.items()}
        return self.process_collect(collected, self.process_list, *args, **kwargs)

    def to_frame(
        self,
        rec_filter_func: Callable[[Any], bool] | None = None,
        status: str | Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Lay out what is known of the recorders as a table, one row each, newest first; no artifact is loaded.

        Parameters
        ----------
        rec_filter_func
            Instead of that of the collector.
        status
            Statuses of the recorders to take; all by default, whatever the collector takes.

        Returns
        -------
        DataFrame
            Indexed by ``recorder_id``; see `recorder_table` for the columns.
        """
        statuses = None if status is None else set(_names(status))
        with self._listing.recorders() as recorders:
            return recorder_table(selected(recorders, statuses, rec_filter_func or self.rec_filter_func)[0])

    def get_exp_name(self) -> str:
        """Name the experiment.

        Raises
        ------
        TrackingError
            If the recorders come from a function.
        """
        name = self._listing.name
        if name is None:
            raise TrackingError("The recorders come from a function.", "an experiment, which has a name.")
        return name

    def __str__(self) -> str:
        """Show what the last `collect` found and what is missing; asks nobody."""
        return self._card().text

    def _repr_html_(self) -> str:
        return self._card().html

    def _card(self) -> Card:
        if self.report is not None:
            return self.report.card
        statuses = "all" if self.status is None else ", ".join(sorted(self.status))
        rows = [("statuses", statuses), ("artifacts", ", ".join(self.artifacts_key)), ("collected", "not yet")]
        return Card(self._title(), [Section("", rows)])

    def _title(self) -> str:
        name = self._listing.name
        return f"{type(self).__name__} of {'a function' if name is None else repr(name)}"

    @property
    def _listing(self) -> Listing:
        return Listing(self.experiment, self.list_kwargs, self.parent)

    def _finish(self, recorders: Sequence[Recorder]) -> Callable[[Recorder, Any], Any] | None:
        return Origins(recorders) if self.with_origin else None

    def _values(
        self, wanted: Sequence[Wanted], *, only_exist: bool, lazy: bool
    ) -> tuple[Iterator[tuple[Any, ...]], list[Missing]]:
        """Load, or put it off: a tuple with the value or an empty one for each, and what failed."""
        if lazy:
            return iter([(Lazy(one),) for one in wanted]), []
        outcomes = load_all(wanted, only_exist=only_exist, progress=self.progress)
        failed = [lost for one, outcome in zip(wanted, outcomes, strict=True) for lost in outcome.missing(one.artifact)]
        return iter([outcome.value for outcome in outcomes]), failed

    def _warn_of_mixtures(self, candidates: Mapping[Any, Sequence[Recorder]], listed: Sequence[Recorder]) -> None:
        """Say so if folds of several jobs come together; whoever names the recorders or the job has chosen."""
        is_chosen = self.parent is not None or (callable(self.experiment) and self._listing.name is None)
        for mixture in () if is_chosen else mixtures(candidates, listed):
            logger.warning("%s Take one job with parent=<its run>, or tell them apart in rec_key_func.", mixture)

    def _warn(self, report: CollectReport, unfinished: Mapping[str, int]) -> None:
        if unfinished:
            told = " and ".join(f"{count} {status}" for status, count in sorted(unfinished.items()))
            logger.warning("Recorders are left out because they have not finished: %s.", told)
        if report.counts.older:
            logger.warning("%d recorders have the key of a newer one, which is taken instead.", report.counts.older)
        for lost in report.missing:
            logger.warning("Recorder %s: %s", lost.recorder_id, lost.reason)
        if report.missing:
            logger.warning("%d artifacts could not be collected; see `missing`.", len(report.missing))

    def _check_known(self, artifacts: list[str]) -> None:
        for artifact in artifacts:
            if artifact != self.ART_KEY_RAW and artifact not in self.artifacts_path:
                known = [*self.artifacts_path, self.ART_KEY_RAW]
                raise TrackingError(f"The artifact key {artifact!r} is unknown.", f"one of {known!r}.")


def _run_id(parent: Any) -> str:
    found = parent if isinstance(parent, str) else getattr(parent, "id", None)
    if not isinstance(found, str) or hasattr(parent, "list_recorders"):
        raise TrackingError(f"parent={parent!r}.", "the run of a rolling job, or its id.", "Give result.recorder.")
    return found


def _paths(given: Any) -> dict[str, str]:
    if given is None:
        return {"pred": "pred.pkl"}
    if not isinstance(given, Mapping):
        raise TrackingError(
            f"artifacts_path={given!r}.", "artifact keys to names of artifacts.", 'For example {"pred": "pred.pkl"}.'
        )
    return dict(given)


def _names(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
