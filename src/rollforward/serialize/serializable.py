"""Objects that decide which of their attributes are stored."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, ClassVar, Self

from rollforward.adapters.qlib import SERIALIZABLE, is_theirs
from rollforward.errors import MissingDependencyError, SerializationError
from rollforward.serialize.atomic import atomic_write
from rollforward.serialize.files import load_object
from rollforward.serialize.formats import PICKLE_PROTOCOL
from rollforward.serialize.trust import unpickler_in_force

_OPTIONS = "_serial_options"


@dataclass(frozen=True)
class _Options:
    """What one object was told about storing it; ``None`` = nothing."""

    dump_all: bool | None = None
    exclude: tuple[str, ...] | None = None
    include: tuple[str, ...] | None = None

    @classmethod
    def of(cls, dump_all: bool | None, exclude: Collection[str] | None, include: Collection[str] | None) -> _Options:
        for name, value in (("exclude", exclude), ("include", include)):
            if isinstance(value, str):
                raise SerializationError(f"{name} is the text {value!r}.", "a list of names.", f"Write [{value!r}].")
        return cls(dump_all, None if exclude is None else tuple(exclude), None if include is None else tuple(include))

    def over(self, below: _Options) -> _Options:
        given = {name: value for name, value in vars(self).items() if value is not None}
        return replace(below, **given)


@dataclass(frozen=True)
class _Call:
    """The options of the `to_pickle` that is running, and the objects they are for."""

    options: _Options
    root: int
    recursive: bool


_call: ContextVar[_Call | None] = ContextVar("rollforward_to_pickle", default=None)
_visited: ContextVar[frozenset[int]] = ContextVar("rollforward_config_visited", default=frozenset())


class Serializable:
    """Base of objects that can be stored without part of their attributes.

    Which attributes a pickle holds, first rule that applies: those in `include` (kept), those in `exclude` (dropped),
    all if `dump_all`, else those whose name does not begin with ``_``. Unless told otherwise everything is kept. Copies
    (``copy.copy``, ``copy.deepcopy``) always keep everything. What `config` was told belongs to the object in memory:
    it is stored in no pickle, and a loaded object starts from the attributes of its class.

    Attributes
    ----------
    pickle_backend
        ``"pickle"``, or ``"dill"`` for `to_pickle` and `load` of a class whose objects hold lambdas.
    default_dump_all
        What `dump_all` is for an object that was told nothing.
    exclude_attr, include_attr
        What `exclude` and `include` are for an object that was told nothing.
    """

    pickle_backend: ClassVar[str] = "pickle"
    default_dump_all: ClassVar[bool] = True
    exclude_attr: ClassVar[tuple[str, ...]] = ()
    include_attr: ClassVar[tuple[str, ...]] = ()

    @property
    def dump_all(self) -> bool:
        """Whether pickles keep the attributes whose name begins with ``_``."""
        told = self._told().dump_all
        return self.default_dump_all if told is None else told

    @property
    def exclude(self) -> tuple[str, ...]:
        """Names of the attributes that are dropped."""
        told = self._told().exclude
        return tuple(self.exclude_attr) if told is None else told

    @property
    def include(self) -> tuple[str, ...]:
        """Names of the attributes that are kept whatever the other rules say."""
        told = self._told().include
        return tuple(self.include_attr) if told is None else told

    def config(
        self,
        recursive: bool = False,
        *,
        dump_all: bool | None = None,
        exclude: Collection[str] | None = None,
        include: Collection[str] | None = None,
    ) -> None:
        """Tell the object how to be stored from now on; ``None`` changes nothing.

        Parameters
        ----------
        recursive
            Tell the same to every `Serializable`, also of Qlib's, that this one holds, directly or in lists, tuples and
            dictionaries.
        dump_all
            Whether to keep the attributes whose name begins with ``_``.
        exclude, include
            Names of attributes to drop, and to keep.

        Raises
        ------
        SerializationError
            If names are given as a single text.
        """
        options = _Options.of(dump_all, exclude, include)
        self.__dict__[_OPTIONS] = options.over(self.__dict__.get(_OPTIONS, _Options()))
        if not recursive:
            return
        token = _visited.set(_visited.get() | {id(self)})
        try:
            told = {"dump_all": dump_all, "exclude": exclude, "include": include}
            told = {name: value for name, value in told.items() if value is not None}  # Qlib's take None for a value
            for part in _parts(list(self.__dict__.values())):
                if id(part) not in _visited.get():
                    part.config(recursive=True, **told)
        finally:
            _visited.reset(token)

    def to_pickle(
        self,
        path: str | os.PathLike[str],
        *,
        recursive: bool = False,
        dump_all: bool | None = None,
        exclude: Collection[str] | None = None,
        include: Collection[str] | None = None,
    ) -> None:
        """Write the object to a file, whole or not at all.

        Parameters
        ----------
        path
            Its folder must exist; the format is a pickle, whatever the suffix.
        recursive, dump_all, exclude, include
            As in `config`, for this file only.

        Raises
        ------
        SerializationError
            If something in the object cannot be pickled, or the file cannot be written.
        """
        call = _Call(_Options.of(dump_all, exclude, include), id(self), recursive)
        with _during(call):
            _dump(self, path, self.get_backend())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read an object of this class from a file that `to_pickle` wrote.

        Raises
        ------
        SerializationError
            If the file is missing or no pickle, or holds an object of another class.
        UntrustedClassError
            If the setting ``trusted_classes`` does not allow what it names.
        """
        loaded = load_object(path, unpickler=unpickler_in_force(cls.get_backend().Unpickler))
        if isinstance(loaded, cls):
            return loaded
        raise SerializationError(
            f"{path} holds an object of type {type(loaded).__qualname__}.",
            f"an object of type {cls.__qualname__}.",
            "Load it with the class it was written by.",
        )

    @classmethod
    def get_backend(cls) -> Any:
        """Return the module that pickles: `pickle` or `dill`.

        Raises
        ------
        SerializationError
            If the class asks for another one.
        MissingDependencyError
            If it asks for dill and that is not installed.
        """
        if cls.pickle_backend == "pickle":
            return pickle
        if cls.pickle_backend != "dill":
            raise SerializationError(
                f"{cls.__qualname__}.pickle_backend is {cls.pickle_backend!r}.", '"pickle" or "dill".', "Correct it."
            )
        try:
            return import_module("dill")
        except ModuleNotFoundError as error:
            raise MissingDependencyError.of("dill", "", f"objects of {cls.__qualname__}") from error

    @staticmethod
    def general_dump(obj: Any, path: str | os.PathLike[str]) -> None:
        """Write any object as a pickle: a `Serializable` its own way, others plainly.

        Raises
        ------
        SerializationError
            As `to_pickle`.
        """
        if isinstance(obj, Serializable):
            obj.to_pickle(path)
        else:
            _dump(obj, path, pickle)

    def _told(self) -> _Options:
        told: _Options = self.__dict__.get(_OPTIONS, _Options())
        call = _call.get()
        if call is not None and (call.recursive or call.root == id(self)):
            return call.options.over(told)
        return told

    def _is_kept(self, name: str) -> bool:
        if name in self.include:
            return True
        if name in self.exclude:
            return False
        return self.dump_all or not name.startswith("_")

    def __getstate__(self) -> dict[str, Any]:
        """Select what a pickle holds."""
        return {name: value for name, value in self.__dict__.items() if name != _OPTIONS and self._is_kept(name)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take what a pickle held."""
        self.__dict__.update(state)

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin


def _parts(value: Any) -> Iterator[Any]:
    """Find what is told how to be stored: of this class, or of Qlib's of that name."""
    if isinstance(value, Serializable) or is_theirs(value, SERIALIZABLE):
        yield value
    elif isinstance(value, Mapping):
        yield from _parts(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)


@contextmanager
def _during(call: _Call) -> Iterator[None]:
    token = _call.set(call)
    try:
        yield
    finally:
        _call.reset(token)


def _dump(obj: Any, path: str | os.PathLike[str], backend: Any) -> None:
    try:
        with atomic_write(path) as file:
            backend.dump(obj, file, protocol=PICKLE_PROTOCOL)
    except Exception as error:
        raise SerializationError(
            f"{os.fspath(path)}: an object of type {type(obj).__qualname__} cannot be written: {error}",
            "a folder that exists, and attributes that can be pickled.",
            "Exclude the attribute that cannot, with exclude=[...], or choose another path.",
        ) from error
