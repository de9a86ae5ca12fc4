"""The folds of a rolling strategy: one line of folds for each template, walked on as far as is asked for.

Folds follow from the template, the generator and the calendar alone. So what is due at a session is the same whether it
is asked for every day or once after a month, and nothing has to be read from a store to know it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rollforward.data.identity import content_hash
from rollforward.data.segments import parse_segment, segments_of
from rollforward.errors import OnlineError, TaskError
from rollforward.workflow.task.recorders import fold_key
from rollforward.workflow.task.walk import FOLD, REFIT, REFIT_FROM
from rollforward.workflow.trainer.describe import model_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from rollforward.data.calendar import Calendar
    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.task.base import Task
    from rollforward.workflow.task.gen import RollingGen

_WINDOW = frozenset({"start_time", "end_time", "fit_start_time", "fit_end_time"})
# Sessions that are walked ahead at most; folds do not depend on how far is walked.
_LONGEST_STRIDE = 64
_MARKS = frozenset({FOLD, REFIT, REFIT_FROM})


class Fold(NamedTuple):
    """A fold of one line.

    Attributes
    ----------
    name
        Of the line: the model's class; of several templates with the same one, the second is ``"Ridge#2"``.
    start, end
        Test segment, inclusive; an end past the calendar is ``None``.
    task
        What is trained.
    """

    name: str
    start: pd.Timestamp
    end: pd.Timestamp | None
    task: Task


class Lines:
    """The lines of folds of a strategy.

    Parameters
    ----------
    templates
        One task for each line, whose test segment starts where the line starts.
    generator
        Rolls them.
    """

    def __init__(self, templates: Sequence[Mapping[str, Any]], generator: RollingGen) -> None:
        self.templates = dict(zip(line_names(templates), templates, strict=True))
        self.generator = generator
        self._told_apart: dict[str, tuple[Callable[[Mapping[str, Any]], str], dict[str, str]]] = {}
        self._walked: dict[str, _Walked] = {}
        self._calendar: Calendar | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_walked": {}, "_calendar": None, "_told_apart": {}}

    @property
    def names(self) -> list[str]:
        """The names of the lines, in the order of their templates."""
        return list(self.templates)

    def folds(self, name: str, until: pd.Timestamp) -> list[Fold]:
        """List the folds of a line whose test segment starts up to a session, inclusive."""
        calendar = self.generator.ta.calendar
        if self._calendar is not calendar:  # a fold that was open may have an end now
            self._calendar, self._walked = calendar, {}
        if name not in self._walked:
            self._walked[name] = _Walked(self._folds(name, self.generator.generate(self.templates[name])))
        walked = self._walked[name]
        if until > walked.reached:
            ahead = walked.ahead(calendar, until)
            tasks = self.generator.gen_following_tasks(walked.folds[-1].task, ahead)
            walked.go_on(self._folds(name, tasks), ahead)
        return walked.folds[: bisect_right(walked.starts, until)]

    def due(self, newest: Iterable[Any], until: pd.Timestamp) -> list[Fold]:
        """List the folds that start up to a session and after the newest one of their line.

        Parameters
        ----------
        newest
            As `known` takes each; a line that is not among them has none yet.
        until
            Inclusive.

        Returns
        -------
        list
            Line by line, each in time order; the tasks are copies.
        """
        latest: dict[str, pd.Timestamp] = {}
        for name, start in map(self.known, newest):
            latest[name] = max(start, latest.get(name, start))
        found = [fold for name in self.templates for fold in self.folds(name, until) if _is_after(fold, latest)]
        return [fold._replace(task=self.generator.task_copy_func(fold.task)) for fold in found]

    def serving(self, models: Iterable[Any], session: pd.Timestamp) -> list[Any]:
        """Choose of each line the latest model that has begun by a session; models as `known` takes them."""
        found: dict[str, tuple[pd.Timestamp, Any]] = {}
        for model in models:
            name, start = self.known(model)
            if start <= session and (name not in found or start >= found[name][0]):
                found[name] = start, model
        return [found[name][1] for name in self.templates if name in found]

    def known(self, one: Any) -> tuple[str, pd.Timestamp]:
        """Tell of a model which line it is of and where its test segment starts.

        Parameters
        ----------
        one
            A pair of a name and a test segment, anything with attributes ``model`` and ``test`` of this kind, a
            recorder, a fold, or a task.

        Raises
        ------
        OnlineError
            If it is of none of these lines, or has no test segment.
        """
        if isinstance(one, Fold):
            return one.name, one.start
        if isinstance(one, tuple):
            name, test = one
        elif isinstance(one, Mapping):
            name, test = self.name_of(one), segments_of(one)[self.generator.test_key]
        elif hasattr(one, "test") and hasattr(one, "model"):
            name, test = one.model, one.test
        else:
            name, test = self.name_of(one), _key_of(one)[1]
        start = None if test is None else parse_segment(test, f"the test segment of {name}")[0]
        if start is None:
            raise OnlineError(f"{one!r} has no test segment with a start.", "a fold, whose test segment starts.")
        return self._checked(name), start

    def name_of(self, one: Any) -> str:
        """Name the line that a task, or the recorder of one, belongs to.

        Raises
        ------
        OnlineError
            If it belongs to none.
        """
        is_task = isinstance(one, Mapping)
        base = model_name(one["model"]) if is_task else _key_of(one)[0]
        alike = [name for name in self.templates if _base(name) == base]
        if len(alike) < 2:  # noqa: PLR2004  one, or none
            return self._checked(base)
        identify, known = self._identities(alike)
        identity = identify(one if is_task else one.load_object("task"))
        if identity not in known:
            raise OnlineError(
                f"A task with the model {base} fits none of the templates {', '.join(alike)}.",
                "a task that one of them was rolled to: they differ in more than their segments.",
                "Keep the templates as they are while their models serve, or add a strategy of another name.",
            )
        return known[identity]

    def _identities(self, alike: list[str]) -> tuple[Callable[[Mapping[str, Any]], str], dict[str, str]]:
        """Find what tells templates with the same class of model apart: the rest of their models, or all of them."""
        if alike[0] not in self._told_apart:
            for identify in (_model_identity, _identity):
                try:
                    known = {identify(self.templates[name]): name for name in alike}
                except TaskError as error:
                    if identify is _model_identity:
                        continue
                    raise OnlineError(
                        f"Templates with the same model cannot be told apart: {error.given}",
                        "templates that are data, or whose models are of different classes.",
                        error.remedy,
                    ) from error
                if len(known) == len(alike):
                    break
            else:
                raise OnlineError(
                    f"The templates {', '.join(alike)} are the same.",
                    "templates that differ in more than their segments.",
                )
            self._told_apart[alike[0]] = identify, known
        return self._told_apart[alike[0]]

    def _checked(self, name: str) -> str:
        if name not in self.templates:
            raise OnlineError(
                f"There is no template with the model {name!r}.",
                f"one of {', '.join(self.templates)}.",
                "Keep the templates whose models serve, or add a strategy of another name.",
            )
        return name

    def _folds(self, name: str, tasks: Iterable[Task]) -> list[Fold]:
        test_key = self.generator.test_key
        return [Fold(name, *segments_of(task)[test_key], task) for task in tasks]  # type: ignore[arg-type]


class _Walked:
    """The folds of a line as far as it was walked."""

    def __init__(self, folds: list[Fold]) -> None:
        self.folds = folds
        self.starts = [fold.start for fold in folds]
        self.reached = self.starts[-1]
        self._stride = 0

    def ahead(self, calendar: Calendar, until: pd.Timestamp) -> pd.Timestamp:
        """Tell how far to walk: the more often it is asked for, the further."""
        position, stride = calendar.position(until, "end"), self._stride
        self._stride = min(2 * stride or 1, _LONGEST_STRIDE)
        return max(until, calendar[min(position + stride, len(calendar) - 1)])

    def go_on(self, folds: Iterable[Fold], until: pd.Timestamp) -> None:
        for fold in folds:
            self.folds.append(fold)
            self.starts.append(fold.start)
        self.reached = until


def line_names(templates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the lines of templates: the class of the model, with ``#2``, ``#3``, ... where it comes again."""
    seen: Counter[str] = Counter()
    names = []
    for template in templates:
        name = model_name(template["model"])
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return names


def _base(name: str) -> str:
    return name.partition("#")[0]


def _is_after(fold: Fold, newest: Mapping[str, pd.Timestamp]) -> bool:
    return fold.name not in newest or fold.start > newest[fold.name]


def _key_of(recorder: Recorder) -> tuple[str, Any]:
    key = fold_key(recorder)
    if key is None:
        raise OnlineError(
            f"{recorder!r} has neither the tags of a fold nor a task.", "a recorder that a trainer has trained."
        )
    return key


def _identity(task: Mapping[str, Any]) -> str:
    """Hash what all folds of a line share."""
    kept = {key: value for key, value in task.items() if key not in _MARKS}
    dataset = task.get("dataset")
    if isinstance(dataset, Mapping):
        kwargs = {key: value for key, value in (dataset.get("kwargs") or {}).items() if key != "segments"}
        handler = kwargs.get("handler")
        if isinstance(handler, Mapping):
            inner = {key: value for key, value in (handler.get("kwargs") or {}).items() if key not in _WINDOW}
            kwargs["handler"] = {**handler, "kwargs": inner}
        kept["dataset"] = {**dataset, "kwargs": kwargs}
    return content_hash(kept)


def _model_identity(task: Mapping[str, Any]) -> str:
    return content_hash(task["model"])
