"""What a model is to this package: something that fits on a dataset and predicts a segment of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from rollforward.serialize import Serializable

if TYPE_CHECKING:
    import pandas as pd


class Reweighter(ABC):
    """Gives training rows their weights. The trainer hands it to ``fit`` and never looks inside."""

    @abstractmethod
    def reweight(self, data: Any) -> Any:
        """Weigh rows.

        Parameters
        ----------
        data
            What the model trains on; for `SklearnModel` a frame indexed ``(datetime, instrument)`` with the column
            groups ``feature`` and ``label``.

        Returns
        -------
        Series or array
            One non-negative weight per row; a Series is matched by index.
        """


class BaseModel(Serializable, ABC):
    """Something that predicts. Calling it predicts."""

    @classmethod
    def check_kwargs(cls, **kwargs: Any) -> None:
        """Refuse constructor arguments that cannot work, before a run is started for them.

        The trainer calls it after it has made sure that the constructor takes these names. Nothing is checked here.

        Parameters
        ----------
        kwargs
            Arguments of the constructor.
        """

    @abstractmethod
    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Predict."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Predict."""
        return self.predict(*args, **kwargs)


class Model(BaseModel):
    """A model that learns from a dataset."""

    @abstractmethod
    def fit(self, dataset: Any, reweighter: Reweighter | None = None) -> None:
        """Learn from the training segment, and from the validation segment if the model has a use for it.

        Parameters
        ----------
        dataset
            Gives data through ``prepare(segment, col_set=..., data_key=...)``; training uses ``data_key="learn"``.
        reweighter
            Weighs the rows; ``None`` weighs them alike.
        """

    @abstractmethod
    def predict(self, dataset: Any, segment: Any = "test") -> pd.Series | pd.DataFrame:
        """Predict a segment.

        Parameters
        ----------
        dataset
            As for `fit`; prediction uses ``data_key="infer"``.
        segment
            Name of a segment of the dataset, or an inclusive pair of times.

        Returns
        -------
        pd.Series or pd.DataFrame
            One score per row, indexed ``(datetime, instrument)``.

        Raises
        ------
        ModelError
            If the model has not been fitted.
        """
