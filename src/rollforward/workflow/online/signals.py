"""From predictions to what is published: whose rows count on which session, and which publication stands."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from rollforward.data.selection import DATETIME, INSTRUMENT
from rollforward.errors import ColumnError, DataError
from rollforward.model.ens.ensemble import AverageEnsemble
from rollforward.model.ens.origin import without_origin

if TYPE_CHECKING:
    from rollforward.data.times import TimeLike

Frame: TypeAlias = "pd.DataFrame | pd.Series"
Lines: TypeAlias = "dict[tuple[str, ...], pd.Series]"
Prepare: TypeAlias = Callable[[dict[Any, Any]], Any]

SCORE, PRED = "score", "pred"
_LEVELS = [DATETIME, INSTRUMENT]


class Published(NamedTuple):
    """What a routine publishes.

    Attributes
    ----------
    signals
        Column ``score``, indexed ``(datetime, instrument)``.
    strategies
        One column for each strategy, shadows too.
    """

    signals: pd.DataFrame
    strategies: pd.DataFrame


def score_of(pred: Frame) -> pd.Series:
    """Take the score out of a prediction.

    Parameters
    ----------
    pred
        A series, or a frame with one column, or with a column ``score`` beside others; indexed
        ``(datetime, instrument)``, the levels in any order.

    Returns
    -------
    pd.Series
        Named ``score``, of floats, sorted.

    Raises
    ------
    ColumnError
        If there is no such column or index.
    DataError
        If an index value comes twice.
    """
    found: pd.Series = _tidy(_column(without_origin(pred)), "A prediction").rename(SCORE)
    return found


def between(frame: Any, after: TimeLike | None = None, until: TimeLike | None = None) -> Any:
    """Select the rows after a time (exclusive) and until another one (inclusive); ``None`` = open."""
    dates = frame.index.get_level_values(DATETIME)
    chosen = np.ones(len(frame), dtype=bool)
    if after is not None:
        chosen &= dates > pd.Timestamp(after)
    if until is not None:
        chosen &= dates <= pd.Timestamp(until)
    return frame[chosen]


def places_of(dates: pd.Index, date: Any) -> slice:
    """Find where a date is in dates that are in their order."""
    return slice(int(dates.searchsorted(date)), int(dates.searchsorted(date, side="right")))


def serving_rows(preds: Mapping[str, Frame], sets: Mapping[Any, Sequence[Any]]) -> Lines:
    """Take of each session the rows of the models that serve then.

    Parameters
    ----------
    preds
        Predictions by the id of their recorder. A model that serves and is not in it predicts nothing.
    sets
        Sessions to the models that serve: objects with attributes ``recorder_id``, ``model`` (the name of the line) and
        ``test``.

    Returns
    -------
    dict
        Scores by line, ``{("Ridge",): scores}``, as `RollingGroup` makes them. Where several models of one line serve
        on a session, the one that is tested from a later session on wins the rows that it has.
    """
    sessions: dict[str, list[pd.Timestamp]] = {}
    models: dict[str, Any] = {}
    for session, serving in sets.items():
        for model in serving:
            models[model.recorder_id] = model
            sessions.setdefault(model.recorder_id, []).append(pd.Timestamp(session))
    lines: dict[tuple[str, ...], list[pd.Series]] = {}
    for key in sorted(models, key=lambda one: _begin(models[one])):
        if key in preds:
            scores = score_of(preds[key])
            dates = scores.index.get_level_values(DATETIME)
            rows = [scores.iloc[places_of(dates, session)] for session in sessions[key]]
            lines.setdefault((models[key].model,), []).extend(rows)
    return {line: _later_wins(parts) for line, parts in lines.items()}


def strategy_score(lines: Lines) -> pd.Series:
    """Average the lines of one strategy; a single one stays as it is."""
    filled = {line: scores for line, scores in lines.items() if len(scores)}
    if not filled:
        return _nothing()
    if len(filled) == 1:
        return next(iter(filled.values()))
    return score_of(AverageEnsemble()(dict(filled)))


def publish(rows: Mapping[str, Lines], serving: Iterable[str], prepare_func: Prepare | None = None) -> Published:
    """Put together what is published.

    Parameters
    ----------
    rows
        Strategies to what `serving_rows` made for them.
    serving
        The strategies that are part of the signals; the others are in shadow.
    prepare_func
        Merges ``{(strategy, "pred"): {line: scores}}``, as Qlib's collectors give it; ``None``: `AverageEnsemble`. If
        it returns a frame with several columns, there are as many signals.
    """
    given = {
        (name, PRED): {line: scores for line, scores in rows[name].items() if len(scores)}
        for name in serving
        if name in rows
    }
    given = {key: lines for key, lines in given.items() if lines}
    signals = _signals((prepare_func or AverageEnsemble())(given)) if given else _nothing().to_frame(SCORE)
    columns = {name: strategy_score(lines) for name, lines in rows.items()}
    strategies = pd.concat(columns, axis=1).sort_index() if columns else _nothing().to_frame().iloc[:, :0]
    return Published(signals, strategies.rename_axis(columns=None))


def merge(publications: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Join publications, of which a later one stands.

    Parameters
    ----------
    publications
        In the order in which they were recorded.

    Returns
    -------
    pd.DataFrame
        Sorted, each date and instrument once. A date that is published again is that of the later publication as a
        whole: instruments that are no longer in it are gone, and no date mixes the scores of two sets of models.
    """
    seen: set[Any] = set()
    kept = []
    for frame in reversed(list(publications)):
        dates = frame.index.get_level_values(DATETIME)
        there = set(dates.unique())
        new = there - seen
        if new:
            kept.append(frame if new == there else frame[dates.isin(list(new))])
            seen |= new
    if not kept:
        return _nothing().to_frame(SCORE)
    whole = kept[0] if len(kept) == 1 else pd.concat(kept[::-1])
    return whole if whole.index.is_monotonic_increasing else whole.sort_index()


def content_sha256(frame: pd.DataFrame) -> str:
    """Hash the values of a frame, whatever format it is written in: 64 hexadecimal digits.

    Parameters
    ----------
    frame
        Columns of floats, indexed ``(datetime, instrument)``; the order of rows and columns counts.
    """
    digest = hashlib.sha256()
    digest.update("\x1f".join(map(str, frame.columns)).encode())
    dates = pd.DatetimeIndex(frame.index.get_level_values(DATETIME)).as_unit("ns")
    digest.update(dates.to_numpy().astype("<i8").tobytes())
    digest.update("\x1f".join(map(str, frame.index.get_level_values(INSTRUMENT))).encode())
    values = frame.to_numpy(dtype="<f8", copy=True)
    values[np.isnan(values)] = np.nan  # NaN has many forms
    digest.update(values.tobytes())
    return digest.hexdigest()


def _signals(merged: Frame) -> pd.DataFrame:
    if isinstance(merged, pd.DataFrame) and merged.shape[1] > 1:
        several: pd.DataFrame = _tidy(merged, "The signal")
        return several
    return score_of(merged).to_frame(SCORE)


def _tidy(frame: Any, what: str) -> Any:
    """Bring rows into order; refuse what is not indexed by date and instrument, each once."""
    names = list(frame.index.names)
    if sorted(map(str, names)) != _LEVELS:
        raise ColumnError(f"{what} has the index levels {names}.", f"{DATETIME} and {INSTRUMENT}.")
    if names != _LEVELS:
        frame = frame.swaplevel(DATETIME, INSTRUMENT)
    if not frame.index.is_monotonic_increasing:
        frame = frame.sort_index()
    if not frame.index.is_unique:
        twice = frame.index[frame.index.duplicated()][0]
        raise DataError(f"{what} has {twice} twice.", "each date and instrument once.")
    return frame.astype("float64")


def _column(pred: Frame) -> pd.Series:
    if isinstance(pred, pd.Series):
        return pred
    if SCORE in pred.columns:
        return pred[SCORE]
    if pred.shape[1] != 1:
        raise ColumnError(
            f"A prediction has columns {list(pred.columns)}.", f"one column, or one that is named {SCORE!r}."
        )
    return pred.iloc[:, 0]


def _begin(model: Any) -> tuple[bool, Any, str]:
    start = model.test[0]
    return (start is not None, start or pd.Timestamp(0), model.recorder_id)


def _later_wins(parts: list[pd.Series]) -> pd.Series:
    if len(parts) == 1:
        return parts[0]
    whole = pd.concat(parts)
    won: pd.Series = whole[~whole.index.duplicated(keep="last")]
    return won.sort_index()


def _nothing() -> pd.Series:
    index = pd.MultiIndex.from_arrays([pd.DatetimeIndex([]), pd.Index([], dtype=object)], names=_LEVELS)
    return pd.Series([], index=index, dtype="float64", name=SCORE)
