"""Processors: what is done to raw data before a model sees them, with Qlib's names.

===================  ==============================================================  ==========  =========
class                what it does                                                    fitted      for infer
===================  ==============================================================  ==========  =========
DropnaProcessor      drops rows with a missing value in the group                    no          yes
DropnaLabel          drops rows with a missing label                                 no          no
DropCol, FilterCol   drops columns, or keeps only the named ones of a group          no          yes
Fillna               fills missing values with a number                              no          yes
ProcessInf           replaces infinities by the mean of their time                   no          yes
TanhProcess          tanh(x - 1) of every column but labels                          no          yes
Clip                 cuts values to a range                                          no          yes
ZScoreNorm           (x - mean) / standard deviation                                 fit window  yes
RobustZScoreNorm     (x - median) / (1.4826 * median absolute deviation), clipped    fit window  yes
MinMaxNorm           (x - min) / (max - min)                                         fit window  yes
CSZScoreNorm         z-score among the instruments of one time                       no          yes
CSRankNorm           3.46 * (rank in (0, 1] among the instruments of one time - .5)  no          yes
CSZFillna            fills missing values with the mean of their time                no          yes
===================  ==============================================================  ==========  =========

None of them changes the frame it is given. Where there is nothing to scale by (a column that is constant in the fit
window, or among the instruments of one time) the centre is subtracted and the scale is one: a constant becomes zero.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.data.processor.base import Processor, build_processors
    from rollforward.data.processor.columns import DropCol, FilterCol
    from rollforward.data.processor.cross_section import CSRankNorm, CSZFillna, CSZScoreNorm
    from rollforward.data.processor.fitted import MinMaxNorm, RobustZScoreNorm, ZScoreNorm
    from rollforward.data.processor.values import Clip, DropnaLabel, DropnaProcessor, Fillna, ProcessInf, TanhProcess

__all__ = [
    "CSRankNorm",
    "CSZFillna",
    "CSZScoreNorm",
    "Clip",
    "DropCol",
    "DropnaLabel",
    "DropnaProcessor",
    "Fillna",
    "FilterCol",
    "MinMaxNorm",
    "ProcessInf",
    "Processor",
    "RobustZScoreNorm",
    "TanhProcess",
    "ZScoreNorm",
    "build_processors",
]

_PLACES = {
    "Processor": "base",
    "build_processors": "base",
    "DropCol": "columns",
    "FilterCol": "columns",
    "CSRankNorm": "cross_section",
    "CSZFillna": "cross_section",
    "CSZScoreNorm": "cross_section",
    "MinMaxNorm": "fitted",
    "RobustZScoreNorm": "fitted",
    "ZScoreNorm": "fitted",
    "Clip": "values",
    "DropnaLabel": "values",
    "DropnaProcessor": "values",
    "Fillna": "values",
    "ProcessInf": "values",
    "TanhProcess": "values",
}


def __getattr__(name: str) -> Any:
    """Import a processor when it is first asked for (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
