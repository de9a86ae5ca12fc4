"""Differences on purpose in ensembles, figures, processors and windows."""

from against_qlib import conditions_in_frames as when
from against_qlib.difference import VALUE, Difference

SIGNALS = ("calc_ic", "calc_long_short_return", "calc_long_short_prec")
LONG_SHORT = SIGNALS[1:]
AVERAGES = ("AverageEnsemble", "AverageEnsemble, equal weights")

FRAME_DIFFERENCES = (
    Difference(
        "average-of-constants",
        AVERAGES,
        VALUE,
        VALUE,
        "A model whose scores are all equal on a date says nothing there; Qlib divides rounding errors by each other.",
        when.constant_columns_are_unknown,
    ),
    Difference(
        "average-of-repeated-rows",
        AVERAGES,
        VALUE,
        "DataError",
        "A row that is there twice would weigh twice.",
        when.some_row_is_there_twice,
    ),
    Difference(
        "empty-folds",
        ("RollingEnsemble", "RollingEnsemble, who won", "RollingGroup"),
        "TypeError",
        VALUE,
        "A fold that predicted nothing adds nothing.",
        when.some_fold_is_empty,
    ),
    Difference(
        "ic-of-constants",
        ("calc_ic",),
        VALUE,
        VALUE,
        "A side that is constant on a date has no correlation; Qlib's may be that of rounding errors.",
        when.constant_days_have_no_ic,
    ),
    Difference(
        "frames-with-one-column",
        SIGNALS,
        "ValueError",
        VALUE,
        "A frame with one column is taken for that column: predictions are stored as frames.",
        when.a_side_is_a_frame,
    ),
    Difference(
        "every-date-is-listed",
        LONG_SHORT,
        VALUE,
        VALUE,
        "A date without a value is NaN; in Qlib it is absent.",
        when.dates_without_a_value_stay,
    ),
    Difference(
        "one-date-is-a-series",
        LONG_SHORT[1:],
        VALUE,
        VALUE,
        "The figures of a single date are a series like those of several; in Qlib a frame with a column per instrument.",
        when.a_date_is_a_frame,
    ),
    Difference(
        "equal-labels-are-no-alpha",
        ("calc_long_short_prec",),
        VALUE,
        VALUE,
        "Labels that are all equal are neither above nor below their mean; Qlib takes the sign of rounding errors.",
        when.labels_are_their_mean,
    ),
    Difference(
        "series-have-names",
        ("signal names",),
        VALUE,
        VALUE,
        "Figures are named, so that they can be put into one frame.",
        lambda _, theirs, ours: theirs == [None, None] and ours == ["IC", "Rank IC"],
    ),
    Difference(
        "constants-are-centred",
        ("processor",),
        VALUE,
        VALUE,
        "A column without spread in the fit window (its values, or most of them, are equal) is centred and not scaled; "
        "Qlib when.leaves it, or divides it by 1e-12.",
        when.constants_are_centred,
    ),
    Difference(
        "fit-window-without-rows",
        ("processor",),
        VALUE,
        "EmptySegmentError",
        "A fit window that holds no row is an error; in Qlib all becomes missing.",
        when.fit_window_is_empty,
    ),
    Difference(
        "infinities-are-not-fitted",
        ("processor",),
        VALUE,
        VALUE,
        "An infinite value plays no part in centre and scale; in Qlib it makes them infinite.",
        when.infinities_do_not_count,
    ),
    Difference(
        "cross-sections-without-spread",
        ("processor",),
        VALUE,
        VALUE,
        "Where all instruments agree, or there is one, `CSZScoreNorm` is zero; in Qlib missing or rounding errors.",
        when.equal_instruments_are_zero,
    ),
    Difference(
        "index-names-stay",
        ("processor",),
        VALUE,
        VALUE,
        "`ProcessInf` keeps the names of the index; Qlib's loses them where the data leave out a month.",
        when.only_index_names_differ,
    ),
    Difference(
        "samples-in-the-order-of-the-rows",
        ("TSDataSampler, order",),
        VALUE,
        VALUE,
        "Samples come by time, as everywhere; in Qlib instrument by instrument.",
        when.is_reordered,
    ),
    Difference(
        "unknown-instruments",
        ("TSDataSampler, one window",),
        VALUE,
        "DataError",
        "An instrument that is not there is an error; Qlib gives the window of the one after it in the alphabet.",
        when.instrument_is_unknown,
    ),
    Difference(
        "windows-before-the-data",
        ("TSDataSampler, one window",),
        VALUE,
        "DataError",
        "A time before the data is an error; Qlib gives a window without values.",
        when.time_is_before_the_data,
    ),
)
