"""Qlib's analysis of a signal for trading within the day."""

from __future__ import annotations

from typing import Any

from rollforward.evaluation.alpha import calc_ic, calc_long_short_prec, calc_long_short_return, ic_summary
from rollforward.workflow.record_temp.judging import JudgingRecord


class HFSignalRecord(JudgingRecord):
    """How good the signal is: IC, Rank IC, and how often the picked instruments move the hoped-for way.

    Stores in ``hg_sig_analysis/`` (spelt as in Qlib) ``ic.pkl``, ``ric.pkl``, ``long_pre.pkl``, ``short_pre.pkl``,
    ``long_short_r.pkl`` and ``long_avg_r.pkl``: Series, one value per date. A pick is right if its label is above the
    mean of its date, on the short side below. Logs ``IC``, ``ICIR``, ``Rank IC``, ``Rank ICIR``, ``Long precision``,
    ``Short precision``, ``Long-Short Average Return`` and ``Long-Short Average Sharpe``; nothing is annualised.

    Parameters
    ----------
    recorder
        The run; holds ``pred.pkl`` and ``label.pkl``.
    label_col
        Position of the label's column.
    skip_existing, optional
        As in `ACRecordTemp`.

    Raises
    ------
    DataError
        When it computes: if there are fewer than six instruments.
    """

    artifact_path = "hg_sig_analysis"

    def list(self) -> list[str]:
        """Name the files."""
        return [f"{name}.pkl" for name in ("ic", "ric", "long_pre", "short_pre", "long_short_r", "long_avg_r")]

    def _generate(self) -> dict[str, Any]:
        score, target = self._score_and_target()
        long_pre, short_pre = calc_long_short_prec(score, target, is_alpha=True)
        ic, ric = calc_ic(score, target)
        spread, average = calc_long_short_return(score, target)
        deviation = float(spread.std(ddof=1))
        self.recorder.log_metrics(
            **ic_summary(ic, ric),
            **{
                "Long precision": float(long_pre.mean()),
                "Short precision": float(short_pre.mean()),
                "Long-Short Average Return": float(spread.mean()),
                "Long-Short Average Sharpe": float(spread.mean()) / deviation if deviation > 0 else float("nan"),
            },
        )
        return dict(zip(self.list(), (ic, ric, long_pre, short_pre, spread, average), strict=True))
