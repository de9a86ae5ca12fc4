"""Save an object to a file and load it back; the suffix decides the format."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from rollforward.adapters.qlib import make_ready
from rollforward.errors import SerializationError, UntrustedClassError
from rollforward.serialize.atomic import atomic_write
from rollforward.serialize.formats import PICKLE, Format, format_of
from rollforward.serialize.trust import all_refused, trusted, unpickler_in_force

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
    try:
        with atomic_write(path) as file:
            write_object(obj, file, str(path))
    except OSError as error:
        raise SerializationError(
            f"{path} ({format_of(path.name).name}) cannot be written: {error.strerror or error}.",
            "a folder that exists, has room and may be written.",
            f"Make the folder {path.parent}, or choose another path.",
        ) from error
    return path


def write_object(obj: Any, file: IO[bytes], name: str) -> None:
    """Write an object to a file that is open.

    Parameters
    ----------
    obj
        What to write.
    file
        Binary.
    name
        Decides the format by its suffix as in `save_object`; messages call the file so.

    Raises
    ------
    SerializationError
        If the format does not take the object.
    OSError
        If the file cannot be written.
    """
    form = format_of(Path(name).name)
    try:
        form.write(obj, file)
    except SerializationError as error:
        raise SerializationError(f"{name} ({form.name}): {error.given}", error.expected, error.remedy) from error
    except OSError:
        raise
    except Exception as error:
        raise _refusal(obj, name, form, error) from error


def load_object(path: str | os.PathLike[str], unpickler: type[pickle.Unpickler] | None = None) -> Any:
    """Read an object from a file.

    Parameters
    ----------
    path
        The suffix decides the format as in `save_object`.
    unpickler
        Reads the file as a pickle, whatever its suffix: a subclass of ``pickle.Unpickler`` that finds classes
        elsewhere, or refuses some. It is then the one that decides, not the setting ``trusted_classes``.

    Raises
    ------
    SerializationError
        If there is no such file, or it is not in the format that its name promises.
    UntrustedClassError
        If it is a pickle and names a class that the setting ``trusted_classes`` does not allow, or a ``.joblib`` file
        while that setting is in force.
    """
    path = Path(path)
    try:
        file = path.open("rb")
    except OSError as error:
        given = f"{path} cannot be read: {error.strerror or error}."
        raise SerializationError(given, "a file that exists and may be read.", "Correct the path.") from error
    with file:
        return read_object(file, str(path), unpickler)


def read_object(file: IO[bytes], name: str, unpickler: type[pickle.Unpickler] | None = None) -> Any:
    """Read an object from a file that is open.

    Parameters
    ----------
    file
        Binary, at its beginning, and one that can be set back there.
    name
        Decides the format by its suffix; messages call the file so.
    unpickler
        As in `load_object`.

    Raises
    ------
    SerializationError, UntrustedClassError
        As `load_object`.
    """
    form = format_of(Path(name).name) if unpickler is None else PICKLE
    try:
        if form is PICKLE:
            found = (unpickler or unpickler_in_force())(file).load()
            make_ready()  # what is Qlib's in it asks for its data
            return found
        return (_closed if form.name == "joblib" and trusted() is not None else form.read)(file)
    except UntrustedClassError as error:
        told = all_refused(file, error) if form is PICKLE else error
        raise UntrustedClassError(f"{name}: {told.given}", told.expected, told.remedy) from error
    except Exception as error:
        raise _unreadable(file, name, form, error) from error


def _closed(_: IO[bytes]) -> NoReturn:
    raise UntrustedClassError(
        "A joblib file is not read while the setting trusted_classes is in force: pickles inside it escape the check.",
        "a .pkl file.",
        "Write the object under a name that ends in .pkl.",
    )


def _refusal(obj: Any, name: str, form: Format, error: Exception) -> SerializationError:
    kind = f"{type(obj).__module__}.{type(obj).__qualname__}"
    if form is PICKLE:
        expected = "an object made of classes and functions that can be imported by name."
        remedy = "Replace lambdas, local classes, open files and locks in it; or save the part that matters."
    else:
        expected, remedy = f"an object that {form.name} can hold.", "Convert it, or write a .pkl file."
    return SerializationError(
        f"{name} ({form.name}): an object of type {kind} cannot be written: {type(error).__name__}: {error}",
        expected,
        remedy,
    )


def _unreadable(file: IO[bytes], name: str, form: Format, error: Exception) -> SerializationError:
    if isinstance(error, OSError) and error.errno is not None:
        given = f"{name} cannot be read: {error.strerror}."
        return SerializationError(given, "a file that exists and may be read.", "Correct the path.")
    given = f"{name} cannot be read as {form.name}: {type(error).__name__}: {error}"
    expected = f"a whole file in the format {form.name}."
    file.seek(0)
    start = file.read(1)
    if not start:
        given, remedy = f"{name} ({form.name}) is empty.", "Write it again."
    elif isinstance(error, ModuleNotFoundError | AttributeError | ImportError):
        remedy = "Install or import what defines the class, in a version that still has it."
    elif form is not PICKLE and start == _PICKLE_START:
        remedy = "It is a pickle, as Qlib writes under any name: pass unpickler=pickle.Unpickler."
    else:
        remedy = "Write it again, or give it the suffix of its format."
    return SerializationError(given, expected, remedy)
