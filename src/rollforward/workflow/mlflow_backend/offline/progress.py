"""What is remembered of an upload, beside the store that is uploaded."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rollforward.serialize import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)


@dataclass
class Progress:
    """What of one run is in the other store already, as far as this side knows.

    It is kept in a file beside the source and saves requests only: without it everything is compared, or sent again,
    and a point or a file that is there already is there once.
    """

    run_id: str = ""
    mark: tuple[int, int] = (0, 0)
    tags: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path, run_id: str) -> Progress:
        """Read what is known of a run; nothing, if it went to a run that is not this one."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            progress = cls(
                run_id=found["run_id"],
                mark=(int(found["mark"][0]), int(found["mark"][1])),
                tags=dict(found["tags"]),
                files={name: (int(size), int(changed)) for name, (size, changed) in found["files"].items()},
                inputs=list(found["inputs"]),
                models=list(found["models"]),
            )
        except FileNotFoundError:
            return cls(run_id)
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.debug("%s is not used: %s", path, error)
            return cls(run_id)
        return progress if progress.run_id == run_id else cls(run_id)

    def write(self, path: Path) -> None:
        """Keep what is known."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(json.dumps(asdict(self)).encode())
