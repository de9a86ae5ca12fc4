"""A model of one's own: whatever has fit(dataset) and predict(dataset, segment)."""

from typing import Any

import pandas as pd

from rollforward.model.base import Model


class Blend(Model):
    """The mean of some features, each as its rank of the day; those that fell with the label are turned around."""

    def __init__(self, n_features: int = 3) -> None:
        self.n_features = n_features
        self.signs: pd.Series | None = None

    def fit(self, dataset: Any, reweighter: Any = None) -> None:  # noqa: ARG002  # all rows count the same
        rows = dataset.prepare("train", col_set=["feature", "label"], data_key="learn").dropna()
        related = rows["feature"].corrwith(rows["label"].iloc[:, 0], method="spearman")
        strongest = related.abs().nlargest(self.n_features).index
        self.signs = related[strongest].apply(lambda value: 1.0 if value > 0 else -1.0)

    def predict(self, dataset: Any, segment: Any = "test") -> pd.Series:
        features = dataset.prepare(segment, col_set="feature", data_key="infer")[self.signs.index]
        ranks = features.groupby(level="datetime").rank(pct=True)
        return (ranks * self.signs).mean(axis=1)
