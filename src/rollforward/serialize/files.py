"""Save an object to a file and load it back; the suffix decides the format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.errors import SerializationError
from rollforward.serialize.atomic import atomic_write
from rollforward.serialize.formats import PICKLE, Format, format_of

if TYPE_CHECKING:
    import os
    import pickle

_PICKLE_START = b"\x80"


def save_object(obj: Any, path: str | os.PathLike[str]) -> Path:
    """Write an object to a file, whole or not at all.

    ============================ ================================================== ===============================
    suffix                       takes                                              gives back
    ============================ ================================================== ===============================
    none, ``.pkl``, any other    whatever pickle takes                              the same
    ``.joblib``                  whatever joblib takes                              the same
    ``.parquet``                 a DataFrame                                        the same
    ``.csv``, ``.csv.gz``        a DataFrame or Series with one level of columns    a DataFrame; index levels are
                                                                                    columns, dates are texts
    ``.json``                    lists, dictionaries with text keys, texts, finite  the same
                                 numbers, booleans, None
    ``.yaml``, ``.yml``          as ``.json``, and dates                            the same
    ``.npy``                     an array without Python objects                    the same
    ``.npz``                     a dictionary of such arrays                        the same
    ``.txt``, ``.html``          a text                                             the same, in UTF-8
    ``.png``                     a matplotlib figure, or a picture's bytes          the bytes
    ============================ ================================================== ===============================

    Parameters
    ----------
    obj
        What to write.
    path
        Its folder must exist; a file that is there is replaced.

    Returns
    -------
    Path
        The path, as it was given.

    Raises
    ------
    SerializationError
        If the format does not take the object, or the file cannot be written. What was at `path` is then untouched.
    """
    path = Path(path)
    form = format_of(path.name)
    try:
        with atomic_write(path) as file:
            form.write(obj, file)
    except SerializationError as error:
        raise SerializationError(f"{path} ({form.name}): {error.given}", error.expected, error.remedy) from error
    except OSError as error:
        raise SerializationError(
            f"{path} ({form.name}) cannot be written: {error.strerror or error}.",
            "a folder that exists, has room and may be written.",
            f"Make the folder {path.parent}, or choose another path.",
        ) from error
    except Exception as error:
        raise _refusal(obj, path, form, error) from error
    return path


def load_object(path: str | os.PathLike[str], unpickler: type[pickle.Unpickler] | None = None) -> Any:
    """Read an object from a file.

    Parameters
    ----------
    path
        The suffix decides the format as in `save_object`.
    unpickler
        Reads the file as a pickle, whatever its suffix: a subclass of ``pickle.Unpickler`` that finds classes
        elsewhere, or refuses some.

    Raises
    ------
    SerializationError
        If there is no such file, or it is not in the format that its name promises.
    """
    path = Path(path)
    form = format_of(path.name)
    try:
        with path.open("rb") as file:
            return form.read(file) if unpickler is None else unpickler(file).load()
    except Exception as error:
        raise _unreadable(path, PICKLE if unpickler else form, error) from error


def _refusal(obj: Any, path: Path, form: Format, error: Exception) -> SerializationError:
    name = f"{type(obj).__module__}.{type(obj).__qualname__}"
    if form is PICKLE:
        expected = "an object made of classes and functions that can be imported by name."
        remedy = "Replace lambdas, local classes, open files and locks in it; or save the part that matters."
    else:
        expected, remedy = f"an object that {form.name} can hold.", "Convert it, or write a .pkl file."
    return SerializationError(
        f"{path} ({form.name}): an object of type {name} cannot be written: {type(error).__name__}: {error}",
        expected,
        remedy,
    )


def _unreadable(path: Path, form: Format, error: Exception) -> SerializationError:
    if isinstance(error, OSError) and error.errno is not None:
        given = f"{path} cannot be read: {error.strerror}."
        return SerializationError(given, "a file that exists and may be read.", "Correct the path.")
    given = f"{path} cannot be read as {form.name}: {type(error).__name__}: {error}"
    expected = f"a whole file in the format {form.name}."
    with path.open("rb") as file:
        start = file.read(1)
    if not start:
        given, remedy = f"{path} ({form.name}) is empty.", "Write it again."
    elif isinstance(error, ModuleNotFoundError | AttributeError | ImportError):
        remedy = "Install or import what defines the class, in a version that still has it."
    elif form is not PICKLE and start == _PICKLE_START:
        remedy = "It is a pickle, as Qlib writes under any name: pass unpickler=pickle.Unpickler."
    else:
        remedy = "Write it again, or give it the suffix of its format."
    return SerializationError(given, expected, remedy)
