"""Check a task as far as names, signatures, values and dates tell, and say each mistake with its line.

Modules that the task names are imported; nothing in them is called but `check_kwargs` of a model that has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from rollforward.errors import InstantiationError, RollforwardError
from rollforward.instantiate import get_callable_kwargs, resolve_placeholders
from rollforward.instantiate.signatures import check_arguments, takes
from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.config.datasets import wrong_lookahead, wrong_processors, wrong_segments
from rollforward.workflow.config.misfits import misfits
from rollforward.workflow.config.problems import KeyPath, Place, Places, Problem, locate_error, place_of

_RECORDS = "rollforward.workflow.record_temp"
_KEYS = ("class", "func", "module_path", "kwargs")
_QLIB = "qlib"
_OURS = ("rollforward", _QLIB)
_SIGNAL = "SignalRecord"
_PORTFOLIO = "PortAnaRecord"
_ENGINE = "rollforward.backtest.daily.backtest"
_EXCHANGE = "rollforward.backtest.exchange.Exchange"
_RULES = "exchange_kwargs"
_STRATEGIES = "rollforward.backtest.strategy"
_MISSING = re.compile(r"lacks the argument '(\w+)'")
_MODULE = re.compile(r"no module|is a module")


class Inspector:
    """Looks through the task of a document.

    Parameters
    ----------
    content, places
        The document.
    file
        The place if a mistake has no line.

    Attributes
    ----------
    problems
        What was found.
    needs_qlib
        Whether something in the task comes from Qlib's own package.
    """

    def __init__(self, content: Mapping[str, Any], places: Places, file: Place) -> None:
        self.content = content
        self.places = places
        self.file = file
        self.problems: list[Problem] = []
        self.needs_qlib = False
        self._misfits: list[Problem] = []

    def inspect(self) -> None:
        """Find all problems."""
        task = self.content["task"]
        if not isinstance(task, Mapping):
            return
        resolved = self._resolved(task)
        model = None
        for key in ("model", "dataset", "reweighter"):
            if task.get(key) is not None:
                func = self._whole(task[key], ("task", key))
                if key == "model" and func is not None:
                    model = func
                    self._check_model(func, (resolved or task)["model"])
        for record, path in _records(task):
            func = self._whole(record, path, _RECORDS, supplied=("recorder",), offered=("model", "dataset"))
            if _PORTFOLIO in [base.__name__ for base in getattr(func, "__mro__", ())]:
                self._check_backtest(record, (*path, "kwargs", "config"))
            if _mapping(_mapping(record).get("kwargs")).get("optional"):
                # Its failure ends nothing.
                self._misfits = [misfit for misfit in self._misfits if misfit.path[: len(path)] != path]
        if resolved is not None:
            self._check_data(resolved, model)
        # What the class itself says of a value tells more than that it does not fit.
        self.problems += [misfit for misfit in self._misfits if not self._is_wrong(misfit.path)]

    def _add(self, path: KeyPath, error: RollforwardError) -> None:
        self.problems.append(Problem.of(error, place_of(self.places, path, self.file), path))

    def _resolved(self, task: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            return resolve_placeholders(task)
        except InstantiationError as error:
            self.problems.append(locate_error(error, self.content, self.places, ("task",), self.file))
            return None

    def _whole(
        self,
        config: Any,
        path: KeyPath,
        default_module: str | None = None,
        supplied: tuple[str, ...] = (),
        offered: tuple[str, ...] = (),
    ) -> Callable[..., Any] | None:
        """Check a configuration that is built as it is, and what is inside its arguments."""
        func = self._callable(config, path, default_module)
        if not isinstance(config, Mapping):
            return func
        kwargs = config.get("kwargs")
        kwargs = kwargs if isinstance(kwargs, Mapping) else {}
        if func is not None:
            good = self._arguments(func, kwargs, path)
            self._judge(func, kwargs, (*path, "kwargs"))
            wanted = [name for name in offered if name not in kwargs and takes(func, name)]
            try:
                check_arguments(func, good, "", supplied=[*supplied, *wanted])
            except InstantiationError as error:
                self._add_missing(error, kwargs, path)
        self._inside(kwargs, (*path, "kwargs"), func)
        return func

    def _add_missing(self, error: InstantiationError, kwargs: Mapping[str, Any], path: KeyPath) -> None:
        """Note a missing argument: at the one that is its misspelt name, if there is one."""
        missing = _MISSING.search(error.given)
        misspelt = get_close_matches(missing[1], [str(name) for name in kwargs], n=1) if missing else []
        if missing and misspelt:
            remedy = f"Did you mean {missing[1]!r}?"
            self._add((*path, "kwargs", *misspelt), InstantiationError(error.given, error.expected, remedy))
        else:
            self._add((*path, "kwargs") if kwargs else path, error)

    def _callable(self, config: Any, path: KeyPath, default_module: str | None = None) -> Callable[..., Any] | None:
        if isinstance(config, Mapping):
            config = {key: value for key, value in config.items() if key in _KEYS}
        elif not isinstance(config, str) or config.startswith("file://"):
            return None
        try:
            func = get_callable_kwargs(config, default_module)[0]
        except InstantiationError as error:
            key = "module_path" if _MODULE.search(error.given) else "class"
            key = "kwargs" if error.given.startswith("kwargs is ") else key
            found = isinstance(config, Mapping) and key in config
            self._note_qlib(config)
            self._add((*path, key) if found else path, error)
            return None
        except Exception as error:  # noqa: BLE001  # whatever the user's module raises while it is imported
            failed = InstantiationError(
                f"importing it fails: {type(error).__name__}: {error}",
                "a module that can be imported.",
                "Install what it needs, or correct the module.",
            )
            self._add((*path, "module_path") if (*path, "module_path") in self.places else path, failed)
            return None
        self._note_qlib(getattr(func, "__module__", None))
        return func

    def _note_qlib(self, named: Any) -> None:
        text = f"{named.get('module_path')}" if isinstance(named, Mapping) else str(named)
        self.needs_qlib = self.needs_qlib or text.partition(".")[0] == _QLIB

    def _arguments(self, func: Callable[..., Any], kwargs: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        """Check each argument by itself; return those that are taken."""
        good = {}
        for name, value in kwargs.items():
            try:
                check_arguments(func, {name: value}, "", whole=False)
            except InstantiationError as error:
                self._add((*path, "kwargs", name), error)
            else:
                good[name] = value
        return good

    def _judge(self, func: Callable[..., Any], kwargs: Mapping[str, Any], path: KeyPath) -> None:
        """Compare each value with what the constructor, and scikit-learn, say of it."""
        for here, error in misfits(func, kwargs, path):
            self._misfits.append(Problem.of(error, place_of(self.places, here, self.file), here))

    def _inside(self, value: Any, path: KeyPath, owner: Callable[..., Any] | None) -> None:
        """Check the configurations inside arguments.

        Their owner may still add arguments, so that none is missed there, and may change values, as a search does that
        has a list for each: they are judged only where the owner is known to build them as they are.
        """
        if isinstance(value, list | tuple):
            for i, item in enumerate(value):
                self._inside(item, (*path, i), owner)
        elif isinstance(value, Mapping):
            if _names_its_module(value):
                self._misspelt(value, path)
                func = self._callable(value, path)
                kwargs = value.get("kwargs")
                if func is not None and isinstance(kwargs, Mapping):
                    self._arguments(func, kwargs, path)
                    if _is_ours(owner):
                        self._judge(func, kwargs, (*path, "kwargs"))
                owner = func
            for key, item in value.items():
                self._inside(item, (*path, key), owner)

    def _misspelt(self, config: Mapping[str, Any], path: KeyPath) -> None:
        for key in config:
            if key not in _KEYS:
                given, expected = f"there is no key {key!r} here.", f"one of {', '.join(_KEYS)}."
                self._add((*path, key), InstantiationError(given, expected, did_you_mean(key, _KEYS)))

    def _check_backtest(self, record: Any, path: KeyPath) -> None:
        """Check the sections of a backtest, unless another engine runs it; without a module a strategy is ours."""
        sections = _mapping(_mapping(_mapping(record).get("kwargs")).get("config"))
        strategy, section = sections.get("strategy"), _mapping(sections.get("backtest"))
        if "func" in section:
            return
        for name, given, where in ((_ENGINE, section, ()), (_EXCHANGE, _mapping(section.get(_RULES)), (_RULES,))):
            self._judge(get_callable_kwargs(name)[0], given, (*path, "backtest", *where))
        if isinstance(strategy, Mapping) and not _names_its_module(strategy):
            self._whole(strategy, (*path, "strategy"), _STRATEGIES)

    def _check_model(self, model: Callable[..., Any], config: Any) -> None:
        """Ask a model about its arguments; each that it names in its complaint is left out of the next question."""
        given = config.get("kwargs") if isinstance(config, Mapping) else None
        kwargs, path = dict(given) if isinstance(given, Mapping) else {}, ("task", "model", "kwargs")
        if not hasattr(model, "check_kwargs") or self._is_wrong(path[:2]):
            return
        while True:
            try:
                model.check_kwargs(**kwargs)
            except RollforwardError as error:
                named = _named_in(error.given, kwargs)
                if named is None:
                    # What it says of a configuration inside has been said there.
                    if error.given not in [misfit.given for misfit in self._misfits]:
                        self._add(path, error)
                    return
                self._add((*path, named), error)
                del kwargs[named]
            except Exception as error:  # noqa: BLE001  # whatever the user's class raises of what it is given
                if not any(misfit.path[: len(path)] == path for misfit in self._misfits):
                    said = f"{getattr(model, '__name__', 'the model')} refuses it: {type(error).__name__}: {error}"
                    self._add(path, InstantiationError(said, "arguments that it takes.", "Correct them."))
                return
            else:
                return

    def _check_data(self, task: Mapping[str, Any], model: Any) -> None:
        needed = _needed_segments(task, model)
        dataset = task.get("dataset")
        handler = (dataset.get("kwargs") or {}).get("handler") if isinstance(dataset, Mapping) else None
        path = ("task", "dataset", "kwargs", "handler")
        if isinstance(handler, Mapping) and not self._is_wrong(path):
            for where, error in wrong_processors(task, get_callable_kwargs(handler)[0]):
                self._add(where, error)
            for where, error in wrong_lookahead(task):
                self._add(where, error)
        for where, error in wrong_segments(task, needed):
            self._add(where, error)

    def _is_wrong(self, path: KeyPath) -> bool:
        return any(problem.path[: len(path)] == path for problem in self.problems)


def _needed_segments(task: Mapping[str, Any], model: Any) -> dict[str, str]:
    """Name the segments that are certainly asked for, and who asks."""
    needed = {}
    if task.get("refit") is not False and _is_ours(model):
        needed["train"] = model.__name__
    names = [record.get("class") if isinstance(record, Mapping) else record for record, _ in _records(task)]
    if any(str(name).rpartition(".")[2] == _SIGNAL for name in names):
        needed["test"] = _SIGNAL
    return needed


def _is_ours(func: Any) -> bool:
    return str(getattr(func, "__module__", "")).partition(".")[0] in _OURS


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _named_in(text: str, kwargs: Mapping[str, Any]) -> str | None:
    """Find the argument that a message names first, else the one whose dotted value ends with a name in it."""
    named = [name for name in kwargs if repr(name) in text]
    if named:
        return min(named, key=lambda name: text.index(repr(name)))
    leaves = {name: value.rpartition(".")[2] for name, value in kwargs.items() if isinstance(value, str)}
    return next((name for name, leaf in leaves.items() if leaf and repr(leaf) in text), None)


def _records(task: Mapping[str, Any]) -> Iterator[tuple[Any, KeyPath]]:
    record = task.get("record")
    if isinstance(record, list):
        yield from ((one, ("task", "record", i)) for i, one in enumerate(record))
    elif record is not None:
        yield record, ("task", "record")


def _names_its_module(value: Mapping[Any, Any]) -> bool:
    """Tell a configuration, perhaps with a misspelt key, from another dictionary."""
    if any(key not in _KEYS and not did_you_mean(key, _KEYS) for key in value):
        return False
    target = value.get("class", value.get("func"))
    return isinstance(target, str) and (isinstance(value.get("module_path"), str) or "." in target)
