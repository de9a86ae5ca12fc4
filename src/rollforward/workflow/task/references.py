"""What is stored in place of a recorder: where it is, never what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollforward import workflow
from rollforward.settings.masking import mask_credentials
from rollforward.workflow.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Hashable


@dataclass(frozen=True, eq=False)
class RecorderRef:
    """A recorder that is stored as data.

    It equals the recorder that it stands for, and what is asked of it besides its fields is asked of that recorder,
    which is read from the tracking store then: ``reference.load_object("pred.pkl")``.

    Parameters
    ----------
    experiment_id, id
        Of the recorder.
    uri
        Its store, without credentials; empty, if it is not known.
    """

    experiment_id: str
    id: str
    uri: str = ""

    @classmethod
    def of(cls, recorder: Recorder) -> RecorderRef:
        """Refer to a recorder that has an id."""
        uri = mask_credentials(str(getattr(recorder, "uri", "") or ""))
        return cls(str(recorder.experiment_id), recorder.require_id(), uri)

    def load(self) -> Recorder:
        """Read the recorder from the store that it was recorded in.

        A store whose address held credentials is the one of the settings: addresses are stored without them.

        Raises
        ------
        ExperimentNotFoundError, RecorderNotFoundError
            If there is no such recorder, in that store.
        """
        found: Recorder
        if self.uri in ("", mask_credentials(workflow.R.get_uri())):
            found = workflow.R.get_recorder(recorder_id=self.id, experiment_id=self.experiment_id)
        else:
            with workflow.R.uri_context(self.uri):
                found = workflow.R.get_recorder(recorder_id=self.id, experiment_id=self.experiment_id)
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecorderRef | Recorder):
            return NotImplemented
        return self.id == other.id

    def __hash__(self) -> int:
        key: Hashable = self.id
        return hash(key)

    def __getattr__(self, name: str) -> Any:
        """Ask the recorder itself."""
        # Copying and pickling look for special names before there are fields.
        if name.startswith("__") or "id" not in vars(self):
            raise AttributeError(name)
        return getattr(self.load(), name)
