"""The model and the dataset that a run holds, made ready for other times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.instantiate.signatures import takes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.workflow.recorder import Recorder

DATASET, MODEL = "dataset", "params.pkl"
TEST = "test"

_LOAD_STATE = {"init_type": "load_state"}


class RMDLoader:
    """Loads the model and the dataset of a run, the dataset for times that need not be those of the training.

    Parameters
    ----------
    rec
        A run that was trained.
    """

    def __init__(self, rec: Recorder) -> None:
        self.rec = rec

    def get_dataset(
        self,
        start_time: Any,
        end_time: Any,
        segments: Mapping[str, Any] | None = None,
        unprepared_dataset: Any = None,
    ) -> Any:
        """Load the dataset's data for a range of time; nothing is fitted, processors keep what they learned.

        Parameters
        ----------
        start_time, end_time
            Range of the handler's rows, both inclusive.
        segments
            Segments instead of those of the training; ``None``: ``test``, the whole range.
        unprepared_dataset
            A dataset that is used, and changed, instead of the stored one.

        Returns
        -------
            The dataset.

        Raises
        ------
        LoadObjectError
            If the run holds no dataset.
        DataError, EmptySegmentError
            If there are no such data.
        """
        dataset = self.rec.load_object(DATASET) if unprepared_dataset is None else unprepared_dataset
        dataset.config(
            handler_kwargs={"start_time": start_time, "end_time": end_time},
            segments={TEST: (start_time, end_time)} if segments is None else segments,
        )
        handler = getattr(dataset, "handler", None)
        # A handler without processors has no state to be loaded.
        learns = handler is None or takes(handler.setup_data, "init_type")
        dataset.setup_data(handler_kwargs=dict(_LOAD_STATE) if learns else {})
        return dataset

    def get_model(self) -> Any:
        """Load the model.

        Raises
        ------
        LoadObjectError
            If the run holds none, because it was not trained to its end.
        """
        return self.rec.load_object(MODEL)
