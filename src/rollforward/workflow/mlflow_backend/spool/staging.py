"""The artifacts of a run whose store may be away: what cannot be uploaded waits beside the journal."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from rollforward.errors import StoreUnreachableError
from rollforward.workflow.mlflow_backend.artifacts.access import Artifacts
from rollforward.workflow.mlflow_backend.artifacts.places import checked_name, place
from rollforward.workflow.mlflow_backend.store.http_store import brief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rollforward.workflow.mlflow_backend.spool.spooled import SpoolWriter

# Seconds for the answer to one upload.
_ANSWER = 120.0


class SpooledArtifacts(Artifacts):
    """Artifacts behind a server; what is put while it is away is uploaded later, and readable here until then.

    Parameters
    ----------
    address, uri, run
        As of `Artifacts`.
    writer
        Gives the writer with the journal, or ``None`` when the run has none.
    """

    def __init__(self, address: str, uri: str, run: str, writer: Callable[[], SpoolWriter | None]) -> None:
        super().__init__(address, uri, run)
        self._writer = writer

    def put_files(self, files: Mapping[str, Path], *, take: bool = False) -> None:
        """Make files artifacts, now or later; see `Artifacts.put_files`.

        Raises
        ------
        SpoolError
            If they have to wait, and there is no room for them.
        """
        writer = self._writer()
        if writer is None:
            super().put_files(files, take=take)
            return
        # In their turn: what waits already may have the same names.
        if not writer.staged and not writer.is_away:
            try:
                with brief(_ANSWER):
                    super().put_files(files, take=take)
            except StoreUnreachableError:
                pass
            else:
                return

        def keep(folder: Path) -> None:
            for name, file in files.items():
                shutil.copyfile(file, place(folder, name))

        writer.stage(keep)

    def list(self, folder: str | None = None) -> list[str]:
        """List one folder, with what is not uploaded yet; only that while the store is away."""
        waiting: set[str] = set()
        for root in self._staged():
            waiting.update(self._in(root).list(folder))
        writer = self._writer()
        if waiting and writer is not None and not writer.is_answered():
            return sorted(waiting)
        return sorted(waiting.union(super().list(folder)))

    def download(self, name: str, target: str | None = None) -> str:
        """Bring an artifact to this machine, a copy also of one that is not uploaded yet."""
        root = self._holder(name)
        if root is not None:
            return self._in(root).download(name, target)
        self._require_answer(name)
        return super().download(name, target)

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        root = self._holder(name)
        if root is None:
            self._require_answer(name)
        with super()._opened(name) if root is None else (root / name).open("rb") as file:
            yield file

    def _require_answer(self, name: str) -> None:
        """Find out in two seconds what MLflow's way finds out in minutes."""
        writer = self._writer()
        if writer is not None and not writer.is_over and not writer.is_answered():
            raise StoreUnreachableError(
                f"Artifact {name!r} of {self._run} cannot be fetched: the store does not answer.",
                remedy="Try again when it is back.",
            )

    def _staged(self) -> Sequence[Path]:
        writer = self._writer()
        return [] if writer is None else writer.staged

    def _holder(self, name: str) -> Path | None:
        """Return the folder that has the latest of this name, if it is not uploaded yet."""
        path = checked_name(name)
        return next((root for root in reversed(self._staged()) if (root / path).exists()), None)

    def _in(self, root: Path) -> Artifacts:
        return Artifacts(root.as_uri(), self._uri, self._run)
