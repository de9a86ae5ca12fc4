"""Which classes a pickle may name: all, or plain data and what the setting ``trusted_classes`` lists.

This limits what a pickle can *call*. It is no guard against files made to break the readers of NumPy or pyarrow
themselves, and a class that is listed may be called with any arguments.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from functools import lru_cache
from typing import IO, Any
from zoneinfo import ZoneInfo

from rollforward.errors import UntrustedClassError
from rollforward.serialize.plain_classes import PLAIN_CLASSES
from rollforward.settings.state import current

_ANY = ".*"
_MAX_SCANNED = 2**26
_TEXTS = frozenset({"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"})
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})


def trusted() -> tuple[str, ...] | None:
    """Return the patterns of the classes that may be unpickled beside plain data; ``None`` is every class."""
    return current().trusted_classes


def unpickler_in_force(usual: type[pickle.Unpickler] = pickle.Unpickler) -> type[pickle.Unpickler]:
    """Return what reads a pickle where the caller names nothing: the usual one, or one that refuses classes."""
    patterns = trusted()
    return usual if patterns is None else restricted_unpickler(tuple(patterns))


@lru_cache
def restricted_unpickler(patterns: tuple[str, ...]) -> type[pickle.Unpickler]:
    """Make an unpickler that finds plain data and the classes that are listed, and nothing else.

    Parameters
    ----------
    patterns
        ``"package.module.Class"`` is this class or function; ``"package.*"`` is every class and function that the
        package or a module below it defines, not what it imports from others.
    """
    exact = frozenset(pattern for pattern in patterns if not pattern.endswith(_ANY))
    packages = tuple(pattern.removesuffix(_ANY) for pattern in patterns if pattern.endswith(_ANY))

    class Restricted(pickle.Unpickler):
        """Refuses what is neither plain data nor listed."""

        def find_class(self, module: str, name: str) -> Any:
            if (module, name) in PLAIN_CLASSES or f"{module}.{name}" in exact:
                return super().find_class(module, name)
            if (module, name) in _REPLACED:
                return _REPLACED[module, name]
            if _is_in(module, packages):
                found = super().find_class(module, name)
                # A package that imports `os` does not thereby define os.system.
                if callable(found) and _is_in(str(getattr(found, "__module__", "")), packages):
                    return found
            raise refusal([f"{module}.{name}"])

    return Restricted


def refusal(classes: list[str]) -> UntrustedClassError:
    """Build the error for classes that are not trusted."""
    listed = ", ".join(classes)
    is_one = len(classes) == 1
    return UntrustedClassError(
        f"It names {'the class' if is_one else 'classes'} {listed}, which {'is' if is_one else 'are'} not trusted.",
        "plain data (numbers, texts, dates, containers, arrays, frames), or what the setting trusted_classes lists.",
        f"If you trust who wrote it, add to trusted_classes: {listed}.",
    )


def all_refused(file: IO[bytes], error: UntrustedClassError) -> UntrustedClassError:
    """Name all classes of a pickle that are not trusted, where one was met; nothing of it is run."""
    patterns = trusted() or ()
    unpickler = restricted_unpickler(patterns)(io.BytesIO())
    found = []
    for module, name in classes_of(file):
        try:
            unpickler.find_class(module, name)
        except UntrustedClassError:
            found.append(f"{module}.{name}")
        except (ImportError, AttributeError):
            continue
    return refusal(found) if found else error


def classes_of(file: IO[bytes]) -> list[tuple[str, str]]:
    """List the classes and functions that a pickle names, as module and name, without running it.

    Names that are put together in an unusual way are left out, and so is everything in a file of more than 64 MB.
    """
    file.seek(0)
    content = file.read(_MAX_SCANNED + 1)
    found: dict[tuple[str, str], None] = {}
    memo: dict[int, str | None] = {}
    texts: list[str | None] = [None, None]
    try:
        for opcode, argument, _ in pickletools.genops(content) if len(content) <= _MAX_SCANNED else ():
            if opcode.name == "MEMOIZE":
                memo[len(memo)] = texts[-1]
            elif opcode.name in _PUTS:
                memo[int(str(argument))] = texts[-1]
            elif opcode.name == "STACK_GLOBAL":
                module, name = texts[-2:]
                if module is not None and name is not None:
                    found[module, name] = None
                texts.append(None)
            elif opcode.name == "GLOBAL":
                module, _, name = str(argument).partition(" ")
                found[module, name] = None
                texts.append(None)
            elif opcode.name in _GETS:
                texts.append(memo.get(int(str(argument))))
            else:
                texts.append(str(argument) if opcode.name in _TEXTS else None)
            del texts[:-2]
    except ValueError:
        # Cut off, or no pickle: what was found so far is named.
        pass
    return list(found)


def _is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _method_of_zone(obj: Any, name: str) -> Any:
    """Stand for ``getattr``, by which a time zone is pickled and by which a pickle could reach anything."""
    if obj is ZoneInfo and name == "_unpickle":
        return getattr(ZoneInfo, name)
    raise refusal(["builtins.getattr"])


def _latin_bytes(text: str, encoding: str) -> bytes:
    """Stand for ``codecs.encode``, by which bytes are written for Python 2."""
    if isinstance(text, str) and encoding in ("latin1", "latin-1"):
        return text.encode("latin-1")
    raise refusal(["_codecs.encode"])


_REPLACED: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _latin_bytes,
    ("__builtin__", "getattr"): _method_of_zone,
    ("builtins", "getattr"): _method_of_zone,
}
