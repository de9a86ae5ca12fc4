"""Differences on purpose in records."""

from against_qlib.difference import VALUE, Difference

SIGNAL = ("SigAnaRecord",)
MSE = ("SignalMseRecord",)


def label_is_missing(case, *_):
    return case.args["label"] is None


def label_is_empty(case, *_):
    return case.args["label"] is not None and case.args["label"].empty


def rows_are_in_another_order(case, theirs, ours):
    same_rows = case.args["label"].sort_index().index.equals(case.args["pred"].sort_index().index)
    return same_rows and not case.args["label"].index.equals(case.args["pred"].index) and list(theirs) == list(ours)


RECORD_DIFFERENCES = (
    Difference(
        "no-label-no-record",
        SIGNAL,
        VALUE,
        "MissingArtifactError",
        "A record that cannot compute is an error; Qlib's run is FINISHED, without figures.",
        label_is_missing,
    ),
    Difference(
        "empty-label",
        SIGNAL,
        VALUE,
        "DataError",
        "A label without a row judges nothing; Qlib's run is FINISHED, without figures.",
        label_is_empty,
    ),
    Difference(
        "mse-by-row",
        MSE,
        VALUE,
        VALUE,
        "Prediction and label are matched by date and instrument; Qlib takes them in the order of their rows.",
        rows_are_in_another_order,
    ),
)
