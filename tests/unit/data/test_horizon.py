from __future__ import annotations

from typing import ClassVar

import pytest

from rollforward.data.horizon import expression_lookahead, label_lookahead
from rollforward.data.price_handler import PriceHandler
from rollforward.errors import DataError, InstantiationError, SegmentError

QLIB_LABEL = "Ref($close, -{}) / Ref($close, -1) - 1"
PRICE = {"class": "PriceHandler", "module_path": "rollforward.data.price_handler"}
ALPHA = {"class": "Alpha158", "module_path": "qlib.contrib.data.handler"}


def a_task(handler, **kwargs):
    return {"dataset": {"class": "DatasetH", "kwargs": {"handler": handler, "segments": {}}}, **kwargs}


class Knows:
    label_lookahead = 4


class Asked:
    @classmethod
    def lookahead_of(cls, days, **_):
        return days * 2


class Silent:
    def __init__(self, label=None):
        self.label = label


class LiveDataset:
    handler = Knows()
    segments: ClassVar = {}


@pytest.mark.parametrize(
    ("expression", "lookahead"),
    [
        (QLIB_LABEL.format(6), 6),
        ("Ref($close,-2)/Ref($close,-1)-1", 2),
        ("$close / Ref($close, 3)", 0),
        ("Ref($close, 5)", 0),
        ("Mean(Ref(Ref($close, -3), -2), 5)", 5),
        ("Ref(Ref($close, 5) + 1, -3)", 0),
        ("-Ref(($open + $close) / 2, -7)", 7),
        ("If(Ref($close, -5) > Ref($close, -1), 1, 0)", 5),
        ("Delta($close, -4)", 4),
        ("Ref(1, -9) + $close", 0),
        ("Ref($$roe_q, -2.0)", 2),
        ("LABEL0", None),
        ("Ref($close, N)", None),
        ("Ref($close, -2", None),
        ("$close)", None),
        ("Ref($close)", None),
    ],
)
def test_how_far_an_expression_looks(expression, lookahead):
    assert expression_lookahead(expression) == lookahead


@pytest.mark.parametrize(
    ("handler", "lookahead"),
    [
        (PRICE | {"kwargs": {"source": "x.csv"}}, 6),
        (PRICE | {"kwargs": {"horizon": 20}}, 21),
        (PRICE | {"kwargs": {"label": [QLIB_LABEL.format(3)], "horizon": 20}}, 3),
        ({"class": "rollforward.data.price_handler.PriceHandler"}, 6),
        ({"class": Asked, "kwargs": {"days": 3, "other": 1}}, 6),
        ({"class": Knows}, 4),
        ({"class": Silent}, None),
        ({"class": Silent, "kwargs": {"label": QLIB_LABEL.format(8)}}, 8),
        ({"class": Silent, "kwargs": {"label": "LABEL0"}}, None),
        ({"class": Silent, "kwargs": {"label": [QLIB_LABEL.format(8), "Ref($close, N)"]}}, None),
        ({"class": "Elsewhere", "kwargs": {"label": (["Ref($close,-9)/$close"], ["LABEL0"])}}, 9),
        (ALPHA, 2),
        (ALPHA | {"kwargs": {"instruments": "csi300"}}, 2),
        (ALPHA | {"kwargs": {"label": [QLIB_LABEL.format(21)]}}, 21),
        ({"class": "qlib.contrib.data.handler.Alpha360"}, 2),
        (Knows(), 4),
        (Silent(), None),
        ("file:///tmp/handler.pkl", None),
        (None, None),
    ],
)
def test_how_far_the_label_of_a_handler_looks(handler, lookahead):
    assert label_lookahead(a_task(handler)) == lookahead


def test_a_label_in_the_configuration_of_a_loader():
    config = {"feature": ["$close"], "label": (["Ref($close, -6)/$close"], ["LABEL0"])}
    loader = {"class": "QlibDataLoader", "kwargs": {"config": config}}

    assert label_lookahead(a_task({"class": "DataHandlerLP", "kwargs": {"data_loader": loader}})) == 6


def test_the_task_s_own_word_comes_first():
    assert label_lookahead(a_task(PRICE, label_lookahead=0)) == 0


def test_the_arguments_may_be_placeholders():
    task = a_task(PRICE | {"kwargs": {"horizon": "<days>"}}, days=9)

    assert label_lookahead(task) == 10


def test_a_live_dataset():
    assert label_lookahead({"dataset": LiveDataset()}) == 4


def test_the_class_says_what_its_handlers_will():
    handler = PriceHandler(source="bundled:sp500_close", horizon=7, init_data=False)

    assert PriceHandler.lookahead_of(source="bundled:sp500_close", horizon=7) == handler.label_lookahead == 8


@pytest.mark.parametrize(
    ("task", "error", "message"),
    [
        (a_task(None, label_lookahead=-1), SegmentError, "label_lookahead=-1"),
        (a_task(None, label_lookahead="6"), SegmentError, "label_lookahead='6'"),
        (a_task(PRICE | {"kwargs": {"label": "Mean($close, 5)"}}), DataError, "not understood"),
        (a_task(PRICE | {"kwargs": {"horizon": "<model.days>"}}, model={}), InstantiationError, "days"),
    ],
)
def test_what_cannot_be(task, error, message):
    with pytest.raises(error, match=message):
        label_lookahead(task)
